"""From wall time to UTC: the vectors, the order of evidence, the repeated and the skipped hour."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.c1219 import Context, Quirks
from drivers.c1219 import decade0 as d0
from drivers.c1219 import decade5 as d5
from drivers.c1219.clock import clock_of
from drivers.c1219.times import MeterTimes

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "c12.json").read_text())
NEW_YORK = ZoneInfo("America/New_York")


def wall(text: str) -> datetime:
    """Return a wall time."""
    return datetime.fromisoformat(text)


def utc(text: str) -> datetime:
    """Return an instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def clock_table(shown: datetime | None, qualifier: int) -> d5.Clock:
    """Return ST52 with a TIME_DATE_QUAL octet."""
    return d5.Clock(
        clock_calendar=shown,
        day_of_week=qualifier & 7,
        dst_flag=bool(qualifier & 8),
        gmt_flag=bool(qualifier & 16),
        tm_zn_applied=bool(qualifier & 32),
        dst_applied=bool(qualifier & 64),
    )


def meter(
    qualifier: int, *, tm_format: int = 2, zone_min: int | None = -300, dst_min: int = 60, quirks: Quirks | None = None
) -> Context:
    """Return a meter that knows its clock's sense, and ST53 unless `zone_min` is None."""
    context = Context(quirks or Quirks()).with_tables(
        d0.GeneralConfiguration(tm_format=tm_format), clock_table(None, qualifier)
    )
    if zone_min is None:
        return context
    offset = d5.TimeOffset(dst_time_eff=timedelta(hours=2), dst_time_amt=dst_min, time_zone_offset=zone_min)
    return context.with_table(offset)


@pytest.mark.parametrize("vector", VECTORS["clock_to_utc"], ids=lambda v: v["why"][:30])
def test_clock_to_utc_of_the_vectors(vector: dict[str, Any]) -> None:
    context = meter(
        int(vector["qual"], 16),
        tm_format=vector["tm_format"],
        zone_min=vector["tz_min"],
        dst_min=vector["dst_min"],
    )
    instant = MeterTimes.of(context).to_utc(wall(vector["value"]))
    assert instant is not None
    assert instant.utc == datetime.fromisoformat(vector["utc"])
    assert not instant.ambiguous


QUALIFIER_WINTER = 0x66  # zone and DST applied, DST not in effect now


def test_repeated_hour_takes_the_first_pass_and_says_so() -> None:
    times = MeterTimes.of(meter(QUALIFIER_WINTER))
    instant = times.to_utc(wall("2026-11-01T01:30"))
    assert instant is not None
    assert (instant.utc, instant.ambiguous) == (utc("2026-11-01T05:30"), True)
    assert "repeated" in instant.note


def test_repeated_hour_is_settled_by_what_joins_or_comes_before() -> None:
    times = MeterTimes.of(meter(QUALIFIER_WINTER))
    joined = times.to_utc(wall("2026-11-01T01:30"), expected={utc("2026-11-01T06:30")})
    ordered = times.to_utc(wall("2026-11-01T01:30"), not_before=utc("2026-11-01T05:45"))
    for instant in (joined, ordered):
        assert instant is not None
        assert (instant.utc, instant.ambiguous) == (utc("2026-11-01T06:30"), False)


@pytest.mark.parametrize(("bit", "hour"), [(True, 5), (False, 6)])
def test_repeated_hour_is_settled_by_the_dst_bit(*, bit: bool, hour: int) -> None:
    instant = MeterTimes.of(meter(QUALIFIER_WINTER)).to_utc(wall("2026-11-01T01:30"), last_bit=bit)
    assert instant is not None
    assert instant == (utc("2026-11-01T00:30").replace(hour=hour), False, "")


