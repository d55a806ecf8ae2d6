"""Each way in which a line or a meter can fail has its own error, with advice; and what can be repeated is."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest

from drivers.base import Progress, Task
from drivers.data import MeterData
from drivers.errors import (
    LineLost,
    MeterProtocolError,
    MeterRefused,
    MeterSilent,
    MrspError,
    TransportError,
    UsageError,
)
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.library import load_maps
from metersim.modbus.faults import FAULTS, Faults, parse_faults
from metersim.modbus.server import running_modbus
from metersim.modbus.world import World, world_of

NAME = "eastron-sdm630"
QUICK = "timeout_ms=60&busy_wait_ms=0"
LINES = {"tcp": {}, "gateway": {"rtu": True}, "serial": {"tcp": None}}


def world() -> World:
    return world_of(load_maps().find(NAME))


async def read(address: str, query: str = QUICK, **how: object) -> MeterData:
    return await ModbusDriver().read(Task(url=f"{address}?{query}", profile=NAME, **how))  # type: ignore[arg-type]


def exact(data: MeterData, truth: World) -> bool:
    return sorted(f"{one.value:f}" for one in data.registers) == sorted(one.value for one in truth.truth)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(
    "fault", ["busy=3", "silent=1", "silent=2", "wrong_transaction=1", "wrong_unit=2", "garble=1", "late=1"]
)
async def test_what_passes_is_repeated_and_the_values_are_right(line: str, fault: str) -> None:
    truth = world()
    async with running_modbus({1: truth}, faults=parse_faults([fault]), **LINES[line]) as running:  # type: ignore[arg-type]
        if (line, fault) == ("tcp", "garble=1"):
            return  # a damaged length is only told by a checksum, which TCP frames do not have
        data = await read(running.address, f"{QUICK}&retries=5")
    assert exact(data, truth)
    assert data.broken is None
    assert data.line is not None
    assert data.line.retries >= 1


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        ("busy=1000", MeterRefused, r"device busy \(exception 6\).*another master"),
        ("silent=1000", MeterSilent, r"did not answer a request for IR72.* in 3 tries of 0.06 s.*powered"),
        ("wrong_unit=1000", MeterProtocolError, r"what came is an answer of unit 2 to function 4"),
        ("short=1000", MeterProtocolError, r"what came is an answer of unit 1 to function 4.*, 9 registers.*`most`"),
        ("cut=1", LineLost, r"was closed by the other side|broke"),
        ("exception=1", MeterRefused, r"illegal function.*`function`"),
        ("exception=3", MeterRefused, r"illegal data value.*`most`"),
        ("exception=4", MeterRefused, r"device failure.*unknown unit"),
        ("exception=8", MeterRefused, r"memory parity"),
        ("exception=10", TransportError, r"gateway has no path.*unit id"),
        ("exception=11", MeterSilent, r"gateway got no answer from the meter.*unit id"),
    ],
)
async def test_what_stays_is_an_error_with_advice(line: str, fault: str, kind: type[MrspError], says: str) -> None:
    async with running_modbus({1: world()}, faults=parse_faults([fault]), **LINES[line]) as running:  # type: ignore[arg-type]
        if (line, fault) == ("serial", "cut=1"):
            return  # a serial line has no connection to cut
        with pytest.raises(kind, match=says) as caught:
            await read(running.address)
    assert caught.value.meter.endswith(", unit 1")
    assert str(caught.value).count("unit 1") == 1 + ("answer of unit 1" in str(caught.value))
    assert caught.value.advice


async def test_a_damaged_rtu_answer_is_told_from_silence() -> None:
    async with running_modbus({1: world()}, faults=Faults(garble=1000), rtu=True) as running:
        with pytest.raises(MeterProtocolError, match=r"no whole frame with a right checksum.*speed, parity"):
            await read(running.address)


async def test_another_transaction_is_told_from_silence() -> None:
    async with running_modbus({1: world()}, faults=Faults(wrong_transaction=1000)) as running:
        with pytest.raises(MeterProtocolError, match=r"transaction 16\d\d\d.*mix up"):
            await read(running.address)


async def test_a_unit_that_is_not_there_is_named() -> None:
    async with running_modbus({1: world()}) as running:
        with pytest.raises(MeterSilent, match="unit 2: the gateway got no answer"):
            await read(running.address, f"{QUICK}&unit=2")


@pytest.mark.parametrize("line", LINES)
async def test_a_line_that_breaks_after_registers_keeps_what_is_whole(line: str) -> None:
    truth = world()
    faults = Faults(cut=2)
    if line == "serial":
        return  # see above
    async with running_modbus({1: truth}, faults=faults, **LINES[line]) as running:  # type: ignore[arg-type]
        data = await read(running.address)
    assert isinstance(data.broken, LineLost)
    assert {one.kind for one in data.registers} == {"cumulative"}
    assert len(data.registers) == 5


async def test_a_late_answer_is_never_taken_for_another_question() -> None:
    """In RTU an answer does not say what it answers: two blocks of the same size must not be mixed up."""
    truth = World()
    for first in (72, 100):
        truth.put(4, first, [first, first])
    async with running_modbus({1: truth}, faults=Faults(late=1), rtu=True) as running:
        from drivers.modbus.address import parse_address
        from drivers.modbus.client import Client
        from drivers.modbus.image import Span
        from drivers.modbus.opening import open_channel

        address = parse_address(f"{running.address}?{QUICK}")
        channel = await open_channel(address, lambda _way, _octets: None)
        client = Client(channel, address, lambda: 0)
        one = await client.ask(Span("input", 72, 2))
        other = await client.ask(Span("input", 100, 2))
        await channel.aclose()
    assert (one.octets.hex(), other.octets.hex()) == ("00480048", "00640064")


async def test_cancelling_closes_the_line_and_frees_the_gateway() -> None:
    asked = asyncio.Event()

    def told(progress: Progress) -> None:
        if progress.stage.startswith("IR"):
            asked.set()

    async with running_modbus({1: world()}, faults=Faults(silent=1), rtu=True) as running:
        task = asyncio.create_task(read(running.address, "timeout_ms=20000", progress=told))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # The visit after it waits until a late answer cannot come any more; here the wait is over at once.
        from drivers.modbus import gateways

        for gateway in gateways._GATEWAYS[asyncio.get_running_loop()].values():
            assert gateway.quiet_at > asyncio.get_running_loop().time()
            assert not gateway.lock.locked()
            gateway.quiet_at = 0.0
        data = await read(running.address)
    assert len(data.registers) == 13


async def test_nothing_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(TransportError, match="refuses the connection"):
            await read(f"modbus+tcp://127.0.0.1:{port}")


async def test_a_name_that_cannot_be_resolved() -> None:
    with pytest.raises(TransportError, match="cannot be resolved"):
        await read("modbus+tcp://no-such-host.invalid:502")


async def test_a_serial_port_that_is_missing_or_taken() -> None:
    with pytest.raises(TransportError, match="there is no /dev/ttyNone9"):
        await read("modbus:///dev/ttyNone9")
    async with running_modbus({1: world()}, tcp=None) as running:
        import fcntl

        holder = os.open(running.address.removeprefix("modbus://"), os.O_RDWR | os.O_NOCTTY)
        try:
            fcntl.flock(holder, fcntl.LOCK_EX)
            with pytest.raises(TransportError, match="busy"):
                await read(running.address)
        finally:
            os.close(holder)


async def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        name for name in sys.modules if name.split(".")[0] == "pymodbus" or name.startswith("drivers.modbus.")
    ]:
        if name.rpartition(".")[2] in {"visit", "client", "channel", "opening"} or name.startswith("pymodbus"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pymodbus", None)
    with pytest.raises(UsageError, match=r"mrsp-agent\[modbus\]"):
        await read("modbus+tcp://127.0.0.1:1")


def test_every_fault_is_documented() -> None:
    assert list(FAULTS) == list(Faults.__dataclass_fields__)
    with pytest.raises(UsageError, match="no fault"):
        parse_faults(["nothing"])
    with pytest.raises(UsageError, match="is no number"):
        parse_faults(["busy=x"])


def test_the_driver_does_not_load_pymodbus_by_itself(tmp_path: Path) -> None:
    import subprocess

    code = "import sys, drivers.modbus.driver, drivers.modbus.overheard; print('pymodbus' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "False"
