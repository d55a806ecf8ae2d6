"""What is due, what goes first, what is tried again and when: one rule at a time."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ClockForbids, LocalTrouble
from agent.lines import Way
from agent.scheduling.agenda import Agenda, Limits
from agent.scheduling.cycle import Grid
from agent.scheduling.failures import failure_of
from agent.scheduling.queue import Queue
from agent.scheduling.reads import Done, GivenUp, Missed, Read, Standing
from agent.scheduling.retry import Failure, wait_after
from drivers.errors import DataError, MeterRefused, MeterSilent
from drivers.transport.call_errors import LineBusy, ModemRefused, NoAnswer, NoDialTone
from tests.scheduling.scheduling_kit import (
    BEGIN,
    BUSY,
    DEAD_LINE,
    DENVER,
    REFUSED,
    SILENT,
    asked_for,
    seeded,
    standing,
    utc,
)

BANK = Way("bank b", ("one", "two"), "555")
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
AT_ONCE = Limits(spread=timedelta())
DUE = utc(2026, 3, 6, 7, 15)  # 00:15 in Denver


def agenda(*standings: Standing, limits: Limits = AT_ONCE, dice: random.Random | None = None) -> Agenda:
    return Agenda(standings, limits, dice or seeded(), BEGIN, {})


def begun(plan: Agenda, now: object = DUE) -> Read:
    plan.advance(now)  # type: ignore[arg-type]
    read = plan.start(now)  # type: ignore[arg-type]
    assert read is not None
    return read


def test_a_new_meter_is_read_at_its_next_due_time_and_once() -> None:
    plan = agenda(standing())
    assert plan.advance(BEGIN) == []
    assert plan.start(BEGIN) is None
    assert plan.wake_at() == DUE
    read = begun(plan)
    assert (read.due, read.deadline) == (DUE, utc(2026, 3, 7, 4))  # 21:00 in Denver
    assert plan.start(DUE) is None
    (done,) = plan.ended(read, DUE + MINUTE, "r-1")
    assert isinstance(done, Done)
    assert plan.advance(DUE + 20 * HOUR) == []
    assert plan.start(DUE + 20 * HOUR) is None
    assert begun(plan, DUE + 24 * HOUR).due == DUE + 24 * HOUR


def test_a_failure_is_tried_again_and_given_up_at_the_deadline() -> None:
    plan = agenda(standing())
    now, attempts = DUE, 0
    read = begun(plan)
    while True:
        attempts += 1
        settled = plan.ended(read, now, SILENT)
        if settled:
            break
        now = plan.wake_at() or now
        read = begun(plan, now)
    (given_up,) = settled
    assert isinstance(given_up, GivenUp)
    assert (given_up.reason, given_up.why, attempts) == ("silent", "tries", 12)
    assert "nothing answered; it was tried as often as it may be" in given_up.detail
    assert plan.start(now + HOUR) is None


def test_what_does_not_help_is_not_tried_again() -> None:
    plan = agenda(standing())
    (given_up,) = plan.ended(begun(plan), DUE, REFUSED)
    assert isinstance(given_up, GivenUp)
    assert given_up.why == "no_retry"


def test_a_read_that_found_no_line_is_given_up_at_its_deadline() -> None:
    shared = Way("gateway", ("gateway",))
    plan = agenda(standing("a", way=shared), standing("b", way=shared))
    begun(plan)
    assert plan.start(DUE) is None
    (given_up,) = plan.advance(utc(2026, 3, 7, 4))
    assert isinstance(given_up, GivenUp)
    assert (given_up.why, given_up.reason) == ("no_line", "no_line")


def test_the_next_due_time_ends_the_one_before() -> None:
    plan = agenda(replace(standing(), cycle=Grid(10 * MINUTE)))
    read = begun(plan, BEGIN + 10 * MINUTE)
    assert plan.ended(read, BEGIN + 18 * MINUTE, replace(SILENT, wait_s=60)) == []
    settled = plan.advance(BEGIN + 20 * MINUTE)
    assert [(type(one), getattr(one, "why", "")) for one in settled] == [(GivenUp, "next_due")]
    assert begun(plan, BEGIN + 20 * MINUTE).due == BEGIN + 20 * MINUTE


def test_a_visit_that_outlasts_its_cycle_is_followed_by_the_newest_due_time_alone() -> None:
    plan = agenda(replace(standing(), cycle=Grid(10 * MINUTE)))
    read = begun(plan, BEGIN + 10 * MINUTE)
    now = BEGIN + 45 * MINUTE
    assert plan.advance(now) == []
    done, missed = plan.ended(read, now, "r-1")
    assert isinstance(done, Done)
    assert isinstance(missed, Missed)
    assert (missed.first, missed.last, missed.count) == (BEGIN + 20 * MINUTE, BEGIN + 30 * MINUTE, 2)
    assert begun(plan, now).due == BEGIN + 40 * MINUTE


def test_after_a_long_absence_the_newest_is_read_though_late_and_the_others_were_missed() -> None:
    found = DUE + timedelta(days=3, hours=21)  # after the deadline
    plan = Agenda([standing()], AT_ONCE, seeded(), found, {"m": BEGIN})
    (missed,) = plan.advance(found)
    assert isinstance(missed, Missed)
    assert (missed.first, missed.count) == (DUE, 3)
    read = begun(plan, found)
    assert read.due == utc(2026, 3, 9, 6, 15)  # the clocks were put forward
    assert read.until == utc(2026, 3, 10, 6, 15)


def test_requests_go_first_then_the_nearest_deadline_and_nobody_starves() -> None:
    shared = Way("gateway", ("gateway",))
    meters = [replace(standing(f"m{number}", way=shared), cycle=Grid(HOUR)) for number in range(6)]
    plan = agenda(standing("late", "daily at 23:00", way=shared), *meters)
    now = BEGIN + HOUR
    for number in range(6):
        plan.add(asked_for(f"m{number}", f"t-{number}"), now)
    plan.advance(now)
    order = []
    while (read := plan.start(now)) is not None:
        order.append("asked" if read.request else read.meter)
        plan.ended(read, now, "r")
        plan.advance(now)
    assert order[:3] == ["asked"] * 3
    assert order.count("asked") == 6
    assert order.index("late") <= 8  # it has the farthest deadline of all, and came with the others


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 50)), min_size=1, max_size=60))
def test_whoever_waits_gets_a_turn_however_many_better_ones_come(newcomers: list[tuple[int, int]]) -> None:
    queue: Queue[str] = Queue()
    tickets = count()
    queue.add("patient", (1, 99.0), next(tickets))
    turns = 0
    for number, rank in enumerate(newcomers * 9):
        queue.add(f"n{number}", (rank[0], float(rank[1])), next(tickets))
        first = queue.first()
        assert first is not None
        queue.take(first)
        turns += 1
        if first == "patient":
            break
    assert "patient" not in queue
    assert turns <= 4


def test_a_bank_carries_as_many_as_it_has_lines_but_one_call_to_a_number() -> None:
    other = replace(BANK, number="556")
    third = replace(BANK, number="557")
    plan = agenda(*(standing(f"m{number}", way=way) for number, way in enumerate((BANK, BANK, other, third))))
    first, second = begun(plan), plan.start(DUE)
    assert second is not None
    assert {first.line, second.line} == {"one", "two"}
    assert {first.standing.way.number, second.standing.way.number} == {"555", "556"}
    assert plan.start(DUE) is None
    plan.ended(first, DUE + MINUTE, "r-1")
    plan.advance(DUE + MINUTE)
    following = plan.start(DUE + MINUTE)
    assert following is not None
    assert following.standing.way.number == "557"  # the other meter on 555 waits a minute
    plan.ended(following, DUE + MINUTE + SECOND, "r-2")
    plan.advance(DUE + MINUTE + SECOND)
    assert plan.start(DUE + MINUTE + SECOND) is None
    assert begun(plan, DUE + 2 * MINUTE).standing.way.number == "555"


def test_a_modem_that_failed_rests_and_another_takes_over_at_once() -> None:
    plan = agenda(standing(way=BANK))
    read = begun(plan)
    failed = read.line
    assert plan.ended(read, DUE, DEAD_LINE) == []
    again = begun(plan, DUE + MINUTE)
    assert again.line != failed
    assert plan.numbers.calls("555") == (DUE + MINUTE,)  # the first never reached the number


def test_a_number_is_called_so_often_a_day_and_no_more() -> None:
    plan = agenda(standing(way=BANK), limits=Limits(spread=timedelta(), calls_per_day=3))
    now, calls = DUE, 0
    while now < utc(2026, 3, 7, 4):
        plan.advance(now)
        while (read := plan.start(now)) is not None:
            calls += 1
            assert plan.ended(read, now, BUSY) == []
            plan.advance(now)
        now = min(plan.wake_at() or now, utc(2026, 3, 7, 4))
    (given_up,) = plan.advance(now)
    assert isinstance(given_up, GivenUp)
    assert (calls, given_up.reason, given_up.why) == (3, "busy", "calls_used_up")


def test_a_window_is_waited_for_and_its_end_ends_the_visit() -> None:
    plan = agenda(standing(cycle="daily at 12:00", window="14:00-14:20", longest_s=600))
    noon = utc(2026, 3, 6, 19)
    assert plan.advance(noon) == []
    assert plan.start(noon) is None
    opens = noon + 2 * HOUR
    plan.advance(noon + SECOND)
    assert opens in (plan.wake_at(), noon + 2 * HOUR)
    read = begun(plan, opens)
    assert read.ends_by == opens + 10 * MINUTE
    assert plan.ended(read, opens + 9 * MINUTE, replace(SILENT, wait_s=120)) == []
    (given_up,) = plan.advance(opens + 12 * MINUTE)  # eight minutes are left, ten are needed; tomorrow is too late
    assert isinstance(given_up, GivenUp)
    assert (given_up.why, given_up.reason) == ("no_window", "silent")


@pytest.mark.parametrize(
    ("error", "reason", "retry", "about", "wait_s"),
    [
        (MeterSilent("x"), "silent", True, "meter", None),
        (LineBusy("x"), "busy", True, "number", 120),
        (NoAnswer("x"), "no_answer", True, "number", 900),
        (NoDialTone("x"), "no_dial_tone", True, "line", 600),
        (ModemRefused("x"), "modem_refused", False, "modem", 0),
        (MeterRefused("x", code=3), "refused", False, "meter", None),
        (DataError("x"), "data", False, "meter", None),
        (ClockForbids("x"), "clock", True, "box", None),
        (LocalTrouble("x"), "local_trouble", True, "box", None),
        (KeyError("x"), "other", False, "meter", None),
    ],
)
def test_what_an_error_means(error: Exception, reason: str, retry: bool, about: str, wait_s: float | None) -> None:
    failure = failure_of(error)
    assert (failure.reason, failure.retry, failure.about, failure.wait_s) == (reason, retry, about, wait_s)


@given(st.sampled_from([SILENT, BUSY, DEAD_LINE, replace(SILENT, about="box")]), st.integers(1, 40), st.integers())
def test_waits_grow_within_bounds_and_are_spread(failure: Failure, attempts: int, seed: int) -> None:
    wait = wait_after(failure, attempts, seeded(seed)).total_seconds()
    least = failure.wait_s or 30
    assert least <= wait <= 7_200 * 1.25
    assert wait <= wait_after(failure, attempts + 1, seeded(seed)).total_seconds() + 0.001


def test_busy_is_tried_sooner_than_no_answer() -> None:
    busy, silent = failure_of(LineBusy("x")), failure_of(NoAnswer("x"))
    dice = seeded()
    assert wait_after(busy, 1, dice) < wait_after(silent, 1, dice)
    assert wait_after(busy, 1, dice, other_lines=True) > 60 * SECOND


def test_the_box_s_own_trouble_does_not_use_up_the_tries() -> None:
    plan = agenda(standing(), limits=Limits(spread=timedelta(), tries=2))
    read, now = begun(plan), DUE
    for _ in range(6):
        assert plan.ended(read, now, failure_of(LocalTrouble("the disk is full"))) == []
        now = plan.wake_at() or now
        read = begun(plan, now)
    assert read.attempts == 7


def test_a_clock_that_is_set_back_reads_nothing_twice() -> None:
    plan = agenda(standing())
    plan.ended(begun(plan), DUE + MINUTE, "r-1")
    assert plan.advance(DUE - 5 * MINUTE) == []
    assert plan.advance(DUE + SECOND) == []
    assert plan.start(DUE + SECOND) is None


def test_deadlines_are_local_and_of_the_day_after_where_the_evening_has_passed() -> None:
    one = standing(cycle="daily at 21:30")
    assert one.deadline_of(utc(2026, 3, 8, 4, 30)) == utc(2026, 3, 9, 3)  # MST before, MDT after
    assert one.deadline_of(utc(2026, 3, 8, 3, 59)) == utc(2026, 3, 8, 4)
    assert one.zone is DENVER


def test_a_meter_that_calls_is_waited_for_and_called_only_if_it_does_not() -> None:
    plan = agenda(replace(standing(way=BANK), waits=HOUR))
    assert plan.advance(DUE) == []
    assert plan.start(DUE) is None
    read, settled = plan.call_came("m", DUE, DUE + MINUTE)
    assert read is not None
    assert settled == []
    assert plan.call_came("m", DUE, DUE + MINUTE) == (None, [])  # it is being read
    (done,) = plan.call_ended(read, DUE + 2 * MINUTE, "r-1")
    assert isinstance(done, Done)
    assert plan.advance(DUE + 2 * HOUR) == []
    assert plan.start(DUE + 2 * HOUR) is None
    following = DUE + 24 * HOUR
    assert plan.advance(following) == []
    assert begun(plan, following + HOUR).line in {"one", "two"}


def test_a_call_that_comes_before_it_is_due_is_the_read_of_that_due_time() -> None:
    plan = agenda(replace(standing(), waits=HOUR))
    plan.advance(BEGIN)
    read, _settled = plan.call_came("m", DUE, DUE - 50 * MINUTE)
    assert read is not None
    plan.call_ended(read, DUE - 48 * MINUTE, "r-1")
    assert plan.advance(DUE + 2 * HOUR) == []
    assert plan.start(DUE + 2 * HOUR) is None
    assert plan.call_came("m", DUE, DUE) == (None, [])


def test_a_meter_that_cannot_be_called_and_does_not_call_is_given_up() -> None:
    plan = agenda(replace(standing(), waits=HOUR, only_calls=True))
    plan.advance(DUE)
    (given_up,) = plan.advance(DUE + HOUR)
    assert isinstance(given_up, GivenUp)
    assert (given_up.why, given_up.reason) == ("did_not_call", "did_not_call")


def test_a_call_that_failed_may_come_again() -> None:
    plan = agenda(replace(standing(), waits=HOUR))
    plan.advance(DUE)
    read, _settled = plan.call_came("m", DUE, DUE + MINUTE)
    assert read is not None
    assert plan.call_ended(read, DUE + 2 * MINUTE, SILENT) == []
    assert read.next_try == DUE + HOUR
    again, _settled = plan.call_came("m", DUE, DUE + 9 * MINUTE)
    assert again is read
    assert read.attempts == 2
