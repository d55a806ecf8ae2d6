"""The driver for Modbus meters: RTU on a serial line, TCP, TLS, RTU behind a TCP gateway, or a recording."""

from __future__ import annotations

from dataclasses import replace

from drivers.base import Task
from drivers.data import ClockChange, MeterData, Problem
from drivers.errors import MrspError, UsageError
from drivers.modbus.address import ModbusAddress, parse_address
from drivers.modbus.library import SUNSPEC, load_maps
from drivers.modbus.schema import RegisterMap
from drivers.registry import scheme_of

REPLAY = "modbus+replay"
NO_CLOCK_SETTING = "the clock of a Modbus meter is not set by this program"


class ModbusDriver:
    """Reads one meter by its register map. Stateless between reads but for the turns on a line."""

    schemes = ("modbus", "modbus+tcp", "modbus+tls", "modbus+rtu+tcp", REPLAY)

    async def read(self, task: Task) -> MeterData:
        """Visit the meter; see `drivers.base.Driver.read`. Without a profile it is taken for a SunSpec meter."""
        one = load_maps(task.profile_dirs).find(task.profile or SUNSPEC)
        meter = task.url
        try:
            if scheme_of(task.url) == REPLAY:
                from drivers.modbus.replay import read_recording  # noqa: PLC0415 - only for this scheme

                return read_recording(task, one)
            address = settled(parse_address(task.url, task.options), one)
            meter = str(address)
            if task.line is not None:
                raise UsageError("a Modbus meter does not call in")
            return _finished(task, await _visit(task, one, address))
        except MrspError as error:
            raise error.at(meter) from error.__cause__


async def _visit(task: Task, one: RegisterMap, address: ModbusAddress) -> MeterData:
    try:
        from drivers.modbus.visit import visit  # noqa: PLC0415 - pymodbus takes 150 ms and 14 MB
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{error.name} is not installed, which Modbus needs", advice="pip install 'mrsp-agent[modbus]'"
        ) from error
    return await visit(task, one, address)


def settled(address: ModbusAddress, one: RegisterMap) -> ModbusAddress:
    """Return the address with what the register map says where the URL is silent."""
    keys, line = one.modbus, one.line
    return replace(
        address,
        timeout_ms=address.timeout_ms if address.timeout_ms is not None else keys.timeout_ms,
        pause_ms=address.pause_ms if address.pause_ms is not None else keys.pause_ms,
        baud=address.baud or line.baud,
        parity=address.parity or line.parity,
        stop=address.stop or line.stop,
    )


def _finished(task: Task, data: MeterData) -> MeterData:
    """Say what became of an order to set the clock."""
    if task.clock_order is None:
        return data
    if data.clock is None:
        return replace(data, problems=(*data.problems, Problem("clock", NO_CLOCK_SETTING)))
    return replace(data, clock_change=ClockChange("refused", NO_CLOCK_SETTING, data.clock))
