"""Due times and call windows go by the clock on the wall, also on the days on which it is changed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.business_days import is_business_day
from agent.scheduling.cycle import Calendar, Cycle, Grid
from agent.scheduling.cycle_text import parse_cycle
from agent.scheduling.local_time import moment_of, parse_time, parse_weekdays, weekdays_text
from agent.scheduling.window import CallWindow, parse_window

DENVER, ADELAIDE, BERLIN = ZoneInfo("America/Denver"), ZoneInfo("Australia/Adelaide"), ZoneInfo("Europe/Berlin")
LORD_HOWE, APIA = ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Pacific/Apia")  # half an hour; a day that was skipped
ZONES = [UTC, DENVER, ADELAIDE, BERLIN, LORD_HOWE, APIA, ZoneInfo("America/St_Johns"), ZoneInfo("Asia/Kathmandu")]
EVERY_DAY = frozenset(range(7))

moments = st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
zones = st.sampled_from(ZONES)
texts = st.sampled_from(
    [
        "daily at 02:30",
        "daily at 00:00, 01:30, 02:15, 02:45, 23:59",
        "mon-fri at 06:00",
        "sun at 01:30, 02:30, 03:30",
        "business days at 06:00",
        "monthly on day 1, 15, 31 at 00:15",
        "monthly on last day at 23:45",
        "monthly on business day 1, 3 at 06:00",
        "monthly on last business day at 21:00",
    ]
)
cycles = st.one_of(
    st.builds(parse_cycle, texts, zones),
    st.builds(
        Grid, st.timedeltas(timedelta(seconds=10), timedelta(days=40)), st.timedeltas(timedelta(), timedelta(10))
    ),
)


@settings(max_examples=150, deadline=None)
@given(cycles, moments)
def test_after_and_up_to_agree(cycle: Cycle, moment: datetime) -> None:
    following, before = cycle.after(moment), cycle.up_to(moment)
    assert following is not None
    assert before is not None
    assert before <= moment < following
    assert cycle.after(before) == following
    assert cycle.up_to(following) == following
    assert cycle.up_to(following - timedelta(microseconds=1)) == before
    assert cycle.count(before, following) == 1
    assert cycle.count(before, before) == 0


@given(st.dates(date(2005, 1, 1), date(2035, 1, 1)), st.times(), zones)
def test_a_wall_clock_time_is_a_moment_that_the_clock_shows_or_the_end_of_the_gap(
    day: date, at: time, zone: tzinfo
) -> None:
    at = at.replace(second=0, microsecond=0)
    found, second = moment_of(day, at, zone), moment_of(day, at, zone, second_pass=True)
    shown = found.astimezone(zone).replace(tzinfo=None)
    assert found <= second
    if shown == datetime.combine(day, at):
        assert second.astimezone(zone).replace(tzinfo=None) == shown
    else:  # it does not exist: the moment at which the clocks are put forward over it
        before = (found - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None)
        assert before < datetime.combine(day, at) < shown
        assert found == second


@pytest.mark.parametrize(
    ("zone", "day", "at", "expected"),
    [
        (DENVER, date(2026, 3, 8), "02:30", "2026-03-08T09:00:00+00:00"),  # 02:00 becomes 03:00
        (DENVER, date(2026, 11, 1), "01:30", "2026-11-01T07:30:00+00:00"),  # the first pass, MDT
        (BERLIN, date(2026, 3, 29), "02:00", "2026-03-29T01:00:00+00:00"),
        (BERLIN, date(2026, 10, 25), "02:59", "2026-10-25T00:59:00+00:00"),
        (LORD_HOWE, date(2026, 10, 4), "02:10", "2026-10-03T15:30:00+00:00"),  # half an hour is skipped
        (APIA, date(2011, 12, 30), "12:00", "2011-12-30T10:00:00+00:00"),  # a day that never was
    ],
)
def test_changed_clocks(zone: tzinfo, day: date, at: str, expected: str) -> None:
    assert moment_of(day, parse_time(at), zone).isoformat() == expected


@pytest.mark.parametrize("zone", [DENVER, ADELAIDE, BERLIN, LORD_HOWE])
def test_a_daily_read_happens_once_a_day_all_year_round(zone: tzinfo) -> None:
    for text in ("daily at 00:15", "daily at 01:30", "daily at 02:10", "daily at 02:30", "daily at 03:00"):
        cycle, due, days = parse_cycle(text, zone), datetime(2026, 1, 1, 12, tzinfo=UTC), []
        for _ in range(400):
            found = cycle.after(due)
            assert found is not None
            due = found
            days.append(due.astimezone(zone).date())
        assert days == [days[0] + timedelta(days=number) for number in range(400)]


def dues(text: str, begin: str, number: int, zone: tzinfo = DENVER) -> list[str]:
    cycle, due, found = parse_cycle(text, zone), datetime.fromisoformat(begin).replace(tzinfo=zone), []
    for _ in range(number):
        following = cycle.after(due)
        if following is None:
            break
        due = following
        found.append(due.astimezone(zone).strftime("%Y-%m-%d %H:%M"))
    return found


def test_cycles_that_people_write() -> None:
    assert dues("daily at 00:15, 12:15", "2026-03-07", 3) == [
        "2026-03-07 00:15", "2026-03-07 12:15", "2026-03-08 00:15"
    ]  # fmt: skip
    assert dues("Monthly on day 31 at 06:00", "2026-01-15", 3) == [
        "2026-01-31 06:00", "2026-02-28 06:00", "2026-03-31 06:00"
    ]  # fmt: skip
    assert dues("monthly on last day at 23:45", "2028-02-01", 1) == ["2028-02-29 23:45"]
    assert dues("monthly on business day 1 at 06:00", "2026-06-30 12:00", 2) == ["2026-07-01 06:00", "2026-08-03 06:00"]
    assert dues("business days at 06:00", "2026-07-01 12:00", 2) == ["2026-07-02 06:00", "2026-07-06 06:00"]  # the 4th
    assert dues("on 2026-02-04, 2026-01-05 at 06:00", "2026-01-01", 9) == ["2026-01-05 06:00", "2026-02-04 06:00"]
    assert dues("sat, sun at 07:00", "2026-03-06", 3) == ["2026-03-07 07:00", "2026-03-08 07:00", "2026-03-14 07:00"]


@given(moments)
def test_business_days_are_business_days(moment: datetime) -> None:
    due = parse_cycle("monthly on last business day at 12:00", DENVER).after(moment)
    assert due is not None
    day = due.astimezone(DENVER).date()
    later = [day + timedelta(days=step) for step in range(1, 8)]
    assert is_business_day(day)
    assert not any(is_business_day(one) and one.month == day.month for one in later)


@pytest.mark.parametrize(
    "text",
    [
        "", "daily", "daily at", "daily at 24:00", "daily at 6", "at 06:00", "hourly at 06:00",
        "monthly on day 0 at 06:00", "monthly on day 32 at 06:00", "monthly on business day 16 at 06:00",
        "monthly on day at 06:00",
        "monthly on last day 3 at 06:00", "on 2026-02-30 at 06:00", "on at 06:00", "mon-fry at 06:00", "on x" * 9_000,
    ],
)  # fmt: skip
def test_other_texts_are_refused_with_what_is_accepted(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|go from"):
        parse_cycle(text, UTC)


@given(st.text(max_size=60))
def test_no_text_is_taken_for_something_else(text: str) -> None:
    for parse in (lambda t: parse_cycle(t, UTC), lambda t: parse_window(t, EVERY_DAY, UTC), parse_weekdays, parse_time):
        try:
            parse(text)
        except ValueError as error:
            assert len(str(error)) < 600  # noqa: PT017 - most texts are refused


def test_cycles_and_windows_say_what_they_are() -> None:
    assert parse_cycle("daily at 00:15", DENVER).words() == "every day at 00:15 (America/Denver)"
    assert (
        parse_cycle("monthly on business day 3 at 06:00", UTC).words() == "business day 3 of every month at 06:00 (UTC)"
    )
    assert Grid(timedelta(minutes=15), timedelta(minutes=2)).words() == "every 15m at 2m (UTC)"
    assert (
        parse_window("22:00-05:00", parse_weekdays("mon-fri"), DENVER).words() == "22:00-05:00 mon-fri (America/Denver)"
    )
    assert [weekdays_text(parse_weekdays(text)) for text in ("fri-mon", "sun, sat", "wed")] == [
        "mon, fri, sat, sun", "sat, sun", "wed"
    ]  # fmt: skip


windows = st.builds(
    CallWindow,
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.frozensets(st.integers(0, 6), min_size=1),
    zones,
)


@settings(max_examples=150, deadline=None)
@given(windows, moments, st.timedeltas(timedelta(), timedelta(hours=3)))
def test_nothing_is_called_while_the_clock_on_the_wall_is_outside(
    window: CallWindow, moment: datetime, need: timedelta
) -> None:
    room = window.room(moment, need)
    if room is None:
        return
    assert room.begin >= moment
    assert room.begin + need <= room.end
    step = min(timedelta(minutes=7), (room.end - room.begin) / 3)
    at = room.begin
    while at < room.end:
        wall = at.astimezone(window.zone).time()
        inside = (
            window.begin <= wall < window.end
            if window.begin < window.end
            else wall >= window.begin or wall < window.end
        )
        assert inside or window.begin == window.end, (at, wall)
        at += step
    again = window.room(room.begin, need)
    assert again == room


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    window = parse_window("22:00-05:00", parse_weekdays("fri"), DENVER)
    saturday_noon = datetime(2026, 3, 7, 12, tzinfo=DENVER)
    room = window.room(saturday_noon, timedelta(minutes=15))
    assert room is not None
    assert room.begin.astimezone(DENVER) == datetime(2026, 3, 13, 22, tzinfo=DENVER)
    assert room.end - room.begin == timedelta(hours=7)
    early = window.room(datetime(2026, 3, 7, 4, 50, tzinfo=DENVER), timedelta(minutes=15))
    assert early == room  # ten minutes are not enough


@pytest.mark.parametrize("text", ["22:00", "22:00-", "22-05", "25:00-05:00", "05:00-05:00", "nights"])
def test_other_windows_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_window(text, EVERY_DAY, UTC)


def test_a_calendar_far_in_the_past_of_its_list_is_over() -> None:
    cycle = parse_cycle("on 2026-01-05 at 06:00", UTC)
    assert cycle.after(datetime(2026, 1, 5, 6, tzinfo=UTC)) is None
    assert cycle.up_to(datetime(2026, 1, 5, 5, tzinfo=UTC)) is None
    assert isinstance(cycle, Calendar)
