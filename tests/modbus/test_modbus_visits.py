"""Whole visits to a real pymodbus server: every shipped map over every line, exactly."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from drivers.base import Progress, Task
from drivers.data import MeterData, SecondLook
from drivers.errors import DataError, MeterRefused, UsageError
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.library import load_maps
from metersim.modbus.faults import Faults
from metersim.modbus.server import running_modbus
from metersim.modbus.world import World, world_of

NOW = datetime(2026, 3, 1, 12, 30, 5)  # noqa: DTZ001 - as a meter's clock shows it
LINES = {"tcp": {}, "gateway": {"rtu": True}, "serial": {"tcp": None}}


def world(name: str, **how: int) -> World:
    return world_of(load_maps().find(name), now=NOW, **how)


def found(data: MeterData) -> dict[tuple[object, ...], tuple[str, str, str]]:
    return {
        (one.quantity, one.direction, one.kind, one.tier, one.phase): (f"{one.value:f}", one.raw, one.unit)
        for one in data.registers
    }


def meant(world: World) -> dict[tuple[object, ...], tuple[str, str, str]]:
    return {
        (one.quantity, one.direction, one.kind, one.tier, one.phase): (one.value, one.raw, one.unit)
        for one in world.truth
    }


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("name", ["sunspec-meter", "eastron-sdm630", "gavazzi-em24-din", "schneider-iem3155"])
@pytest.mark.parametrize("seed", [1, 2])
async def test_every_map_over_every_line(name: str, line: str, seed: int) -> None:
    truth = world(name, seed=seed, unit=9)
    async with running_modbus({9: truth}, **LINES[line]) as running:  # type: ignore[arg-type]
        task = Task(url=f"{running.address}?unit=9", profile=name, site_zone=ZoneInfo("America/Denver"))
        data = await ModbusDriver().read(task)
    assert found(data) == meant(truth)
    assert (data.profile, data.method, data.broken) == (name, "modbus", None)
    assert data.identity.meter_id == truth.meter_id
    assert not [problem for problem in data.problems if problem.lost]
    assert data.line is not None
    assert data.line.bytes_received > 2 * len(truth.truth)
    assert data.line.baud == (0 if line != "serial" else 19200 if name.startswith("schneider") else 9600)
    assert running.tally.writes == 0
    assert running.tally.connections == 1


@pytest.mark.parametrize("model", [201, 202, 203, 204, 211, 212, 213, 214])
async def test_every_sunspec_model_is_recognised_without_a_profile(model: int) -> None:
    truth = world("sunspec-meter", model=model)
    async with running_modbus({1: truth}) as running:
        data = await ModbusDriver().read(Task(url=running.address))
    assert found(data) == meant(truth)
    assert data.identity.serial_number == truth.meter_id
    assert data.identity.manufacturer == "Sim manufacturer"


async def test_the_registers_say_where_they_come_from() -> None:
    truth = world("sunspec-meter")
    async with running_modbus({1: truth}) as running:
        data = await ModbusDriver().read(Task(url=running.address))
    for one in data.registers:
        assert one.source is not None
        first = int(one.source.table.removeprefix("HR"))
        words = [truth.words[3, first + index] for index in range(one.source.length // 2)]
        assert one.source.octets == b"".join(word.to_bytes(2, "big") for word in words)
        assert one.source.offset == 0
        assert one.value == Decimal(one.raw) * one.multiplier


async def test_counters_come_in_one_answer() -> None:
    truth = world("sunspec-meter")
    async with running_modbus({1: truth}) as running:
        await ModbusDriver().read(Task(url=running.address))
    counters = {first for _, first, _ in truth.counters}
    answers = [request for request in running.tally.requests if request[2] in counters]
    assert len(answers) == 1
    assert all(answers[0][2] <= first < answers[0][2] + answers[0][3] for first in counters)


@pytest.mark.parametrize(("zone", "shown"), [("America/Denver", "19:30:05"), (None, None)])
async def test_a_local_clock_needs_the_zone_of_the_site(zone: str | None, shown: str | None) -> None:
    async with running_modbus({1: world("schneider-iem3155")}) as running:
        task = Task(
            url=running.address, profile="schneider-iem3155", site_zone=None if zone is None else ZoneInfo(zone)
        )
        data = await ModbusDriver().read(task)
    assert data.has_clock
    if shown is None:
        assert data.clock is None
        assert [problem.lost for problem in data.problems if problem.what == "clock"] == [False]
    else:
        assert data.clock is not None
        assert data.clock.meter_time == datetime(2026, 3, 1, 19, 30, 5, tzinfo=UTC)
        assert data.clock.before_ns <= data.clock.after_ns


async def test_a_meter_without_a_clock_register_has_no_clock() -> None:
    async with running_modbus({1: world("eastron-sdm630")}) as running:
        data = await ModbusDriver().read(Task(url=running.address, profile="eastron-sdm630"))
    assert not data.has_clock
    assert data.identity.meter_id == ""


async def test_a_meter_with_other_registers_is_no_sunspec_meter() -> None:
    async with running_modbus({1: world("eastron-sdm630")}) as running:
        with pytest.raises(DataError, match=r"no SunSpec marker at 40000, 50000, 0.*--profile"):
            await ModbusDriver().read(Task(url=running.address))


async def test_the_wrong_map_is_refused_with_advice() -> None:
    async with running_modbus({1: world("eastron-sdm630")}) as running:
        with pytest.raises(MeterRefused, match=r"illegal data address.*right register map") as caught:
            await ModbusDriver().read(Task(url=running.address, profile="schneider-iem3155"))
    assert caught.value.code == 2


async def test_what_an_optional_register_lacks_is_a_remark() -> None:
    truth = world("schneider-iem3155")
    for first in (3207, 4195):
        truth.drop(3, first, 4)
    async with running_modbus({1: truth}) as running:
        data = await ModbusDriver().read(
            Task(url=running.address, profile="schneider-iem3155", site_zone=ZoneInfo("UTC"))
        )
    assert len(data.registers) == len(truth.truth) - 2
    assert [(problem.what, problem.lost) for problem in data.problems] == [
        ("HR3207 Wh received", False),
        ("HR4195 Wh delivered tier 1", False),
    ]


async def test_a_register_that_is_missing_is_lost_and_the_others_are_read() -> None:
    truth = world("eastron-sdm630")
    async with running_modbus({1: truth}, faults=Faults(absent=1)) as running:
        data = await ModbusDriver().read(Task(url=running.address, profile="eastron-sdm630"))
    assert len(data.registers) == len(truth.truth) - 1
    assert [(problem.what, problem.lost) for problem in data.problems] == [("IR72 kWh delivered", True)]


async def test_nan_is_not_implemented_and_infinity_is_an_error() -> None:
    truth = world("eastron-sdm630")
    async with running_modbus({1: truth}, faults=Faults(specials=1)) as running:
        data = await ModbusDriver().read(Task(url=running.address, profile="eastron-sdm630"))
    assert [(problem.what, problem.lost) for problem in data.problems] == [
        ("IR74 kWh received", True),
        ("registers", False),
    ]
    assert "infinity" in data.problems[0].reason
    assert "IR72 kWh delivered" in data.problems[1].reason


async def test_a_scale_factor_out_of_range_loses_its_registers() -> None:
    truth = world("sunspec-meter")
    start = next(first for code, first in truth.words if truth.words[code, first] == 203)
    truth.words[3, start + 54] = 0x8000
    async with running_modbus({1: truth}) as running:
        data = await ModbusDriver().read(Task(url=running.address))
    assert not [one for one in data.registers if one.quantity == "Wh"]
    lost = [problem for problem in data.problems if problem.lost]
    assert len(lost) == 8
    assert "scale factor" in lost[0].reason


async def test_zero_of_a_mandatory_accumulator_is_zero_and_of_another_is_none() -> None:
    truth = world("sunspec-meter")
    start = next(first for code, first in truth.words if truth.words[code, first] == 203)
    for offset in (46, 48):
        truth.put(3, start + offset, [0, 0])
    async with running_modbus({1: truth}) as running:
        data = await ModbusDriver().read(Task(url=running.address))
    delivered = {one.phase: one.value for one in data.registers if (one.quantity, one.direction) == ("Wh", "delivered")}
    assert delivered[""] == 0
    assert "A" not in delivered


async def test_a_second_look_reads_the_named_registers_again() -> None:
    truth = world("eastron-sdm630")
    asked: list[tuple[SecondLook, ...]] = []

    def ask(data: MeterData) -> tuple[str, ...]:
        asked.append(data.again)
        return ("IR72", "ST23")

    async with running_modbus({1: truth}) as running:
        task = Task(url=running.address, profile="eastron-sdm630", second_look=ask)
        data = await ModbusDriver().read(task)
    assert [look.tables for look in data.again] == [("IR72",), ("IR72",)]
    first = next(one for one in data.registers if one.source is not None and one.source.table == "IR72")
    assert data.again[0].registers == (first,)
    assert data.registers_ns is not None
    assert data.registers_ns <= data.again[0].at_ns <= data.again[1].at_ns
    assert [len(looks) for looks in asked] == [0, 1]


async def test_progress_is_told() -> None:
    told: list[Progress] = []
    async with running_modbus({1: world("eastron-sdm630")}) as running:
        await ModbusDriver().read(Task(url=running.address, profile="eastron-sdm630", progress=told.append))
    assert told[0].stage == "waiting for the line"
    assert told[-1].bytes_on_line > 0


async def test_usage_is_checked_before_anything_is_opened(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no register map is called"):
        await ModbusDriver().read(Task(url="modbus+tcp://127.0.0.1:1", profile="nothing"))
    with pytest.raises(UsageError, match="no option"):
        await ModbusDriver().read(Task(url="modbus+tcp://127.0.0.1:1?nothing=1"))
    with pytest.raises(UsageError, match="not a serial port"):
        await ModbusDriver().read(Task(url=f"modbus://{tmp_path}"))


RATIOS = """\
name = "ratios"
title = "Ratios"
status = "not tried on hardware"
constant = [
    { name = "ct", address = 10, type = "u16", scale = "0.1" },
    { name = "vt", address = 11, type = "u16" },
]
expect = [{ address = 12, type = "u16", values = ["57", "58"] }]