def test_a_block_that_ends_at_the_spring_change_has_the_bit_of_before() -> None:
    """The interval 01:45–02:00 has no DST bit; its end is shown as 03:00, daylight time."""
    times = MeterTimes.of(meter(0x6E))
    instant = times.to_utc(wall("2026-03-08T03:00"), last_bit=False)
    assert instant is not None
    assert (instant.utc, instant.ambiguous) == (utc("2026-03-08T07:00"), False)


def test_a_block_that_ends_at_the_autumn_change_may_be_either_pass() -> None:
    """Bit set: the end is 01:00 of the first pass, or 02:00 turned back to 01:00."""
    times = MeterTimes.of(meter(QUALIFIER_WINTER))
    either = times.to_utc(wall("2026-11-01T01:00"), last_bit=True)
    joined = times.to_utc(wall("2026-11-01T01:00"), last_bit=True, expected={utc("2026-11-01T06:00")})
    assert either is not None
    assert joined is not None
    assert (either.utc, either.ambiguous) == (utc("2026-11-01T05:00"), True)
    assert (joined.utc, joined.ambiguous) == (utc("2026-11-01T06:00"), False)


def test_the_dst_bit_outweighs_the_rule() -> None:
    """A meter that still follows the rule of before 2007 (change on the last Sunday of October)."""
    instant = MeterTimes.of(meter(QUALIFIER_WINTER)).to_utc(wall("2026-10-28T12:00"), last_bit=False)
    assert instant is not None
    assert instant.utc == utc("2026-10-28T17:00")


def test_the_hour_that_spring_skips_is_read_as_standard_and_marked() -> None:
    instant = MeterTimes.of(meter(0x6E)).to_utc(wall("2026-03-08T02:30"))
    assert instant is not None
    assert (instant.utc, instant.ambiguous) == (utc("2026-03-08T07:30"), True)


@pytest.mark.parametrize(
    ("shown", "expected", "daylight"),
    [
        ("2026-03-08T01:59", "2026-03-08T06:59", False),
        ("2026-03-08T03:00", "2026-03-08T07:00", True),
        ("2026-11-01T00:59", "2026-11-01T04:59", True),
        ("2026-11-01T02:00", "2026-11-01T07:00", False),
        ("2027-03-14T03:00", "2027-03-14T07:00", True),
        ("2027-11-07T02:00", "2027-11-07T07:00", False),
    ],
)
def test_united_states_rule(shown: str, expected: str, *, daylight: bool) -> None:
    times = MeterTimes.of(meter(QUALIFIER_WINTER))
    instant = times.to_utc(wall(shown))
    assert instant is not None
    assert (instant.utc, instant.ambiguous) == (utc(expected), False)
    assert times.rule(instant.utc) is daylight


@given(st.datetimes(datetime(2008, 1, 1), datetime(2036, 12, 31)))  # noqa: DTZ001 - wall times have no zone
def test_united_states_rule_agrees_with_the_zone_of_new_york(shown: datetime) -> None:
    by_rule = MeterTimes.of(meter(QUALIFIER_WINTER, quirks=Quirks(dst_rule="united_states"))).to_utc(shown)
    by_zone = MeterTimes.of(meter(QUALIFIER_WINTER), NEW_YORK).to_utc(shown)
    assert by_rule == by_zone


def test_the_site_zone_speaks_where_the_meter_does_not() -> None:
    without = MeterTimes.of(meter(QUALIFIER_WINTER, zone_min=None))
    assert without.to_utc(wall("2026-06-01T08:00")) is None
    assert "give the site's zone" in without.problem
    times = MeterTimes.of(meter(QUALIFIER_WINTER, zone_min=None), NEW_YORK)
    summer, winter = times.to_utc(wall("2026-06-01T08:00")), times.to_utc(wall("2026-12-01T08:00"))
    assert summer is not None
    assert winter is not None
    assert (summer.utc, winter.utc) == (utc("2026-06-01T12:00"), utc("2026-12-01T13:00"))


def test_the_meters_own_offset_outweighs_the_site_zone() -> None:
    instant = MeterTimes.of(meter(0x21), ZoneInfo("America/Los_Angeles")).to_utc(wall("2026-06-01T07:00"))
    assert instant is not None
    assert instant.utc == utc("2026-06-01T12:00")


