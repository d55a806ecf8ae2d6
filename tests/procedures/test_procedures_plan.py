"""When a clock may be set, by rule: nothing is ever stepped over, and what is written means what it should."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers.c1219 import Context
from drivers.c1219 import decade5 as d5
from drivers.c1219.clock_plan import Boundaries, Grid, setting, wall_time
from drivers.c1219.decade0 import GeneralConfiguration
from drivers.c1219.times import MeterTimes
from drivers.errors import DataError

ZONES = st.sampled_from([-480, -300, -210, 0, 330, 345, 780])
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda at: at.replace(microsecond=0)
)
LENGTHS = st.sampled_from([1, 5, 10, 15, 30, 60])


def context_of(zone_min: int, *, dst: bool, tm_format: int = 2) -> Context:
    clock = d5.Clock(clock_calendar=None, tm_zn_applied=True, dst_applied=dst)
    offset = d5.TimeOffset(dst_time_amt=60, time_zone_offset=zone_min)
    limits = d5.TimeLimits(cap_tm_zn_offset=True)
    return Context().with_tables(GeneralConfiguration(tm_format=tm_format), limits, clock, offset)


@given(utc=INSTANTS, zone=ZONES, dst=st.booleans())
@example(utc=datetime(2026, 11, 1, 6, 30, tzinfo=UTC), zone=-300, dst=True)  # the repeated hour
@example(utc=datetime(2026, 3, 8, 7, 0, tzinfo=UTC), zone=-300, dst=True)
def test_wall_time_is_the_other_direction_of_utc(utc: datetime, zone: int, dst: bool) -> None:
    times = MeterTimes.of(context_of(zone, dst=dst))
    wall, daylight = wall_time(times, utc)
    back = times.to_utc(wall, daylight=daylight)
    assert back is not None
    assert back.utc == utc


@given(utc=INSTANTS)
def test_wall_time_by_the_zone_of_the_site(utc: datetime) -> None:
    context = Context().with_tables(
        GeneralConfiguration(), d5.Clock(clock_calendar=None, tm_zn_applied=True, dst_applied=True)
    )
    zone = ZoneInfo("America/Denver")
    wall, daylight = wall_time(MeterTimes.of(context, zone), utc)
    there = utc.astimezone(zone)
    assert wall == there.replace(tzinfo=None)
    assert daylight == bool(there.dst())


@given(utc=INSTANTS, zone=ZONES, dst=st.booleans())
def test_the_day_of_the_week_is_right(utc: datetime, zone: int, dst: bool) -> None:
    context = context_of(zone, dst=dst)
    written = setting(context, MeterTimes.of(context), utc)
    assert written.clock is not None
    assert written.day_of_week == (written.clock.weekday() + 1) % 7
    assert (written.tm_zn_applied, written.gmt_flag, written.dst_applied) == (True, False, dst)


def test_a_meter_that_does_not_say_its_zone_cannot_be_set() -> None:
    context = Context().with_tables(GeneralConfiguration(), d5.Clock(clock_calendar=None, tm_zn_applied=True))
    with pytest.raises(DataError, match="zone"):
        setting(context, MeterTimes.of(context), datetime(2026, 1, 1, tzinfo=UTC))


@given(after=INSTANTS, seconds=st.integers(1, 4000), zone=ZONES, dst=st.booleans(), minutes=LENGTHS)
def test_no_boundary_lies_before_the_first(after: datetime, seconds: int, zone: int, dst: bool, minutes: int) -> None:
    times = MeterTimes.of(context_of(zone, dst=dst))
    boundaries = Boundaries(times, (Grid(timedelta(minutes=minutes), "profile set 1"),), frozenset({7 * 60 + 30}))
    until = after + timedelta(seconds=seconds)
    found = boundaries.first(after, until)
    end = until if found is None else found.at - timedelta(seconds=1)
    assert places(times, after, minutes) == places(times, end, minutes)
    if found is not None:
        assert after < found.at <= until
        assert places(times, found.at, minutes) != places(times, found.at - timedelta(seconds=1), minutes)


def places(times: MeterTimes, utc: datetime, minutes: int) -> tuple[object, ...]:
    """Where an instant lies: in which interval, day, tier and state of daylight saving."""
    wall, daylight = wall_time(times, utc)
    standard = wall - (times.amount if daylight else timedelta())
    midnight = standard.replace(hour=0, minute=0, second=0)
    interval = (standard.date(), (standard - midnight) // timedelta(minutes=minutes))
    return interval, wall.date(), (wall.hour, wall.minute) >= (7, 30), daylight


@given(true=INSTANTS, error_s=st.integers(-200, 200), minutes=LENGTHS)
def test_the_interval_that_pays_is_the_one_of_the_moment(true: datetime, error_s: int, minutes: int) -> None:
    boundaries = Boundaries(
        MeterTimes.of(context_of(-300, dst=True)), (Grid(timedelta(minutes=minutes), "profile set 1"),), frozenset()
    )
    (text,) = boundaries.affected(true, timedelta(seconds=error_s))
    end = datetime.fromisoformat(text.split(" ends at ")[1].split(" ")[0])
    assert true < end <= true + timedelta(minutes=minutes)
    assert end.minute % minutes == 0
    assert ("longer" in text) == (error_s > 0)
