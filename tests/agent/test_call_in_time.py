"""What a call is by its time: due, an hour early and no more, or an alarm; also on days on which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from agent.call_in_time import EARLY, call_time
from agent.scheduling.cycle import Calendar, Cycle, Grid
from agent.scheduling.cycle_text import parse_cycle

NIGHTLY = Grid(timedelta(days=1), timedelta(hours=2, minutes=30))  # 02:30 UTC
INSTANT = timedelta(microseconds=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}+00:00")


DUE = at("11-21T02:30")


def test_a_call_at_its_time_is_the_one_that_was_due() -> None:
    found = call_time(DUE, DUE, NIGHTLY)
    assert (found.kind, found.due, found.next_at, found.missed) == ("scheduled", DUE, at("11-22T02:30"), 0)


def test_exactly_an_hour_early_is_in_time() -> None:
    found = call_time(DUE - EARLY, DUE, NIGHTLY)
    assert (found.kind, found.due, found.next_at) == ("scheduled", DUE, at("11-22T02:30"))


def test_an_instant_more_is_an_alarm_and_the_scheduled_call_stays_due() -> None:
    found = call_time(DUE - EARLY - INSTANT, DUE, NIGHTLY)
    assert (found.kind, found.due, found.next_at) == ("alarm", None, DUE)
    assert found.early == EARLY + INSTANT
    after = call_time(DUE, found.next_at, NIGHTLY)
    assert (after.kind, after.due) == ("scheduled", DUE)


def test_after_an_early_call_the_next_one_is_not_the_same_again() -> None:
    found = call_time(DUE - timedelta(minutes=20), DUE, NIGHTLY)
    assert found.next_at == DUE + timedelta(days=1)
    again = call_time(DUE + timedelta(minutes=1), found.next_at, NIGHTLY)
    assert again.kind == "alarm"


def test_a_late_call_is_still_the_one_that_was_due() -> None:
    found = call_time(DUE + timedelta(hours=5), DUE, NIGHTLY)
    assert (found.kind, found.due, found.next_at, found.missed) == ("scheduled", DUE, at("11-22T02:30"), 0)


def test_calls_that_never_came_are_counted() -> None:
    found = call_time(DUE + timedelta(days=3, minutes=-10), DUE, NIGHTLY)
    assert (found.due, found.missed) == (DUE + timedelta(days=3), 3)
    assert found.next_at == DUE + timedelta(days=4)


def test_a_meter_that_never_called_before() -> None:
    early = call_time(DUE - timedelta(minutes=30), None, NIGHTLY)
    assert (early.kind, early.due) == ("scheduled", DUE)
    late = call_time(DUE + timedelta(hours=3), None, NIGHTLY)
    assert (late.kind, late.due, late.next_at) == ("scheduled", DUE, at("11-22T02:30"))


def test_a_cycle_that_was_changed_takes_over_with_the_next_call() -> None:
    off_grid = at("11-21T05:00")
    found = call_time(off_grid, off_grid, NIGHTLY)
    assert (found.kind, found.next_at) == ("scheduled", at("11-22T02:30"))
    alarm = call_time(at("11-21T03:00"), off_grid, NIGHTLY)
    assert alarm.kind == "alarm"


def test_a_cycle_that_has_ended() -> None:
    class Once:
        def after(self, moment: datetime) -> datetime | None:
            return DUE if moment < DUE else None

        def up_to(self, moment: datetime) -> datetime | None:
            return DUE if moment >= DUE else None

        def count(self, begin: datetime, end: datetime) -> int:
            return int(begin < DUE <= end)

        def words(self) -> str:
            return "once"

    found = call_time(DUE, DUE, Once())
    assert (found.kind, found.next_at) == ("scheduled", None)
    assert call_time(at("01-01T00:00"), None, Once()).due == at("01-01T00:00")


def nightly(zone: str) -> Cycle:
    return parse_cycle("daily at 02:30", ZoneInfo(zone))


def test_the_night_on_which_clocks_are_put_forward() -> None:
    """02:30 does not exist on 8 March 2026 in Denver: the call is due when the clocks jump, at 09:00 UTC."""
    cycle = nightly("America/Denver")
    due = cycle.after(at("03-08T00:00") + timedelta(hours=7))
    assert due == at("03-08T09:00")
    assert call_time(due - EARLY, due, cycle).kind == "scheduled"
    assert call_time(due - EARLY - INSTANT, due, cycle).kind == "alarm"
    assert call_time(due, due, cycle).next_at == at("03-09T08:30")  # 02:30 daylight time


def test_the_night_on_which_an_hour_comes_twice() -> None:
    """01:30 comes twice on 1 November 2026 in Denver: the first pass, 07:30 UTC, is when the call is due."""
    cycle = parse_cycle("daily at 01:30", ZoneInfo("America/Denver"))
    due = cycle.after(at("11-01T06:00"))
    assert due == at("11-01T07:30")
    second_pass = at("11-01T08:30")
    found = call_time(second_pass, due, cycle)
    assert (found.kind, found.due, found.missed) == ("scheduled", due, 0)
    assert found.next_at == at("11-02T08:30")
    after = call_time(second_pass, found.next_at, cycle)  # the meter calls at both passes
    assert after.kind == "alarm"


@given(
    st.integers(0, 730 * 86_400).map(lambda seconds: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)),
    st.sampled_from(["America/Denver", "Europe/Berlin", "Australia/Lord_Howe", "UTC"]),
    st.times(),
    st.lists(st.integers(-200_000, 400_000), min_size=1, max_size=8),
)
def test_no_call_is_used_up_twice_and_none_before_its_hour(
    start: datetime, zone: str, when: time, steps: list[int]
) -> None:
    cycle = parse_cycle(f"daily at {when:%H:%M}", ZoneInfo(zone))
    assert isinstance(cycle, Calendar)
    now, booked = start, None
    used: list[datetime] = []
    for step in steps:
        found = call_time(now, booked, cycle)
        if found.kind == "scheduled":
            assert found.due is not None
            assert found.due <= now + EARLY
            assert not used or found.due > used[-1]
            used.append(found.due)
            assert found.next_at is not None
            assert found.next_at > max(found.due, now)
        else:
            assert found.next_at == booked
        booked = found.next_at
        now = max(now, now + timedelta(seconds=step))
