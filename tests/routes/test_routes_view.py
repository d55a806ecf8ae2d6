"""A route as the person sees it: order of walking, search, what comes next, warnings, pace and deadline."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.routes.book import RouteBook
from agent.routes.pace import HOUR, Tally, progress_of
from agent.routes.view import RouteView
from tests.routes.routes_kit import NOW, Now, octets, open_book, route, stop, walked


def numbers(view: RouteView, **how: bool) -> list[int]:
    return [one.sequence for one in view.walking(**how)]


async def test_a_route_is_walked_both_ways_and_what_is_out_of_it_comes_last(tmp_path: Path) -> None:
    async with open_book(tmp_path) as book:
        await walked(book)
        await book.out_of_route("R-1", "777", "ann")
        view = await book.route("R-1")
    assert numbers(view) == [1, 2, 3, 4]
    assert numbers(view, backwards=True) == [3, 2, 1, 4]
    assert [one.out_of_route for one in view.stops] == [False, False, False, True]


async def act(book: RouteBook, sequence: int, what: str, by: str = "ann") -> None:
    """Bring a stop into a state."""
    one = (await book.route("R-1")).stops[sequence - 1]
    if what == "claimed":
        await book.claim(one.stop_id, by, one.version)
    elif what == "skipped":
        await book.skip(one.stop_id, by, one.version)
    else:
        await book.settle(one.stop_id, by, f"reading-{sequence}", "keyed")


@pytest.mark.parametrize(
    ("done", "after", "backwards", "following"),
    [
        ({}, None, False, 1),
        ({}, 2, False, 3),
        ({}, 5, False, 1),
        ({}, None, True, 5),
        ({}, 2, True, 1),
        ({}, 1, True, 5),
        ({3: "read", 4: "skipped"}, 2, False, 5),
        ({3: "claimed by bob"}, 2, False, 4),
        ({3: "claimed by ann"}, 2, False, 3),
        ({2: "claimed by ann"}, 2, False, 3),
        ({1: "read", 2: "read", 4: "skipped", 5: "read"}, 3, False, 3),
        ({1: "read", 2: "read", 3: "skipped", 4: "skipped", 5: "read"}, 5, False, None),
    ],
)
async def test_the_next_stop_is_ahead_then_what_was_left_out_behind(
    tmp_path: Path, done: dict[int, str], after: int | None, backwards: bool, following: int | None
) -> None:
    async with open_book(tmp_path) as book:
        view = await walked(book, 5)
        for sequence, what in done.items():
            await act(book, sequence, what.split()[0], what.split()[-1] if "by" in what else "ann")
        here = None if after is None else view.stops[after - 1].stop_id
        view = await book.route("R-1")
    found = view.next_stop(here, by="ann", backwards=backwards)
    assert (found.sequence if found else None) == following
    assert [one.sequence for one in view.skipped()] == sorted(k for k, what in done.items() if what == "skipped")


async def test_stops_are_found_by_any_words_of_theirs(tmp_path: Path) -> None:
    orders = [
        stop(1, place={"address": "12 Mill Street", "hint": "Rear door"}),
        stop(2, order={"nameplate_id": "N-88", "site": {"account_id": "A-77", "customer_name": "Ömer Straße"}}),
    ]
    async with open_book(tmp_path) as book:
        view = await book.load(octets(route(0, orders=orders)), "json", "dispatch")
    found = {text: [one.sequence for one in view.search(text)] for text in (
        "mill", "door MILL", "rear 13", "10010002", "n-88", "a-77", "wo-2", "STRASSE", "ömer straße", "", "  ",
    )}  # fmt: skip
    assert found == {
        "mill": [1, 2], "door MILL": [1], "rear 13": [], "10010002": [2], "n-88": [2], "a-77": [2], "wo-2": [2],
        "STRASSE": [2], "ömer straße": [2], "": [], "  ": [],
    }  # fmt: skip


async def test_hazards_are_said_most_urgent_first_with_those_found_at_the_stop(tmp_path: Path) -> None:
    async with open_book(tmp_path) as book:
        orders = [stop(1, hazards=["stairs", "vicious_dog"]), stop(2)]
        view = await book.load(octets(route(0, orders=orders)), "json", "dispatch")
        first = await book.trouble(view.stops[0].stop_id, "ann", 1, ("seal_broken", "insects"))
    warned = [(one.key, one.code.signals) for one in view.hazards(first)]
    assert warned == [
        ("vicious_dog", ("flash", "sound", "vibrate")),
        ("insects", ("flash", "vibrate")),
        ("stairs", ("flash",)),
    ]
    assert view.hazards(view.stops[1]) == ()


async def test_progress_counts_what_was_ordered(tmp_path: Path) -> None:
    now = Now()
    async with open_book(tmp_path, now) as book:
        view = await walked(book, 5)
        ids = [one.stop_id for one in view.stops]
        await book.settle(ids[0], "ann", "r1", "interrogated", ("tou_sum",))
        await book.trouble(ids[1], "ann", 1, ("no_access",))
        await book.skip(ids[2], "ann", 1)
        extra = await book.out_of_route("R-1", "777", "ann")
        await book.settle(extra.stop_id, "ann", "r2", "keyed")
        (summary,) = await book.routes()
    progress = summary.progress
    counts = (progress.total, progress.done, progress.read, progress.unread, progress.skipped, progress.left)
    assert counts == (5, 2, 1, 1, 1, 3)
    assert (progress.out_of_route, progress.to_decide, progress.per_hour) == (1, 1, None)
    assert progress.seconds_left == 8 * 3600
    assert progress.deadline == NOW + timedelta(hours=8)


def tally(left: int, settled: int, first: datetime | None, last: datetime | None, in_last_hour: int = 0) -> Tally:
    return Tally(left + settled, settled, 0, 0, 0, 0, settled, in_last_hour, first, last)


def test_the_pace_is_that_of_the_last_hour() -> None:
    begun = NOW - timedelta(hours=3)
    found = progress_of(tally(30, 90, begun, NOW, in_last_hour=20), NOW + timedelta(hours=1), NOW)
    assert (found.per_hour, found.done_by, found.at_risk, found.late) == (20, NOW + timedelta(minutes=90), True, False)


def test_in_the_first_hour_it_is_that_since_the_first_stop() -> None:
    found = progress_of(tally(10, 11, NOW - timedelta(minutes=30), NOW), NOW + timedelta(hours=1), NOW)
    assert (found.per_hour, found.done_by, found.at_risk) == (20, NOW + timedelta(minutes=30), False)
    early = progress_of(tally(10, 2, NOW - timedelta(minutes=9), NOW), None, NOW)
    assert (early.per_hour, early.done_by, early.seconds_left) == (None, None, None)


def test_a_route_that_is_done_is_never_late() -> None:
    found = progress_of(tally(0, 61, NOW - 5 * HOUR, NOW - 2 * HOUR), NOW - HOUR, NOW)
    assert (found.per_hour, found.done_by, found.late, found.at_risk, found.seconds_left) == (
        20,
        None,
        False,
        False,
        -3600,
    )


def test_a_deadline_that_passed_with_something_left_is_late() -> None:
    found = progress_of(tally(1, 0, None, None), NOW - timedelta(seconds=1), NOW)
    assert (found.late, found.at_risk, found.per_hour) == (True, False, None)
    assert not progress_of(tally(1, 0, None, None), NOW, NOW).late


moments = st.none() | st.timedeltas(timedelta(days=-400), timedelta(days=400)).map(lambda span: NOW + span)


@settings(max_examples=60)
@given(st.integers(0, 5000), st.integers(0, 5000), moments, moments, st.integers(0, 5000), moments)
def test_whatever_the_clock_did_progress_can_be_told(
    left: int, settled: int, first: datetime | None, last: datetime | None, hour: int, deadline: datetime | None
) -> None:
    found = progress_of(tally(left, settled, first, last, min(hour, settled)), deadline, NOW)
    assert (found.per_hour or 0) >= 0
    assert found.done_by is None or found.done_by >= NOW
    assert not (found.late and found.at_risk)
