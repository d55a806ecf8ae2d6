"""Registers that are read twice in one visit: both looks are in the document, and both come out of the recording."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.reading import VerificationPart
from agent.recheck import recheck
from drivers.data import MeterData
from drivers.errors import MeterRefused
from drivers.psem import PsemClient, ResponseCode
from drivers.psem.second_look import MOST_LOOKS
from drivers.writes import ClockOrder, MeterWrite, WriteOutcome
from tests.provenance.visits import START, Visited, visited
from tests.psem.lines import VirtualLoop

Ask = Callable[[MeterData], tuple[str, ...]]
ACTUAL = "residential-tou"
PAUSE_S = 600.0  # for the meter to count on; it gives up the session meanwhile


def asking(*answers: tuple[str, ...], told: list[MeterData] | None = None, seconds: float = 0) -> Ask:
    """Ask for these tables, one answer after another, then for nothing; so many seconds go by meanwhile."""
    left = list(answers)

    def ask(data: MeterData) -> tuple[str, ...]:
        if told is not None:
            told.append(data)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.virtual.now += seconds
        return left.pop(0) if left else ()

    return ask


def visit_to(recording: Path, ask: Ask, *faults: str, scenario: str = ACTUAL, **task: Any) -> Visited:
    return visited(scenario, recording, faults=faults, second_look=ask, **task)


def raws(data: MeterData, table: str, look: int | None = None) -> list[str]:
    registers = data.registers if look is None else data.again[look].registers
    return [register.raw for register in registers if register.source is not None and register.source.table == table]


def assert_proven(one: Visited) -> None:
    made = one.rederived()
    found = recheck(made)
    assert found.differences == ()
    assert found.agree == found.values > 20
    assert made.remarks == []


def test_nobody_asks_nothing_is_read_again(tmp_path: Path) -> None:
    one = visited(ACTUAL, tmp_path / "visit.rec")
    asked = visit_to(tmp_path / "asked.rec", asking())
    assert asked.data.again == ()
    assert asked.reading.verification is None
    assert asked.data.registers == one.data.registers
    assert asked.data.blocks == one.data.blocks


def test_a_table_is_read_again_in_the_same_session(tmp_path: Path) -> None:
    told: list[MeterData] = []
    one = visit_to(tmp_path / "visit.rec", asking(("ST23",), told=told))
    assert [data.again for data in told] == [(), one.data.again]
    assert told[0].registers == one.data.registers
    assert told[0].method == one.data.method
    assert told[0].blocks == one.data.blocks != ()
    (look,) = one.data.again
    assert look.tables == ("ST23",)
    assert raws(one.data, "ST23", 0) == raws(one.data, "ST23") != []
    assert one.data.registers_ns is not None
    assert look.at_ns >= one.data.registers_ns
    assert one.data.problems == told[0].problems
    assert one.data.broken is None
    assert_proven(one)


def test_a_meter_that_counts_on_keeps_its_first_look_and_both_are_proven(tmp_path: Path) -> None:
    one = visit_to(
        tmp_path / "visit.rec", asking(("ST23", "ST25"), ("ST23",), seconds=PAUSE_S), scenario="commercial-4ch"
    )
    assert [look.tables for look in one.data.again] == [("ST23", "ST25"), ("ST23",)]
    first, second, third = (raws(one.data, "ST23", look) for look in (None, 0, 1))
    assert first != second != third
    assert raws(one.data, "ST25", 0) == raws(one.data, "ST25") != []
    assert one.reading.verification is not None
    shown = [float(look.after_s) for look in one.reading.verification.looks]
    assert PAUSE_S < shown[0] < shown[1]
    assert_proven(one)


def test_over_a_bad_line_too(tmp_path: Path) -> None:
    ask = asking(("ST23",), ("ST23",), seconds=PAUSE_S)
    one = visit_to(tmp_path / "visit.rec", ask, "garble=0.0005", scenario="commercial-4ch")
    assert len(one.data.again) == 2
    assert_proven(one)


@pytest.mark.parametrize("where", ["registers", "again"])
def test_a_value_that_no_look_shows_is_a_mismatch(where: str, tmp_path: Path) -> None:
    one = visit_to(tmp_path / "visit.rec", asking(("ST23",), seconds=PAUSE_S), scenario="commercial-4ch")
    reading = one.reading
    assert reading.verification is not None
    (look,) = reading.verification.looks
    forged = msgspec.structs.replace(reading.registers[0], raw="1", value="1")
    if where == "registers":
        reading = msgspec.structs.replace(reading, registers=(forged, *reading.registers[1:]))
    else:
        looks = (msgspec.structs.replace(look, registers=(forged, *look.registers[1:])),)
        part = VerificationPart(looks=looks)
        reading = msgspec.structs.replace(reading, verification=part)
    paths = {difference.path for difference in recheck(one.rederived(reading)).differences}
    prefix = "registers[0]" if where == "registers" else "verification.looks[0].registers[0]"
    assert f"{prefix}.value" in paths


def test_a_value_of_the_second_look_at_the_octets_of_the_first_is_a_mismatch(tmp_path: Path) -> None:
    one = visit_to(tmp_path / "visit.rec", asking(("ST23",), seconds=PAUSE_S), scenario="commercial-4ch")
    assert one.reading.verification is not None
    (look,) = one.reading.verification.looks
    changed = next(
        index for index, (a, b) in enumerate(zip(one.reading.registers, look.registers, strict=False)) if a.raw != b.raw
    )
    mixed = msgspec.structs.replace(one.reading.registers[changed], raw=look.registers[changed].raw)
    registers = (*one.reading.registers[:changed], mixed, *one.reading.registers[changed + 1 :])
    reading = msgspec.structs.replace(one.reading, registers=registers)
    assert recheck(one.rederived(reading)).differences != ()


def test_the_looks_are_limited(tmp_path: Path) -> None:
    asked: list[MeterData] = []

    def ask(data: MeterData) -> tuple[str, ...]:
        asked.append(data)
        return ("ST23",)

    one = visit_to(tmp_path / "visit.rec", ask)
    assert len(one.data.again) == len(asked) == MOST_LOOKS


@pytest.mark.parametrize("names", [("ST64",), ("ST26",), ("ST07",), ("MT3", "nonsense"), ("ST24",)])
def test_only_tables_of_registers_that_were_read_are_read_again(names: tuple[str, ...], tmp_path: Path) -> None:
    one = visit_to(tmp_path / "visit.rec", asking(names), scenario="minimal")
    assert one.data.again == ()
    assert one.data.problems == ()


def test_a_line_that_breaks_leaves_the_first_look(tmp_path: Path) -> None:
    whole = visited(ACTUAL, tmp_path / "whole.rec")
    assert whole.data.line is not None
    told: list[MeterData] = []
    ask = asking(("ST23",), told=told)
    one = visit_to(tmp_path / "visit.rec", ask, f"silence_after={whole.data.line.bytes_received - 20}")
    assert len(told) == 1
    assert one.data.again == ()
    assert one.data.broken is None
    assert one.data.registers == whole.data.registers
    assert one.data.blocks == whole.data.blocks
    (problem,) = (problem for problem in one.data.problems if problem not in whole.data.problems)
    assert problem.what == "second look at ST23"
    assert not problem.lost
    assert "what was read first stands" in problem.reason


class NoJournal:
    """No write is expected."""

    def before(self, write: MeterWrite) -> None:
        raise AssertionError(write)

    def after(self, write: MeterWrite, outcome: WriteOutcome, detail: str) -> None:
        raise AssertionError(write, outcome, detail)


def test_a_clock_order_that_the_broken_line_leaves_undone_ends_the_visit_early(tmp_path: Path) -> None:
    whole = visited(ACTUAL, tmp_path / "whole.rec")
    assert whole.data.line is not None
    order = ClockOrder(lambda _ns: START, NoJournal(), over_s=Decimal(1), most_s=Decimal(1000))
    faults = f"silence_after={whole.data.line.bytes_received - 20}"
    one = visit_to(tmp_path / "visit.rec", asking(("ST23",)), faults, clock_order=order)
    assert one.data.broken is not None
    assert one.data.clock_change is None
    assert one.data.registers == whole.data.registers


def test_a_table_that_is_refused_the_second_time_leaves_the_first_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = PsemClient.read_table
    reads: list[int] = []

    async def read_table(self: PsemClient, table: int, **how: Any) -> bytes:
        reads.append(table)
        if table == 23 and reads.count(23) == 2:
            raise MeterRefused("Read of ST23: the meter is busy", code=ResponseCode.BSY)
        return await whole(self, table, **how)

    monkeypatch.setattr(PsemClient, "read_table", read_table)
    one = visit_to(tmp_path / "visit.rec", asking(("ST23",), ("ST23",)))
    assert one.data.again == ()
    assert reads.count(23) == 2
    looked = [problem for problem in one.data.problems if problem.what.startswith("second look")]
    assert [(problem.what, problem.lost) for problem in looked] == [("second look at ST23", False)]
    assert raws(one.data, "ST23") != []
