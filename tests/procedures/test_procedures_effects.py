"""What the tables must show after a procedure, judged without a meter."""

from __future__ import annotations

from datetime import datetime

import pytest

from drivers.c1219 import Context, Table
from drivers.c1219 import decade0 as d0
from drivers.c1219 import decade2 as d2
from drivers.c1219 import decade5 as d5
from drivers.c1219 import decade6 as d6
from drivers.c1219.procedure_catalogue import action_named
from drivers.c1219.procedure_effects import EFFECTS, Verdict


def judged(name: str, before: Table, after: Table, **given: str) -> Verdict:
    first, second = (Context().with_tables(d0.GeneralConfiguration(), table) for table in (before, after))
    return EFFECTS[name].judge(first, second, action_named(name).parameters(given))


def registers(resets: int | None) -> d2.CurrentRegisters:
    return d2.CurrentRegisters(data=d2.RegisterData(nbr_demand_resets=resets, total=d2.DataBlock(summations=())))


def reset_at(day: int | None) -> d2.PreviousReset:
    end = None if day is None else datetime(2026, 11, day)  # noqa: DTZ001 - as the meter keeps it
    data = d2.RegisterData(total=d2.DataBlock(summations=()))
    return d2.PreviousReset(info=d2.RegisterInformation(end_date_time=end), data=data)


@pytest.mark.parametrize(("before", "after", "seen"), [(3, 4, True), (255, 0, True), (3, 3, False), (3, 5, False)])
def test_demand_resets_by_their_counter(before: int, after: int, seen: bool) -> None:
    assert judged("demand_reset", registers(before), registers(after)).seen is seen


@pytest.mark.parametrize(
    ("before", "after", "seen"), [(None, 3, True), (1, 3, True), (3, 3, False), (None, None, None)]
)
def test_demand_resets_by_their_time(before: int | None, after: int | None, seen: bool | None) -> None:
    assert judged("demand_reset", reset_at(before), reset_at(after)).seen is seen


def test_a_flag_that_comes_back_is_told_and_no_failure() -> None:
    verdict = judged("clear_status_flags", d0.ModeStatus(low_battery=True), d0.ModeStatus(low_battery=True))
    assert verdict.seen is None
    assert "low_battery" in verdict.text


@pytest.mark.parametrize(("now", "seen"), [(2, True), (1, False)])
def test_seasons(now: int, seen: bool) -> None:
    before, after = (d5.ClockState(clock_calendar=None, season=season) for season in (1, now))
    assert judged("season_change", before, after, season="2").seen is seen


def status(*, active: bool = True, unread: int = 0, last: int = 9, valid: int = 5) -> d6.ProfileStatus:
    one = d6.ProfileSetStatus(
        active_mode=active,
        nbr_valid_blocks=valid,
        last_block_element=0,
        last_block_seq_nbr=last,
        nbr_unread_blocks=unread,
        nbr_valid_int=1,
    )
    return d6.ProfileStatus(sets=(one, None, None, None))


def test_recording_that_is_started_and_stopped() -> None:
    assert judged("stop_load_profile", status(), status(active=False)).seen is True
    assert judged("stop_load_profile", status(), status()).seen is False
    assert judged("start_load_profile", status(active=False), status()).seen is True


@pytest.mark.parametrize(
    ("unread", "last", "seen"), [(3, 9, True), (4, 10, True), (5, 9, False), (4, 9, False), (2, 9, False)]
)
def test_pointers_allow_for_entries_that_came_meanwhile(unread: int, last: int, seen: bool) -> None:
    verdict = judged(
        "update_last_read", status(unread=5), status(unread=unread, last=last), list="profile_1", entries="2"
    )
    assert verdict.seen is seen


def test_lists_that_are_emptied() -> None:
    assert judged("reset_list_pointers", status(), status(valid=0), list="profile_1").seen is True
    assert judged("reset_list_pointers", status(), status(), list="profile_1").seen is False
    assert judged("reset_list_pointers", status(), status(), list="events").seen is None


@pytest.mark.parametrize(("before", "after", "seen"), [(2, 0, True), (2, 2, None), (0, 0, None)])
def test_pending_tables(before: int, after: int, seen: bool | None) -> None:
    first, second = (d0.PendingStatus(nbr_pending_activation=number) for number in (before, after))
    for name in ("activate_pending", "clear_pending"):
        assert judged(name, first, second).seen is seen


@pytest.mark.parametrize("name", EFFECTS)
def test_without_the_table_nothing_can_be_told(name: str) -> None:
    action = action_named(name)
    words = {"list": "events", "entries": "1", "mode": "test", "season": "1", "event": "00"}
    given = {parameter.name: words[parameter.name] for parameter in action.takes}
    empty = Context().with_tables(d0.GeneralConfiguration())
    assert EFFECTS[name].judge(empty, empty, action.parameters(given)).seen is None
