"""A reading of what is new is exactly the tail of the full one, in any layout, at any moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as with_changes

from drivers.data import IntervalBlock
from drivers.memory import MeterMemory
from metersim.meter.scenario import Channel, Clock, Log, Profile, ProfileSet, Scenario
from metersim.meter.scenario_file import load_scenario
from tests.psem.simulated import SimulatedMeter, Visited, days

IN_FULL = "read in full"
BASE = load_scenario("profile-35d")
SUMMER = datetime(2026, 6, 15, 17, 22, 31, tzinfo=UTC)
INSTALLED = date(2025, 10, 20)  # not long ago: a simulated meter lives through all of its history
SENSES: tuple[Literal["utc", "standard", "local", "unqualified"], ...] = ("utc", "standard", "local", "unqualified")
MOMENTS = [
    datetime(2025, 11, 19, 17, 22, 31, tzinfo=UTC),
    datetime(2025, 11, 2, 6, 40, tzinfo=UTC),  # the repeated hour, second pass
    datetime(2025, 11, 2, 12, 5, tzinfo=UTC),
    datetime(2025, 12, 1, 0, 0, 5, tzinfo=UTC),
    datetime(2026, 3, 8, 7, 31, tzinfo=UTC),  # daylight saving began half an hour ago
]


def last_end(block: IntervalBlock) -> datetime:
    return block.first_interval_end + (len(block.counts) - 1) * timedelta(seconds=block.interval_s)


def tail(blocks: tuple[IntervalBlock, ...], last_read: datetime, memory: MeterMemory | None) -> list[IntervalBlock]:
    """What was not read yet, and one interval before, of each data set; worked out interval by interval."""
    known = {one.data_set: one.interval_end for one in memory.sets} if memory is not None else {}
    found = []
    for block in blocks:
        since = min(last_read, known.get(block.data_set, last_read))  # a meter's clock may be behind
        length = timedelta(seconds=block.interval_s)
        peers = [other for other in blocks if other.data_set == block.data_set and other.channel == block.channel]
        ends = [other.first_interval_end + k * length for other in peers for k in range(len(other.counts))]
        first = max((end for end in ends if end <= since), default=min(ends))
        kept = [k for k in range(len(block.counts)) if block.first_interval_end + k * length >= first]
        if len(kept) == len(block.counts):
            found.append(block)
        elif kept:
            away = kept[0]
            assert block.slots is not None
            found.append(
                replace(
                    block,
                    first_interval_end=block.first_interval_end + away * length,
                    counts=block.counts[away:],
                    values=block.values[away:],
                    status=block.status[away:],
                    start_register=None,
                    slots=replace(block.slots, first=block.slots.first + away * block.slots.step),
                )
            )
    return found


def in_full(visited: Visited) -> list[str]:
    return [reason for reason in visited.reasons() if IN_FULL in reason]


def assert_is_the_tail(new: Visited, full: Visited, since: datetime, memory: MeterMemory | None = None) -> None:
    whole = {int(reason[2:4]) for reason in in_full(new)}
    newest = tail(full.data.blocks, since, memory)
    blocks = [
        block
        for number in sorted({block.data_set for block in full.data.blocks})
        for block in (full.data.blocks if 63 + number in whole else newest)
        if block.data_set == number
    ]
    assert list(new.data.blocks) == blocks
    logged = {one.table: one.sequence for one in memory.logs} if memory is not None else {}
    fresh = [
        one
        for one in full.data.events
        if one.at is not None
        and one.sequence is not None
        and (one.at > since or one.sequence > logged.get("ST76" if one.log == "event" else "ST74", one.sequence))
    ]
    if not {74, 76} & whole:
        assert list(new.data.events) == fresh
    now = [register for register in full.data.registers if register.period != "self_read"]
    assert [register for register in new.data.registers if register.period != "self_read"] == now
    assert not new.data.broken


@st.composite
def layouts(draw: st.DrawFn) -> Scenario:
    """A meter with one or two small profile sets, stored in any of the ways that there are."""
    numbers = draw(st.sampled_from([(1,), (1, 3), (2,)]))
    clocks = [Clock(shows=shows, zone_min=-300, offset_s=Decimal("-0.8")) for shows in SENSES]

    def one(number: int) -> ProfileSet:
        channels = draw(st.integers(1, 4))
        return ProfileSet(
            set_number=number,
            interval_min=draw(st.sampled_from([5, 15, 30, 60])),
            blocks=draw(st.integers(1, 8)),
            block_intervals=draw(st.integers(1, 30)),
            item=draw(st.sampled_from(["UINT16", "UINT32", "INT32", "NI1"])),
            order=draw(st.sampled_from(["ascending", "descending"])),
            interval_order=draw(st.sampled_from(["ascending", "descending"])),
            list_type=draw(st.sampled_from(["fifo", "circular"])),
            recording_days=draw(st.sampled_from([None, None, 1, 2])),
            channels=tuple(
                Channel(source=name, end_source=name) for name in (["Wh delivered", "varh delivered"] * 2)[:channels]
            ),
        )

    closure = draw(st.booleans())
    profile = Profile(
        sets=tuple(one(number) for number in numbers),
        status=draw(st.sampled_from(["none", "simple", "extended", "both"])),
        end_readings=draw(st.booleans()),
        end_pulses=draw(st.booleans()),
        closure=closure,
    )
    log = Log(
        entries=draw(st.integers(1, 40)),
        history_entries=draw(st.sampled_from([0, 10])),
        order=draw(st.sampled_from(["ascending", "descending"])),
        list_type=draw(st.sampled_from(["fifo", "circular"])),
    )
    layout: dict[str, Any] = {
        "edition": 1997 if closure else draw(st.sampled_from([1997, 2008])),
        "data_order": draw(st.sampled_from(["lsb", "msb"])),
        "time_format": draw(st.integers(1, 4)),
        "access": draw(st.sampled_from(["offset", "offset", "any", "full"])),
        "past_end": draw(st.sampled_from(["refuse", "short"])),
    }
    return with_changes(
        BASE,
        installed=INSTALLED,
        layout=with_changes(BASE.layout, **layout),
        clock=draw(st.sampled_from(clocks)),
        psem=with_changes(BASE.psem, packet_size=draw(st.sampled_from([128, 512, 1024]))),
        registers=with_changes(BASE.registers, self_reads=draw(st.sampled_from([0, 5]))),
        outages_per_year=draw(st.sampled_from([0, 100])),
        profile=profile,
        log=log,
    )


@settings(max_examples=60, deadline=None)
@given(
    scenario=layouts(),
    now=st.sampled_from(MOMENTS),
    ago_min=st.one_of(st.integers(0, 200), st.integers(0, 6000)),
    on_the_grid=st.booleans(),
    remember=st.booleans(),
)
def test_what_is_new_is_the_tail_of_everything(
    scenario: Scenario, now: datetime, ago_min: int, *, on_the_grid: bool, remember: bool
) -> None:
    since = now - timedelta(minutes=ago_min)
    if on_the_grid:
        since = since.replace(minute=0, second=0)
    meter = SimulatedMeter(scenario, since)
    memory = meter.visit().memory() if remember else None
    meter.later(now - since)
    full = meter.visit()
    new = meter.visit(since, memory)
    assert all("ambiguous" in reason for reason in in_full(new))
    event(f"in full: {reason}" if (reason := " ".join(in_full(new))) else "in part")
    assert_is_the_tail(new, full, since, memory)
    assert meter.visit(since, memory).memory() == full.memory()


@pytest.mark.parametrize("name", ["commercial-4ch", "descending-fifo-2008", "closure-1997", "big-endian-float-bcd"])
@pytest.mark.parametrize("ago_h", [0, 1, 24, 24 * 9])
def test_the_scenarios(name: str, ago_h: int) -> None:
    meter = SimulatedMeter.named(name, SUMMER - timedelta(hours=ago_h))
    memory = meter.visit().memory()
    meter.later(timedelta(hours=ago_h))
    full = meter.visit()
    since = SUMMER - timedelta(hours=ago_h)
    for known in (None, memory):
        new = meter.visit(since, known)
        assert not in_full(new)
        assert_is_the_tail(new, full, since, known)


def test_month_by_day_adds_up_to_the_whole() -> None:
    """Thirty readings, each from the memory of the one before: every interval is there, and as in one full reading."""
    meter = SimulatedMeter.named("commercial-4ch", SUMMER - days(30))
    before = meter.visit()
    ends: dict[tuple[int, datetime], tuple[object, ...]] = {}
    memory = before.memory()
    for _ in range(30):
        since = meter.now
        new = meter.later(days(1)).visit(since, memory)
        assert not in_full(new)
        memory = new.memory()
        ends |= intervals(new)
    full = intervals(meter.visit())
    first = min(end for _, end in ends)
    assert ends == {key: value for key, value in full.items() if key[1] >= first}
    assert len(ends) == 4 * (30 * 96 + 1)


def intervals(visited: Visited) -> dict[tuple[int, datetime], tuple[object, ...]]:
    return {
        (block.channel, block.first_interval_end + k * timedelta(seconds=block.interval_s)): (count, value, words)
        for block in visited.data.blocks
        for k, (count, value, words) in enumerate(zip(block.counts, block.values, block.status, strict=True))
    }