def test_a_site_without_daylight_saving() -> None:
    instant = MeterTimes.of(meter(0x66, zone_min=-420), ZoneInfo("America/Phoenix")).to_utc(wall("2026-07-01T05:00"))
    assert instant is not None
    assert instant.utc == utc("2026-07-01T12:00")


def test_quirk_no_daylight_saving_at_all() -> None:
    instant = MeterTimes.of(meter(0x66, quirks=Quirks(dst_rule="none"))).to_utc(wall("2026-07-01T07:00"))
    assert instant is not None
    assert instant.utc == utc("2026-07-01T12:00")


CALENDAR = d5.Calendar(
    non_recurring=(
        d5.NonRecurringDate(on=date(2026, 4, 5), action=d5.CalendarAction(calendar_ctrl=1)),
        d5.NonRecurringDate(on=date(2026, 10, 25), action=d5.CalendarAction(calendar_ctrl=2)),
    ),
)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("2026-03-20T12:00", "2026-03-20T17:00"),  # the rule of the United States says DST
        ("2026-04-05T03:00", "2026-04-05T07:00"),
        ("2026-10-25T00:59", "2026-10-25T04:59"),
        ("2026-10-28T12:00", "2026-10-28T17:00"),  # here, too
        ("2030-07-01T12:00", "2030-07-01T16:00"),  # far from the calendar: the rule
    ],
)
def test_the_meters_calendar_comes_before_zone_and_rule(shown: str, expected: str) -> None:
    instant = MeterTimes.of(meter(0x6E).with_table(CALENDAR), NEW_YORK).to_utc(wall(shown))
    assert instant is not None
    assert instant.utc == utc(expected)


def test_yearly_dates_of_the_calendar_and_those_that_cannot_be_read() -> None:
    def yearly(month: int, day: int, ctrl: int, offset: int = 0) -> d5.RecurringDate:
        action = d5.CalendarAction(calendar_ctrl=ctrl)
        return d5.RecurringDate(month=month, day=day, offset=offset, action=action)

    fixed = d5.Calendar(recurring=(yearly(5, 1, 1), yearly(9, 1, 2), yearly(2, 30, 1), yearly(1, 1, 5)))
    april = MeterTimes.of(meter(0x6E).with_table(fixed)).to_utc(wall("2026-04-20T12:00"))
    assert april is not None
    assert april.utc == utc("2026-04-20T17:00")
    weekdays = d5.Calendar(recurring=(yearly(3, 8, 1, offset=8), yearly(11, 1, 2, offset=8)))
    june = MeterTimes.of(meter(0x6E).with_table(weekdays)).to_utc(wall("2026-06-01T08:00"))
    assert june is not None
    assert june.utc == utc("2026-06-01T12:00")


@pytest.mark.parametrize(
    ("quirks", "tm_format", "qualifier", "expected"),
    [
        (Quirks(epoch="utc"), 4, 0x69, "2026-06-01T08:00"),
        (Quirks(epoch="local"), 4, 0x01, "2026-06-01T13:00"),
        (Quirks(epoch="local"), 4, 0x49, "2026-06-01T12:00"),
        (Quirks(epoch="local"), 2, 0x11, "2026-06-01T08:00"),  # a quirk of counters only
        (Quirks(clock_is="utc"), 2, 0x01, "2026-06-01T08:00"),
        (Quirks(clock_is="local_standard"), 4, 0x01, "2026-06-01T13:00"),
        (Quirks(clock_is="local"), 2, 0x01, "2026-06-01T12:00"),
        (Quirks(clock_is="utc"), 2, 0x21, "2026-06-01T13:00"),  # only where the qualifier says nothing
    ],
)
def test_quirks_of_the_sense(quirks: Quirks, tm_format: int, qualifier: int, expected: str) -> None:
    context = meter(qualifier, tm_format=tm_format, quirks=quirks)
    instant = MeterTimes.of(context).to_utc(wall("2026-06-01T08:00"))
    assert instant is not None
    assert instant.utc == utc(expected)


