"""Pointers that are not true, memories that do not match, meters that record meanwhile: never a wrong tail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as with_changes

from drivers.memory import MeterMemory, SetMemory
from drivers.psem import ResponseCode
from drivers.psem.services import FullRead
from metersim.meter.model import microseconds
from metersim.meter.scenario import Scenario
from metersim.meter.scenario_file import load_scenario
from tests.psem.simulated import SimulatedMeter, Visited, days
from tests.psem.test_psem_newness import in_full, tail

NOW = datetime(2025, 11, 19, 17, 22, 31, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
DAY = days(1)
COMMERCIAL = with_changes(load_scenario("commercial-4ch"), installed=date(2025, 11, 5), outages_per_year=0)


def with_profile(**changes: Any) -> Scenario:
    """The meter with another first profile set."""
    assert COMMERCIAL.profile is not None
    changed = with_changes(COMMERCIAL.profile.sets[0], **changes)
    return with_changes(COMMERCIAL, profile=with_changes(COMMERCIAL.profile, sets=(changed,)))


def profile_in_full(new: Visited) -> bool:
    return any(reason.startswith("ST64") for reason in in_full(new))


def meter_a_day_ago(
    scenario: Scenario = COMMERCIAL, ago: timedelta = DAY, now: datetime = NOW
) -> tuple[SimulatedMeter, MeterMemory]:
    """A meter now, and the memory of a visit to it a day ago."""
    meter = SimulatedMeter(scenario, now - ago)
    memory = meter.visit().memory()
    return meter.later(ago), memory


def with_set(memory: MeterMemory, **changes: Any) -> MeterMemory:
    first: SetMemory = replace(memory.sets[0], **changes)
    return replace(memory, sets=(first, *memory.sets[1:]))


def assert_everything_came(new: Visited, full: Visited, why: str) -> None:
    assert [reason for reason in in_full(new) if why in reason], new.reasons()
    assert new.data.blocks == full.data.blocks
    assert not new.reasons(lost=True)


WRONG: list[tuple[Callable[[MeterMemory], MeterMemory], str]] = [
    (lambda m: with_set(m, sequence=m.sets[0].sequence + 5), "where it counted"),
    (lambda m: with_set(m, sequence=m.sets[0].sequence - 1), "not where it was"),
    (lambda m: with_set(m, configuration="0" * 64), "ST61 or ST62 is not what it was"),
    (lambda m: with_set(m, counts=("1", "2", "3", "4")), "does not hold what it held"),
    (lambda m: with_set(m, counts=m.sets[0].counts[:3]), "does not hold what it held"),
    (lambda m: with_set(m, interval_end=m.sets[0].interval_end - timedelta(minutes=5)), "not where it was"),
]


@pytest.mark.parametrize(("wrong", "why"), WRONG)
def test_a_memory_that_does_not_match_makes_a_full_reading(
    wrong: Callable[[MeterMemory], MeterMemory], why: str
) -> None:
    meter, memory = meter_a_day_ago()
    new = meter.visit(NOW - DAY, wrong(memory))
    assert_everything_came(new, meter.visit(), why)
    assert profile_in_full(new)


def test_the_memory_of_another_meter_is_not_used() -> None:
    meter, memory = meter_a_day_ago()
    other = replace(with_set(memory, counts=("0",) * 4), meter_id="ANOTHER")
    new = meter.visit(NOW - DAY, other)
    assert not in_full(new)
    assert list(new.data.blocks) == tail(meter.visit().data.blocks, NOW - DAY, None)


def test_an_older_memory_is_where_the_reading_begins() -> None:
    meter, memory = meter_a_day_ago(ago=days(3))
    new = meter.visit(NOW - DAY, memory)
    assert list(new.data.blocks) == tail(meter.visit().data.blocks, NOW - days(3), None)


def test_what_was_overwritten_meanwhile_is_named() -> None:
    meter, memory = meter_a_day_ago(with_profile(blocks=3), ago=days(9))
    full = meter.visit()
    first = full.data.blocks[0].first_interval_end - QUARTER
    for known in (memory, None):
        new = meter.visit(NOW - days(9), known)
        assert new.data.blocks == full.data.blocks
        (lost,) = new.reasons(lost=True)
        assert lost.startswith("ST64: intervals from 2025-11-10 17:")
        assert f" to {first:%Y-%m-%d %H:%M:%S} UTC are gone" in lost


def test_what_was_never_recorded_is_not_lost() -> None:
    meter = SimulatedMeter(with_profile(recording_days=2), NOW)
    new = meter.visit(NOW - days(9))
    assert not new.reasons(lost=True)
    assert [reason for reason in new.reasons() if "the meter's data begin only then" in reason]
    assert new.data.blocks == meter.visit().data.blocks


def test_a_profile_that_was_cleared_is_lost() -> None:
    meter, memory = meter_a_day_ago()
    meter.tamper = lambda table, octets: octets[:1] + bytes(2) + octets[3:] if table == 63 else octets
    new = meter.visit(NOW - DAY, memory)
    assert new.data.blocks == ()
    assert new.reasons(lost=True) == ["ST64: everything since the last read is gone: it holds no interval"]
    assert not new.memory().sets


def test_a_clock_that_is_behind_the_last_read_makes_a_full_reading() -> None:
    meter, _ = meter_a_day_ago()
    new = meter.visit(NOW + DAY)
    assert_everything_came(new, meter.visit(), "before the time of the last read")
    assert profile_in_full(new)


@pytest.mark.parametrize("step_min", [-9, 40])
@pytest.mark.parametrize("remember", [True, False])
def test_a_clock_that_was_set_meanwhile(step_min: int, *, remember: bool) -> None:
    meter, memory = meter_a_day_ago()
    at = microseconds(NOW.replace(minute=10) - timedelta(hours=3))
    assert meter.meter.set_clock(at, meter.meter.clock.shows(at) + step_min * 60_000_000, 2)
    new, full = meter.visit(NOW - DAY, memory if remember else None), meter.visit()
    if remember:  # the overlap is where it was
        assert not [reason for reason in in_full(new) if reason.startswith("ST64")]
        assert list(new.data.blocks) == tail(full.data.blocks, NOW - DAY, memory)
        assert [event for event in full.data.events if event.code in {3, 4}][-4:] == list(new.data.events)
    else:
        assert_everything_came(new, full, "the meter's clock was set meanwhile")
        assert new.data.events == full.data.events


# -- what the meter cannot do


def test_a_meter_without_partial_reads_is_read_once_and_cut() -> None:
    layout = with_changes(COMMERCIAL.layout, access="full")
    meter, memory = meter_a_day_ago(with_changes(COMMERCIAL, layout=layout))
    new = meter.visit(NOW - DAY, memory)
    asked = [request for request, _ in new.line.served() if getattr(request, "table", None) == 64]
    assert asked == [FullRead(64)]
    assert not in_full(new)
    assert list(new.data.blocks) == tail(meter.visit().data.blocks, NOW - DAY, memory)


def test_a_meter_that_serves_whole_blocks_only_is_read_in_full() -> None:
    meter, memory = meter_a_day_ago()
    block = 5 + 4 * 8 + 96 * 11

    def refuse(table: int, offset: int | None, count: int | None) -> ResponseCode | None:
        odd = table == 64 and (offset or 0) % block + (count or 0) % block
        return ResponseCode.IAR if odd else None

    meter.before_read = refuse
    new = meter.visit(NOW - DAY, memory)
    assert_everything_came(new, meter.visit(), "the meter answers IAR")
    assert profile_in_full(new)


def test_a_meter_that_turns_out_not_to_serve_offsets() -> None:
    meter, memory = meter_a_day_ago()
    meter.before_read = lambda _table, offset, _count: ResponseCode.SNS if offset is not None else None
    new = meter.visit(NOW - DAY, memory)
    assert not in_full(new)
    assert list(new.data.blocks) == tail(meter.visit().data.blocks, NOW - DAY, memory)


def test_a_line_that_breaks_leaves_what_was_whole_and_the_memory_as_it_was() -> None:
    meter, memory = meter_a_day_ago()
    seen = []

    def break_at_the_second(table: int, _offset: int | None, _count: int | None) -> None:
        if table == 64:
            seen.append(table)
            if len(seen) == 2:
                meter.line.pull_the_plug()

    meter.before_read = break_at_the_second
    new = meter.visit(NOW - DAY, memory)
    assert new.data.broken is not None
    assert new.data.blocks == ()
    assert new.memory() == memory
    assert new.data.registers


# -- a meter that goes on recording while it is read


def layouts() -> list[Scenario]:
    return [
        with_profile(blocks=6, block_intervals=32, order=order, interval_order=slots, list_type=kind)
        for order in ("ascending", "descending")
        for slots in ("ascending", "descending")
        for kind in ("fifo", "circular")
    ]


ENDS = ["13:14", "13:59", "14:14"]  # the last but one of a block, its last, the first of one
DURING = [(63, 1), (64, 1), (64, 2), (64, 3)]  # the n-th read of a table
CASES = [
    pytest.param(during, scenario, at, unnoticed, id=f"ST{during[0]}-{during[1]}-{n}-{at}-{'un' * unnoticed}noticed")
    for k, during in enumerate(DURING)
    for n, scenario in enumerate(layouts())
    for j, at in enumerate(ENDS)
    for unnoticed in (False, True)
    if (n + j + k + unnoticed) % 4 == 0
]


@pytest.mark.parametrize(("which", "scenario", "at", "unnoticed"), CASES)
def test_an_interval_that_ends_during_the_reading(
    which: tuple[int, int],
    scenario: Scenario,
    at: str,
    unnoticed: bool,
) -> None:
    start = datetime.fromisoformat(f"2025-11-19T{at}:50Z")
    meter, memory = meter_a_day_ago(scenario, now=start)
    meter.unnoticed = unnoticed
    before, after = meter.visit(), SimulatedMeter.visit(meter.later(timedelta(seconds=20)))
    meter.later(-timedelta(seconds=20))
    everything = [list(full.data.blocks) for full in (before, after)]
    for known in (memory, None):
        seen: list[int] = []

        def pass_time(table: int, _offset: int | None, _count: int | None, seen: list[int] = seen) -> None:
            seen.append(table)
            if (table, seen.count(table)) == which:
                meter.passed = timedelta(seconds=20)

        meter.before_read = pass_time
        new = meter.visit(start - DAY, known)
        allowed = [tail(full.data.blocks, start - DAY, known) for full in (before, after)]
        assert list(new.data.blocks) in (everything if profile_in_full(new) else allowed)
        assert not new.reasons(lost=True)


# -- pointers and blocks that lie: no reading is different from the full reading of the same meter


@settings(max_examples=40, deadline=None)
@given(
    table=st.sampled_from([63, 64]),
    at=st.integers(0, 6 * (5 + 32 + 32 * 11) - 1),
    flip=st.integers(1, 255),
    scenario=st.sampled_from(layouts()),
    remember=st.booleans(),
)
def test_a_lie_in_pointers_or_blocks(table: int, at: int, flip: int, scenario: Scenario, *, remember: bool) -> None:
    since = NOW - DAY
    meter, memory = meter_a_day_ago(scenario)

    def lie(number: int, octets: bytes) -> bytes:
        if number != table or not octets:
            return octets
        place = at % len(octets)
        return octets[:place] + bytes([octets[place] ^ flip]) + octets[place + 1 :]

    meter.tamper = lie
    known = memory if remember else None
    full, new = meter.visit(), meter.visit(since, known)
    if profile_in_full(new) or not full.data.blocks:
        assert new.data.blocks == full.data.blocks
        return
    meter.tamper = lambda _table, octets: octets
    honest = meter.visit()  # an old block that lies is not read at all
    assert list(new.data.blocks) in [tail(visited.data.blocks, since, known) for visited in (full, honest)]