[[register]]
address = 0
type = "u32"
quantity = "kWh"
unit = "kWh"
direction = "delivered"
scale = "0.001"
times = ["ct"]
over = ["vt"]
atomic = false
"""


def ratios(tmp_path: Path, ct: int, vt: int, code: int = 57) -> World:
    path = tmp_path / "modbus" / "ratios.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(RATIOS, encoding="utf-8")
    made = World(counters=[(3, 0, 2)])
    made.put(3, 0, [1, 5])
    made.put(3, 10, [ct, vt, code])
    return made


async def test_ratios_of_the_meter_are_applied_exactly(tmp_path: Path) -> None:
    async with running_modbus({1: ratios(tmp_path, 2000, 4)}) as running:
        data = await ModbusDriver().read(Task(url=running.address, profile="ratios", profile_dirs=(tmp_path,)))
    assert [(one.raw, f"{one.multiplier:f}", f"{one.value:f}") for one in data.registers] == [
        ("65541", "0.05", "3277.05")
    ]
    assert data.constants == {"ct": "200", "vt": "4"}


async def test_a_factor_without_end_is_rounded_and_said(tmp_path: Path) -> None:
    async with running_modbus({1: ratios(tmp_path, 10, 3)}) as running:
        data = await ModbusDriver().read(Task(url=running.address, profile="ratios", profile_dirs=(tmp_path,)))
    assert f"{data.registers[0].value:f}" == "21.847"  # 65541 is a multiple of 3
    assert "28 digits" in data.problems[0].reason


async def test_a_ratio_of_zero_is_no_divisor(tmp_path: Path) -> None:
    async with running_modbus({1: ratios(tmp_path, 10, 0)}) as running:
        with pytest.raises(DataError, match="vt is 0"):
            await ModbusDriver().read(Task(url=running.address, profile="ratios", profile_dirs=(tmp_path,)))


async def test_a_meter_that_is_not_the_expected_one_is_not_read(tmp_path: Path) -> None:
    async with running_modbus({1: ratios(tmp_path, 10, 1, code=99)}) as running:
        with pytest.raises(DataError, match=r"no meter of the map ratios.*holds 99, not 57 or 58"):
            await ModbusDriver().read(Task(url=running.address, profile="ratios", profile_dirs=(tmp_path,)))


async def test_a_torn_counter_is_read_until_two_looks_agree(tmp_path: Path) -> None:
    async with running_modbus({1: ratios(tmp_path, 10, 1)}, faults=Faults(torn=1)) as running:
        data = await ModbusDriver().read(Task(url=running.address, profile="ratios", profile_dirs=(tmp_path,)))
    assert sum(request[2] == 0 for request in running.tally.requests) == 3
    assert data.registers[0].raw == "65541"


async def test_a_counter_that_never_stands_still_is_not_delivered(tmp_path: Path) -> None:
    truth = ratios(tmp_path, 10, 1)

    def tick(_progress: Progress) -> None:
        truth.words[3, 0] += 1  # the high register

    async with running_modbus({1: truth}) as running:
        task = Task(url=running.address, profile="ratios", profile_dirs=(tmp_path,), progress=tick)
        with pytest.raises(DataError, match="did not stand still"):
            await ModbusDriver().read(task)


async def test_a_ratio_that_changes_during_the_read_spoils_the_value(tmp_path: Path) -> None:
    truth = ratios(tmp_path, 10, 1)

    def tick(_progress: Progress) -> None:
        truth.words[3, 10] += 1

    async with running_modbus({1: truth}) as running:
        task = Task(url=running.address, profile="ratios", profile_dirs=(tmp_path,), progress=tick)
        with pytest.raises(DataError, match="changed while the values"):
            await ModbusDriver().read(task)
