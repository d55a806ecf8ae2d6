"""A recording gives the same reading again, and each value its steps from the octets."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from drivers.base import Task
from drivers.c1219.explain import Unexplained
from drivers.data import MeterData, Register
from drivers.errors import DataError, UsageError
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.explain import explain_register
from drivers.modbus.library import load_maps
from drivers.modbus.overheard import retell
from drivers.transport.recording_file import Event, Octets, read_sessions
from metersim.modbus.faults import Faults, parse_faults
from metersim.modbus.server import running_modbus
from metersim.modbus.world import world_of

ZONE = ZoneInfo("America/Denver")
MAPS = ["sunspec-meter", "eastron-sdm630", "gavazzi-em24-din", "schneider-iem3155"]
LINES = {"tcp": {}, "gateway": {"rtu": True}, "serial": {"tcp": None}}


async def recorded(name: str, path: Path, faults: Faults | None = None, line: str = "tcp") -> MeterData:
    world = world_of(load_maps().find(name))
    async with running_modbus({1: world}, faults=faults, **LINES[line]) as running:  # type: ignore[arg-type]
        url = f"{running.address}?timeout_ms=60&busy_wait_ms=0&retries=5"
        return await ModbusDriver().read(Task(url=url, profile=name, record=path, site_zone=ZONE))


def comparable(data: MeterData) -> tuple[object, ...]:
    return data.identity, data.registers, data.problems, data.constants, data.profile


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("faults", ["most=125", "busy=2", "silent=1", "wrong_unit=1"])
async def test_the_recording_gives_the_same_reading(tmp_path: Path, name: str, line: str, faults: str) -> None:
    path = tmp_path / "visit.rec"
    data = await recorded(name, path, parse_faults([faults]), line)
    again = await ModbusDriver().read(Task(url=f"modbus+replay://{path}", profile=name, site_zone=ZONE))
    assert comparable(again) == comparable(data)


async def test_a_recording_has_all_octets_and_ends_properly(tmp_path: Path) -> None:
    path = tmp_path / "visit.rec"
    data = await recorded("eastron-sdm630", path)
    session = read_sessions(path)[-1]
    assert data.line is not None
    for way, count in ((">", data.line.bytes_sent), ("<", data.line.bytes_received)):
        assert sum(one.length for one in session.records if isinstance(one, Octets) and one.direction == way) == count
    assert [one.name for one in session.records if isinstance(one, Event)] == ["close"]
    assert session.header.line.startswith("modbus+tcp://127.0.0.1:")


async def test_a_lost_line_is_in_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "visit.rec"
    data = await recorded("eastron-sdm630", path, Faults(cut=2))
    assert data.broken is not None
    session = read_sessions(path)[-1]
    assert [one.name for one in session.records if isinstance(one, Event)] == ["lost", "close"]
    again = await ModbusDriver().read(Task(url=f"modbus+replay://{path}", profile="eastron-sdm630"))
    assert again.registers == data.registers


@pytest.mark.parametrize("name", MAPS)
async def test_every_value_is_explained_from_its_octets(tmp_path: Path, name: str) -> None:
    path = tmp_path / "visit.rec"
    data = await recorded(name, path)
    survey = retell(read_sessions(path)[-1], load_maps().find(name))
    for register in data.registers:
        explained = explain_register(survey, register)
        assert register.value is not None
        assert explained.value == Fraction(register.value)
        assert explained.unit == register.unit
        assert explained.of(Fraction(register.raw)) == explained.value
        assert register.source is not None
        assert register.source.octets.hex(" ") in explained.steps[0].why


async def test_a_register_of_another_map_is_not_explained(tmp_path: Path) -> None:
    path = tmp_path / "visit.rec"
    await recorded("eastron-sdm630", path)
    survey = retell(read_sessions(path)[-1], load_maps().find("eastron-sdm630"))
    other = Register("kWh", "delivered", "cumulative", 0, "1", None, Decimal(1), "kWh")
    with pytest.raises(Unexplained, match="has no kWh"):
        explain_register(survey, other)


async def test_what_is_no_visit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="names no file"):
        await ModbusDriver().read(Task(url="modbus+replay://"))
    with pytest.raises(UsageError, match="cannot be read"):
        await ModbusDriver().read(Task(url=f"modbus+replay://{tmp_path}/none.rec"))
    path = tmp_path / "psem.rec"
    path.write_text(
        '{"mrsp-recording":1,"line":"/dev/ttyUSB0","baud":9600,"started":"2026-03-01T00:00:00Z"}\n'
        '{"t":1,"dir":">","hex":"ee00000000012013"}\n',
        encoding="utf-8",
    )
    with pytest.raises(DataError, match="no Modbus request"):
        await ModbusDriver().read(Task(url=f"modbus+replay://{path}"))