def test_contradicting_flags_are_marked() -> None:
    instant = MeterTimes.of(meter(0x31)).to_utc(wall("2026-06-01T07:00"))
    assert instant is not None
    assert (instant.utc, instant.ambiguous) == (utc("2026-06-01T12:00"), True)
    assert "contradict" in instant.note


def test_without_a_clock_table_the_qualifier_says_nothing() -> None:
    context = Context().with_table(d0.GeneralConfiguration(tm_format=3))
    instant = MeterTimes.of(context).to_utc(wall("2026-06-01T07:00"))
    assert instant is not None
    assert instant.utc == utc("2026-06-01T07:00")


@pytest.mark.parametrize(
    ("shown", "qualifier", "expected", "ambiguous"),
    [
        ("2026-11-01T01:30", 0x6E, "2026-11-01T05:30", False),  # DST_FLAG tells the pass
        ("2026-11-01T01:30", 0x66, "2026-11-01T06:30", False),
        ("2026-06-01T08:00", 0x6E, "2026-06-01T12:00", False),
        ("2026-06-01T08:00", 0x66, "2026-06-01T13:00", True),  # the flag and the rule disagree
    ],
)
def test_clock(shown: str, qualifier: int, expected: str, *, ambiguous: bool) -> None:
    context = meter(qualifier).with_table(clock_table(wall(shown), qualifier))
    clock = clock_of(context, MeterTimes.of(context))
    assert clock is not None
    assert (clock.utc, clock.wall, clock.ambiguous) == (utc(expected), wall(shown), ambiguous)
    assert bool(clock.note) is ambiguous


def test_clock_of_st55_when_there_is_no_st52() -> None:
    state = d5.ClockState(clock_calendar=wall("2026-06-01T12:00"), gmt_flag=True)
    context = Context().with_tables(d0.GeneralConfiguration(), state)
    clock = clock_of(context, MeterTimes.of(context))
    assert clock is not None
    assert clock.utc == utc("2026-06-01T12:00")


def test_no_clock() -> None:
    context = Context().with_table(d0.GeneralConfiguration())
    assert clock_of(context, MeterTimes.of(context)) is None
    stopped = context.with_table(clock_table(None, 0x11))
    assert clock_of(stopped, MeterTimes.of(stopped)) is None
    local = context.with_table(clock_table(wall("2026-06-01T12:00"), 0x21))
    assert clock_of(local, MeterTimes.of(local)) is None


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2089, 12, 31)),  # noqa: DTZ001 - wall times have no zone
    st.integers(0, 127),
    st.integers(-14 * 4, 14 * 4).map(lambda quarters: 15 * quarters),
    st.booleans() | st.none(),
)
def test_every_time_becomes_an_instant_within_the_shift(
    shown: datetime, qualifier: int, zone_min: int, bit: bool | None
) -> None:
    context = meter(qualifier, zone_min=zone_min)
    times = MeterTimes.of(context)
    instant = times.to_utc(shown, last_bit=bit)
    assert instant is not None
    shift = shown.replace(tzinfo=UTC) - instant.utc - times.offset
    assert shift in {timedelta(), times.amount}
    assert replace(times, amount=timedelta()).to_utc(shown) is not None


@pytest.mark.parametrize("zone_min", [-1, 32767, 900, -7])
def test_a_zone_offset_that_no_place_has_says_nothing(zone_min: int) -> None:
    context = meter(0x20, zone_min=zone_min)
    assert "give the site's zone" in MeterTimes.of(context).problem
    instant = MeterTimes.of(context, NEW_YORK).to_utc(wall("2026-01-01 12:00"))
    assert instant is not None
    assert instant.utc == utc("2026-01-01 17:00")
