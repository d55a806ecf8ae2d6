"""A schedule that changes while it runs: no read of a meter that stays is dropped, made twice, or made the old way."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.lines import Way
from agent.scheduling.agenda import Agenda, Limits
from agent.scheduling.reads import Done, GivenUp, Read, Stage, Standing
from tests.scheduling.scheduling_kit import BEGIN, SILENT, asked_for, seeded, standing, utc

DUE = utc(2026, 3, 6, 7, 15)  # 00:15 in Denver
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AT_ONCE = Limits(spread=timedelta())


def agenda(*standings: Standing) -> Agenda:
    return Agenda(standings, AT_ONCE, seeded(), BEGIN, {})


def begun(plan: Agenda, now: datetime = DUE) -> Read:
    plan.advance(now)
    read = plan.start(now)
    assert read is not None
    return read


def test_a_new_meter_is_read_from_now_on_and_the_others_as_before() -> None:
    plan = agenda(standing("a"))
    assert plan.adopt([standing("a"), standing("b", "daily at 01:00")], AT_ONCE, BEGIN + HOUR, {}) == []
    assert begun(plan).meter == "a"
    assert begun(plan, DUE + HOUR).meter == "b"
    assert plan.advance(DUE + 2 * HOUR) == []
    assert plan.start(DUE + 2 * HOUR) is None


def test_a_meter_that_comes_back_goes_on_from_where_it_was() -> None:
    plan = agenda(standing("a"))
    plan.adopt([standing("a"), standing("b")], AT_ONCE, DUE + HOUR, {"b": BEGIN})
    plan.advance(DUE + HOUR)
    assert {read.meter: read.due for read in plan.reads()} == {"a": DUE, "b": DUE}


def test_a_read_that_waits_is_made_in_the_new_way_with_its_tries() -> None:
    plan = agenda(standing("a"))
    read = begun(plan)
    plan.ended(read, DUE + HOUR, SILENT)
    waits_until = read.next_try
    changed = standing("a", way=Way("another", ("another",)))
    assert plan.adopt([changed], AT_ONCE, DUE + HOUR, {}) == []
    (waiting,) = plan.reads()
    assert (waiting.due, waiting.attempts, waiting.next_try) == (DUE, 1, waits_until)
    assert read.stage is Stage.SETTLED
    again = begun(plan, DUE + 3 * HOUR)
    assert (again.line, again.due, again.attempts) == ("another", DUE, 2)


def test_a_visit_under_way_ends_as_it_began_and_is_tried_again_in_the_new_way() -> None:
    plan = agenda(standing("a"))
    read = begun(plan)
    plan.adopt([standing("a", way=Way("another", ("another",)))], AT_ONCE, DUE, {})
    assert (read.stage, read.line) == (Stage.VISITING, "line a")
    assert plan.ended(read, DUE + HOUR, SILENT) == []
    assert begun(plan, DUE + 3 * HOUR).line == "another"
    assert plan.desk.taken == {"another"}


def test_a_visit_under_way_of_a_meter_that_is_gone_is_kept_if_it_succeeds_and_over_if_not() -> None:
    for result, kind in (("r-1", Done), (SILENT, GivenUp)):
        plan = agenda(standing("a"), standing("b", "daily at 12:00"))
        read = begun(plan)
        assert plan.adopt([standing("b", "daily at 12:00")], AT_ONCE, DUE, {}) == []
        (settled,) = plan.ended(read, DUE + HOUR, result)
        assert isinstance(settled, kind)
        plan.advance(DUE + 3 * DAY)
        assert {one.meter for one in plan.reads()} == {"b"}


def test_reads_of_a_meter_that_is_gone_are_given_up_and_none_comes_again() -> None:
    plan = agenda(standing("a"))
    plan.add(asked_for("a"), BEGIN)
    plan.advance(DUE)
    gone = plan.adopt([], AT_ONCE, DUE, {})
    assert [(one.why, one.read.request is None) for one in gone] == [
        ("not_configured", True),
        ("not_configured", False),
    ]
    assert plan.advance(DUE + 9 * DAY) == []
    assert plan.start(DUE + 9 * DAY) is None
    assert plan.wake_at() is None


def test_a_request_is_read_in_the_new_way() -> None:
    plan = agenda(standing("a"))
    plan.add(asked_for("a"), BEGIN)
    plan.adopt([standing("a", way=Way("another", ("another",)))], AT_ONCE, BEGIN, {})
    read = begun(plan, BEGIN)
    assert read.request is not None
    assert read.line == "another"


def test_a_bank_has_the_modems_that_it_is_given() -> None:
    def two(*lines: str) -> list[Standing]:
        return [standing(name, way=Way("bank b", lines, "555" + name)) for name in ("a", "b")]

    plan = agenda(*two("one", "two"))
    first = begun(plan)
    assert first.line == "one"
    plan.adopt(two("two", "three"), AT_ONCE, DUE, {})
    plan.ended(first, DUE, "r-1")
    assert begun(plan).line == "two"
    assert plan.desk.taken == {"two"}
    plan.adopt(two("three"), Limits(sessions=1, spread=timedelta()), DUE, {})
    assert plan.start(DUE) is None, "one visit at once, and it is under way"


@given(st.lists(st.tuples(st.integers(1, 200), st.sets(st.sampled_from("bcd")), st.booleans()), max_size=6))
@settings(max_examples=40)
def test_what_becomes_of_other_meters_changes_nothing_for_one_that_stays(
    changes: list[tuple[int, set[str], bool]],
) -> None:
    def visits(adoptions: list[tuple[int, set[str], bool]]) -> list[datetime]:
        plan, found = agenda(standing("a"), standing("b")), []
        at = {BEGIN + hour * HOUR: (names, moved) for hour, names, moved in adoptions}
        now, under_way = BEGIN, list[Read]()
        while now < BEGIN + 9 * DAY:
            if now in at:
                names, moved = at[now]
                others = [standing(name, "daily at 03:00" if moved else "daily at 00:15") for name in sorted(names)]
                plan.adopt([standing("a"), *others], AT_ONCE, now, {})
            for visiting in under_way:
                plan.ended(visiting, now, "r")
            under_way.clear()
            plan.advance(now)
            while (read := plan.start(now)) is not None:
                under_way.append(read)
                if read.meter == "a":
                    found.append(read.due)
            now += HOUR
        return found

    expected = visits([])
    assert len(expected) == 9
    assert visits(changes) == expected
