"""The model agrees with itself: registers, tiers and intervals are the same pulses, by seed, at any moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from drivers.errors import UsageError
from metersim.meter import Meter, TruthBlock, load_scenario, parse_faults, scenario_names, truth_of
from metersim.meter.clock import MICROSECONDS, MeterClock
from metersim.meter.load import SHAPES, Flow, Supply
from metersim.meter.model import Mishaps, microseconds
from metersim.meter.story import Load
from metersim.meter.tables.place import arrange
from tests.young_meters import young

NOW = datetime(2026, 11, 21, 15, 7, 33, 250_000, tzinfo=UTC)
PROFILED = [name for name in scenario_names() if load_scenario(name).profile]


def meter(name: str, *, seed: int = 1, now: datetime = NOW, mishaps: Mishaps | None = None) -> Meter:
    return Meter(young(name, now), seed, microseconds(now), mishaps or Mishaps())


def old_meter(name: str, now: datetime = NOW) -> Meter:
    """The meter with all of its history."""
    return Meter(load_scenario(name), 1, microseconds(now))


@pytest.mark.parametrize("name", PROFILED)
def test_the_pulses_of_the_profile_are_the_advance_of_the_register(name: str) -> None:
    one = meter(name)
    for block in truth_of(one, one.start_us).blocks:
        all_channels = [counting for _, memory in sorted(one.memories.items()) for counting in memory.countings]
        channel = all_channels[block.channel - 1]
        begin = int(block.ends[0].timestamp()) - block.interval_s
        advance = one.total_pulses_at(channel.scaling.source.name, int(block.ends[-1].timestamp()))
        advance -= one.total_pulses_at(channel.scaling.source.name, begin)
        assert sum(block.pulses) == advance
        recorded = [value for value in block.values if value is not None]
        if len(recorded) == len(block.pulses):
            assert sum(recorded) == advance * channel.scaling.per_pulse
        if block.start_register is not None and block.stop_register is not None:
            end = one.scalings[channel.channel.end_source or channel.channel.source]
            assert block.stop_register - block.start_register == advance * end.per_pulse


@pytest.mark.parametrize("name", scenario_names())
def test_the_tiers_add_up_to_the_total(name: str) -> None:
    one = meter(name)
    registers = one.registers(one.start_us)
    for index, total in enumerate(registers.total.summations):
        if registers.tiers:
            assert sum(tier.summations[index] for tier in registers.tiers) == total
    for tier in registers.tiers:
        for mine, whole, demand in zip(
            tier.demands, registers.total.demands, one.scenario.registers.demands, strict=True
        ):
            if not demand.minimum:
                assert mine.occurrences[0].pulses <= whole.occurrences[0].pulses


def test_a_tier_is_fed_only_while_it_is_in_force() -> None:
    one = meter("residential-tou")
    # Friday 21 November 2026 in the second season: tier A from 22:00, so 03:00 to 06:30 local time is all tier A.
    begin, end = (microseconds(datetime(2026, 11, 20, 8 + h, tzinfo=UTC)) for h in (0, 3))
    before, after = one.registers(begin), one.registers(end)
    moved = [b.summations[0] - a.summations[0] for a, b in zip(before.tiers, after.tiers, strict=True)]
    assert moved[0] == after.total.summations[0] - before.total.summations[0] > 0
    assert moved[1:] == [0, 0]


@pytest.mark.parametrize("name", scenario_names())
def test_same_seed_same_meter_other_seed_another(name: str) -> None:
    first, again, other = meter(name), meter(name), meter(name, seed=2)
    truth = truth_of(first, first.start_us)
    assert truth == truth_of(again, again.start_us)
    assert truth.registers != truth_of(other, other.start_us).registers


def test_what_was_asked_before_does_not_change_the_answer() -> None:
    one, other = meter("descending-fifo-2008"), meter("descending-fifo-2008")
    later = one.start_us + 40 * 86_400 * MICROSECONDS
    for moment in range(one.start_us, later, 3 * 86_400 * MICROSECONDS):
        truth_of(one, moment)
    assert truth_of(one, later) == truth_of(other, later)


def test_registers_never_go_back() -> None:
    one = meter("commercial-4ch")
    moments = range(one.start_us, one.start_us + 7200 * MICROSECONDS, 77 * MICROSECONDS)
    totals = [one.registers(moment).total.summations for moment in moments]
    assert all(a <= b for earlier, later in pairwise(totals) for a, b in zip(earlier, later, strict=True))
    assert totals[-1] > totals[0]


def test_the_maximum_demand_is_the_largest_interval_since_the_reset() -> None:
    one = meter("profile-35d")
    demand = next(r for r in truth_of(one, one.start_us).registers if r.kind == "demand" and r.table == "ST23")
    reset = datetime(2026, 11, 1, 0, tzinfo=UTC) + timedelta(hours=5)  # midnight in the zone −300 min, no DST
    energy = {
        end: value
        for block in truth_of(one, one.start_us).blocks
        if block.channel == 1
        for end, value in zip(block.ends, block.values, strict=True)
        if value is not None
    }
    largest = max(value for end, value in energy.items() if end > reset)
    assert demand.value == largest * 4  # Wh of a quarter of an hour → W
    assert demand.occurred_at is not None
    assert energy[demand.occurred_at] == largest


def test_cumulative_demand_is_the_sum_of_the_closed_periods() -> None:
    one = old_meter("profile-35d")
    resets = one.billing.resets(one.now(one.start_us))
    maxima = [one.billing.registers(at, one.clock.reaches(at * MICROSECONDS), one.clock, before=True) for at in resets]
    total = sum(registers.total.demands[0].occurrences[0].pulses for registers in maxima)
    assert one.registers(one.start_us).total.demands[0].cumulative == total
    assert one.registers(one.start_us).resets == len(resets) == 22


def test_previous_reset_and_season_are_snapshots() -> None:
    truth = truth_of(one := meter("residential-tou"), microseconds(NOW))
    by_period = {(r.period, r.season, r.tier): r for r in truth.registers if r.kind == "cumulative"}
    season = by_period["present", "previous", 0]
    reset = by_period["previous_reset", "current", 0]
    assert reset.period_end == datetime(2026, 11, 1, 4, tzinfo=UTC)  # local midnight, still daylight saving
    assert season.period_end == datetime(2026, 10, 1, 4, tzinfo=UTC)
    assert season.value < reset.value < by_period["present", "current", 0].value
    assert one.previous_season(one.start_us).registers.season == 0  # type: ignore[union-attr]


def test_a_manual_reset_begins_a_new_demand_period() -> None:
    one = meter("profile-35d")
    before = one.registers(one.start_us)
    one.reset_demand(one.start_us, user_id=9)
    after = one.registers(one.start_us + MICROSECONDS)
    assert after.resets == before.resets + 1
    assert after.total.demands[0].occurrences[0].pulses == 0
    gained = after.total.demands[0].cumulative - before.total.demands[0].cumulative
    assert gained == before.total.demands[0].occurrences[0].pulses
    assert one.events(one.start_us + MICROSECONDS)[-1].user_id == 9


def intervals(one: Meter, status: str, channel: int = 1) -> list[tuple[datetime, int | Decimal | None, int]]:
    return [
        (end, count, pulses)
        for block in truth_of(one, one.start_us).blocks
        if block.channel == channel and block.data_set == 1
        for end, count, words, pulses in zip(block.ends, block.counts, block.status, block.pulses, strict=True)
        if status in words
    ]


def test_an_outage_marks_partial_and_skipped_intervals_and_the_log() -> None:
    scenario = structs.replace(load_scenario("residential-tou"), outages_per_year=0)
    one = Meter(scenario, 1, microseconds(NOW), Mishaps(power_outage=True))
    off = intervals(one, "power_outage")
    skipped = intervals(one, "skipped")
    # off from 11:07:33 to 11:54:33 by true time, the meter is 1.4 s ahead
    assert [end.strftime("%H:%M") for end, _, _ in off] == ["11:15", "11:30", "11:45", "12:00"]
    assert [end.strftime("%H:%M") for end, _, _ in skipped] == ["11:30", "11:45"]
    assert all(count is None and pulses == 0 for _, count, pulses in skipped)
    events = truth_of(one, one.start_us).events
    assert [(e.code, e.at.strftime("%H:%M:%S")) for e in events if e.code in (1, 2)] == [
        (1, "11:07:34"),
        (2, "11:54:34"),
    ]


def test_missing_intervals_are_skipped_while_the_register_advances() -> None:
    one = meter("residential-tou", mishaps=Mishaps(missing_intervals=4))
    plain = meter("residential-tou")
    missing = [row for row in intervals(one, "missing") if row not in intervals(plain, "missing")]
    assert len(missing) == 4
    assert all(count is None and pulses > 0 for _, count, pulses in missing)
    assert one.registers(one.start_us) == plain.registers(plain.start_us)


def test_an_overflow_is_flagged_and_clipped() -> None:
    one = meter("residential-tou", mishaps=Mishaps(pulse_overflow=True))
    ((_, count, pulses),) = intervals(one, "overflow")
    assert count == 65_535 < pulses


def test_simple_status_loses_the_whole_interval_to_an_overflow() -> None:
    one = meter("profile-35d", mishaps=Mishaps(pulse_overflow=True))
    ((end, count, _),) = intervals(one, "overflow")
    assert count is None
    assert [row[0] for row in intervals(one, "missing", channel=2)] == [end]


def test_test_mode_is_in_status_intervals_and_log() -> None:
    one = meter("residential-tou", mishaps=Mishaps(test_mode=True))
    truth = truth_of(one, one.start_us)
    assert truth.mode == ("metering", "test")
    assert [end.strftime("%H:%M") for end, _, _ in intervals(one, "test_mode")] == ["14:30", "14:45", "15:00"]
    assert 32 in [event.code for event in truth.events]


def test_overflow_needs_items_that_can_overflow() -> None:
    with pytest.raises(UsageError, match="pulse_overflow"):
        meter("big-endian-float-bcd", mishaps=Mishaps(pulse_overflow=True))


def test_the_meter_must_be_installed() -> None:
    with pytest.raises(UsageError, match="installed"):
        old_meter("minimal", datetime(2024, 1, 1, tzinfo=UTC))


def test_clock_offset_is_what_was_asked_for() -> None:
    one = meter("residential-tou", mishaps=parse_faults(["clock_offset=-200.5"]).mishaps)
    assert truth_of(one, one.start_us).clock_offset_s == Decimal("-200.5")


@pytest.mark.parametrize(("year", "month", "day"), [(2026, 11, 1), (2026, 3, 8)])
def test_intervals_are_contiguous_over_a_change_of_daylight_saving(year: int, month: int, day: int) -> None:
    one = meter("residential-tou", now=datetime(year, month, day, 20, tzinfo=UTC))
    blocks = [block for block in truth_of(one, one.start_us).blocks if block.channel == 1]
    ends = [end for block in blocks for end in block.ends]
    assert all(b - a == timedelta(minutes=15) for a, b in pairwise(ends))
    flagged = {
        end: "daylight_saving" in words for block in blocks for end, words in zip(block.ends, block.status, strict=True)
    }
    change = datetime(year, month, day, 6 if month == 11 else 7, tzinfo=UTC)
    assert flagged[change] == (month == 11)
    assert flagged[change + timedelta(minutes=15)] == (month == 3)


@given(
    offset=st.integers(-10_000_000, 10_000_000),
    drift=st.integers(-200_000, 200_000),
    meter_us=st.integers(1_700_000_000_000_000, 1_900_000_000_000_000),
    step=st.integers(-100_000_000, 100_000_000),
)
def test_reaches_is_the_inverse_of_shows(offset: int, drift: int, meter_us: int, step: int) -> None:
    clock = MeterClock(1_800_000_000_000_000, offset, drift)
    assert clock.shows(true := clock.reaches(meter_us)) >= meter_us
    assert clock.shows(true - 1) < meter_us
    stepped = clock.stepped(1_800_000_000_000_000, step)
    assert stepped.shows(stepped.reaches(meter_us)) >= meter_us


@given(
    moments=st.lists(st.integers(0, 3 * 86_400 * MICROSECONDS), min_size=2, max_size=8).map(sorted),
    outage=st.tuples(st.integers(1, 86_400), st.integers(1, 7200)),
    seed=st.integers(0, 5),
    shape=st.sampled_from(sorted(SHAPES)),
)
def test_a_load_only_grows_and_stands_still_without_power(
    moments: list[int], outage: tuple[int, int], seed: int, shape: str
) -> None:
    since, to = outage[0] * MICROSECONDS, (outage[0] + outage[1]) * MICROSECONDS
    load = Load(name="l", pulses_per_hour=5000, shape=shape)
    flow = Flow(load, seed, 20_000, 0, 900, Supply(((since, to),)))
    values = flow.all_until(moments)
    assert values == sorted(values)
    assert flow.pulses_until(since) == flow.pulses_until((since + to) // 2) == flow.pulses_until(to)


@given(
    count=st.integers(0, 12),
    capacity=st.integers(1, 6),
    start=st.integers(0, 9),
    descending=st.booleans(),
    circular=st.booleans(),
)
def test_lists_can_be_walked_back_as_the_standard_says(
    count: int, capacity: int, start: int, *, descending: bool, circular: bool
) -> None:
    first = start if count > capacity or not circular else 0
    entries = [(number, f"e{number}") for number in range(first, first + count)]
    placed = arrange(entries, capacity, descending=descending, circular=circular)
    step = 1 if descending else -1
    walked = [placed.elements[(placed.last + k * step) % capacity] for k in range(placed.valid)]
    assert walked[::-1] == [entry for _, entry in entries[-capacity:]]


def test_a_year_of_data_takes_seconds_not_minutes() -> None:
    one = old_meter("residential-tou", datetime(2026, 1, 1, tzinfo=UTC))
    year: list[TruthBlock] = list(truth_of(one, one.start_us + 365 * 86_400 * MICROSECONDS).blocks)
    assert len(year) == 40


def test_a_time_in_the_repeated_hour_is_marked() -> None:
    one = meter("residential-tou")
    off = [event for event in truth_of(one, one.start_us).events if event.code == 23]
    assert off
    assert all(event.ambiguous and event.at.hour == 5 for event in off)  # 06:00 UTC shows 01:00, as 05:00 UTC did
    assert not any(event.ambiguous for event in truth_of(one, one.start_us).events if event.code != 23)
