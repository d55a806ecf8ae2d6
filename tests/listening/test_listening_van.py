"""The van's picture follows the board meter by meter; what a person gives up is kept for its cycle, and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock.boot import BootStamp
from agent.errors import LocalTrouble, UsageError
from agent.listening import van as van_module
from agent.listening import van_marks
from agent.listening.board import Board
from agent.listening.fixed import Station, listen_for_ever
from agent.listening.plan import PlannedMeter, ReadPlan, parse_plan
from agent.listening.reception import Ear
from agent.listening.run import Cycle
from agent.listening.settings import RadioSettings
from agent.listening.van import HeardMeanwhile, NotPlanned, Van
from agent.listening.van_marks import Marks
from agent.listening.van_view import Spot, VanChange, away
from agent.order import Order
from agent.visit import Outcome
from drivers.data import Position
from drivers.errors import TransportError
from tests.clock.clock_kit import NOON, VirtualClock
from tests.ert.ert_lines import scm
from tests.listening.listening_kit import ToldEar, box, hearing, planned, reception

DAY = Cycle(timedelta(days=1))
ALL = {"unheard", "unreachable", "unconfirmed", "confirmed", "delivered"}


def at(latitude: str, longitude: str) -> Position:
    return Position(Decimal(latitude), Decimal(longitude), at=NOON)


def placed(number: int, latitude: str, longitude: str, **more: Any) -> PlannedMeter:
    return planned(meter_id=str(number), latitude=Decimal(latitude), longitude=Decimal(longitude), **more)


class Ride:
    """A van with one ear, and a test in the place of its receiver."""

    def __init__(self, path: Path, *meters: PlannedMeter, cycle: Cycle = DAY) -> None:
        self.van = Van(path)
        self.now = NOON
        self.where: Position | None = None
        self.plan = ReadPlan(meters)
        self.board = Board(self.plan, hearing, hold_ns=None)
        self.tick = self.van.listens("radio", self.plan, cycle, self.utc, lambda: self.where)

    def utc(self, stamp: BootStamp | None = None, /) -> datetime:
        return self.now if stamp is None else self.now - timedelta(minutes=1)

    def hears(self, meter: str, *counts: int, snr: str | None = None) -> None:
        """Hear a meter, half a minute between two messages; the van sees it with the next tick."""
        for number, count in enumerate(counts):
            self.board.take(reception(count, 30.0 * number, meter_id=meter, snr=snr), self.now, lambda: self.where)
        self.tick(self.board)

    def delivers(self) -> None:
        self.board.finish(self.now)
        self.tick(self.board)

    def state(self, meter: str) -> str:
        return self.van.meter("scm", meter).state

    def counts(self) -> dict[str, int]:
        counts = self.van.view().counts
        return {name: number for name in ALL if (number := getattr(counts, name))}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "van-marks.json"


@pytest.fixture
def ride(file: Path) -> Ride:
    return Ride(file, placed(1, "40.0", "-75.0"), placed(2, "40.1", "-75.0"), planned(meter_id="3"))


# -- the picture


def test_each_meter_goes_its_way_and_is_counted_once(ride: Ride) -> None:
    assert ride.counts() == {"unheard": 3}
    ride.hears("1", 100, snr="12.5")
    assert (ride.state("1"), ride.counts()) == ("unconfirmed", {"unheard": 2, "unconfirmed": 1})
    ride.hears("2", 50, 51)
    assert (ride.state("2"), ride.counts()) == ("confirmed", {"unheard": 1, "unconfirmed": 1, "confirmed": 1})
    ride.delivers()
    assert ride.counts() == {"unheard": 1, "unconfirmed": 1, "delivered": 1}
    first = ride.van.meter("scm", "001")
    assert (first.heard, first.snr_db, first.heard_at) == (1, Decimal("12.5"), NOON - timedelta(minutes=1))
    counts = ride.van.view().counts
    assert (counts.total, counts.heard, counts.receptions) == (3, 2, 3)


def test_what_is_not_in_the_plan_is_only_counted(ride: Ride) -> None:
    ride.hears("99", 1)
    ride.hears("98", 1, 2)
    assert (ride.van.view().counts.foreign, ride.counts()) == (2, {"unheard": 3})
    with pytest.raises(NotPlanned):
        ride.van.meter("scm", "99")
    with pytest.raises(NotPlanned):
        ride.van.meter("idm", "1")


def test_two_senders_under_one_number_are_suspicious(ride: Ride) -> None:
    ride.hears("3", 100, 100, 70_000_00, 70_000_00)
    assert ride.van.meter("scm", "3").suspicious


def test_lists_are_in_the_order_of_the_plan_or_nearest_first(ride: Ride) -> None:
    def order(**how: Any) -> list[str]:
        return [meter.planned.meter_id for meter in ride.van.meters(**how)]

    assert order() == ["1", "2", "3"]
    ride.where = at("40.09", "-75.0")
    assert order() == ["2", "1", "3"]
    assert order(nearest=False) == ["1", "2", "3"]
    ride.hears("3", 5)
    assert order() == ["3", "2", "1"]  # where it was heard
    spot = ride.van.meter("scm", "3").spot
    assert spot == Spot(Decimal("40.09"), Decimal("-75.0"), surveyed=False)
    assert (order(show="heard"), order(show="unheard")) == (["3"], ["2", "1"])


def test_lists_are_searched_by_what_a_person_knows(file: Path) -> None:
    ride = Ride(
        file, planned(meter_id="111", place="12 Oak Street"), planned(meter_id="222", service_delivery_point_id="SDP-7")
    )
    found = [[one.planned.meter_id for one in ride.van.meters(text=text)] for text in ("oak 12", "sdp-7", "2", "elm")]
    assert found == [["111"], ["222"], ["111", "222"], []]


@pytest.mark.parametrize(
    ("there", "metres", "point"),
    [(("40.01", "-75"), 1112, "N"), (("40", "-74.99"), 852, "E"), (("39.99", "-75.013"), 1569, "SW")],
)
def test_distances_are_those_of_the_great_circle(there: tuple[str, str], metres: int, point: str) -> None:
    spot = Spot(Decimal(there[0]), Decimal(there[1]), surveyed=True)
    assert away(at("40", "-75"), spot) == (metres, point)


DEGREES = st.tuples(st.decimals(-90, 90, places=6), st.decimals(-180, 180, places=6))


@given(DEGREES, DEGREES)
def test_everywhere_is_somewhere(here: tuple[Decimal, Decimal], there: tuple[Decimal, Decimal]) -> None:
    metres, _ = away(Position(here[0], here[1], at=NOON), Spot(there[0], there[1], surveyed=True))
    back, _ = away(Position(there[0], there[1], at=NOON), Spot(here[0], here[1], surveyed=True))
    assert 0 <= metres <= 20_015_115
    assert abs(metres - back) <= 1


# -- what is given up


async def test_a_meter_that_is_given_up_is_unreachable_until_it_is_heard(ride: Ride) -> None:
    row = await ride.van.give_up("scm", "2", "ann")
    assert (row.state, row.mark and row.mark.by) == ("unreachable", "ann")
    assert await ride.van.give_up("scm", "2", "bob") == row
    assert ride.counts() == {"unheard": 2, "unreachable": 1}
    ride.hears("2", 50)
    assert ride.state("2") == "unreachable"
    ride.hears("2", 50, 51)
    assert (ride.state("2"), ride.counts()) == ("confirmed", {"unheard": 2, "confirmed": 1})
    with pytest.raises(HeardMeanwhile, match="meter 2 is read"):
        await ride.van.give_up("scm", "2", "ann")


async def test_giving_up_can_be_undone(ride: Ride) -> None:
    await ride.van.give_up("scm", "1", "ann")
    row = await ride.van.take_back("scm", "1")
    assert (row.state, row.mark, ride.counts()) == ("unheard", None, {"unheard": 3})
    assert await ride.van.take_back("scm", "1") == row
    with pytest.raises(NotPlanned):
        await ride.van.give_up("scm", "9", "ann")
    with pytest.raises(NotPlanned):
        await ride.van.take_back("scm", "9")


async def test_marks_outlive_a_restart_and_end_with_their_cycle(ride: Ride, file: Path) -> None:
    await ride.van.give_up("scm", "1", "ann")
    await ride.van.give_up("scm", "3", "ann")
    again = Ride(file, *ride.plan.meters)
    assert again.counts() == {"unheard": 1, "unreachable": 2}
    again.now += timedelta(days=1)
    again.board.start_over()
    again.tick(again.board)
    assert again.counts() == {"unheard": 3}
    await again.van.give_up("scm", "2", "bob")
    assert [mark.by for mark in Marks(file).read().values()] == ["bob"]


async def test_a_clock_that_is_wrong_for_a_while_costs_no_mark(ride: Ride, file: Path) -> None:
    await ride.van.give_up("scm", "1", "ann")
    again = Ride(file, *ride.plan.meters)
    again.now = datetime(1970, 1, 2, tzinfo=UTC)
    again.tick(again.board)
    assert again.state("1") == "unheard"
    await again.van.give_up("scm", "2", "ann")
    again.now = NOON
    again.tick(again.board)
    assert (again.state("1"), again.state("2")) == ("unreachable", "unheard")


async def test_a_new_cycle_begins_with_everything_unheard(ride: Ride) -> None:
    ride.hears("1", 100, 101)
    ride.delivers()
    ride.now += timedelta(days=1)
    ride.board.start_over()
    ride.tick(ride.board)
    row = ride.van.meter("scm", "1")
    assert (row.state, row.heard, row.heard_at, ride.counts()) == ("unheard", 0, None, {"unheard": 3})


async def test_what_the_disk_refuses_is_not_marked(ride: Ride, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise LocalTrouble("no space left")

    monkeypatch.setattr(van_marks, "write_durably", full)
    with pytest.raises(LocalTrouble):
        await ride.van.give_up("scm", "1", "ann")
    assert ride.counts() == {"unheard": 3}


async def test_the_number_of_marks_is_bounded(ride: Ride, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(van_marks, "MOST_MARKS", 1)
    await ride.van.give_up("scm", "1", "ann")
    with pytest.raises(UsageError, match="given up already"):
        await ride.van.give_up("scm", "2", "ann")
    assert ride.counts() == {"unheard": 2, "unreachable": 1}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"marks": 7}', b"\xff", b'{"marks":' + b"[" * 5_000,
     b'{"marks":[{"message":"scm","meter_id":"1","cycle":"2026-11-22T00:00:00","at":"2026-11-22T00:00:00","by":"a"}]}'],
)  # fmt: skip
def test_a_file_of_marks_that_makes_no_sense_is_as_good_as_none(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    ride = Ride(file, planned(meter_id="1"))
    assert ride.counts() == {"unheard": 1}
    assert asyncio.run(ride.van.give_up("scm", "1", "ann")).state == "unreachable"


# -- what watchers are told


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(van_module, "UPDATE_EVERY_S", 0)


async def told(changes: AsyncGenerator[VanChange, None]) -> tuple[VanChange, list[str]]:
    change = await anext(changes)
    return change, [meter.planned.meter_id for meter in change.meters]


@pytest.mark.usefixtures("at_once")
async def test_a_watcher_gets_what_changed_and_nothing_twice(ride: Ride) -> None:
    view = ride.van.view()
    changes = ride.van.watch(view.epoch, view.version)
    assert (await told(changes))[1] == []
    ride.hears("2", 50)
    assert (await told(changes))[1] == ["2"]
    ride.hears("1", 50)
    ride.hears("2", 51)
    change, meters = await told(changes)
    assert (meters, change.view.counts.receptions) == (["1", "2"], 3)
    waiting = asyncio.ensure_future(anext(changes))
    ride.tick(ride.board)
    await asyncio.sleep(0)
    assert not waiting.done()  # nothing is new
    ride.where = at("40", "-75")
    ride.tick(ride.board)
    assert (await waiting).view.position == ride.where
    await changes.aclose()
    later = ride.van.watch(view.epoch, change.version - 1)
    assert (await told(later))[1] == ["2"]
    await later.aclose()


@pytest.mark.usefixtures("at_once")
async def test_much_that_is_new_comes_in_pieces(ride: Ride, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(van_module, "MOST_AT_ONCE", 2)
    changes = ride.van.watch(ride.van.view().epoch, 0)
    for meter in "123":
        ride.hears(meter, 50)
    assert [(await told(changes))[1], (await told(changes))[1]] == [["1", "2"], ["3"]]
    await changes.aclose()


@pytest.mark.usefixtures("at_once")
async def test_another_plan_is_another_epoch(ride: Ride) -> None:
    changes = ride.van.watch(ride.van.view().epoch, ride.van.view().version)
    await told(changes)
    old = ride.tick
    ride.van.listens("radio", ReadPlan((planned(meter_id="7"),)), DAY, ride.utc, lambda: None)
    change, meters = await told(changes)
    assert (change.view.counts.total, meters) == (1, [])
    ride.board.take(reception(1, 0, meter_id="1"), NOON, lambda: None)
    old(ride.board)
    assert ride.counts() == {"unheard": 1}
    await changes.aclose()


def test_two_ears_are_one_picture(ride: Ride) -> None:
    page = planned(meter_id="5", message="pager")
    ride.van.listens("pager", ReadPlan((page,)), Cycle(timedelta(hours=1)), ride.utc, lambda: at("41", "-75"))
    view = ride.van.view()
    assert [ear.name for ear in view.ears] == ["radio", "pager"]
    assert [ear.cycle for ear in view.ears] == [DAY.began(NOON), Cycle(timedelta(hours=1)).began(NOON)]
    assert (view.counts.total, view.position) == (4, at("41", "-75"))
    ride.van.listens("pager", ReadPlan(), DAY, ride.utc, lambda: None)
    assert ride.van.view().counts.total == 3


def test_an_ear_that_rests_says_why_until_it_listens_again(ride: Ride) -> None:
    ride.van.rests("radio", TransportError("the receiver is gone", advice="plug it in"))
    ride.van.rests("pager", None)
    radio, pager = ride.van.view().ears
    assert (radio.trouble, radio.advice) == ("the receiver is gone", "plug it in")
    assert "bug" in pager.trouble
    ride.tick(ride.board)
    assert ride.van.view().ears[0].trouble == ""


async def test_a_fixed_receiver_shows_what_it_hears(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No plan, then one with a meter that is heard: the van says both."""
    monkeypatch.setattr(RadioSettings, "rest_period", timedelta(milliseconds=10))
    monkeypatch.setattr(van_module, "UPDATE_EVERY_S", 0)
    clock, van = VirtualClock(), Van(file)
    kept: asyncio.Queue[str] = asyncio.Queue()

    def ear_of(_plan: ReadPlan) -> Ear:
        ear = ToldEar(clock)
        ear.tell(scm(), scm())
        return ear

    async def keep(_order: Order, outcome: Outcome) -> object:
        kept.put_nowait(outcome.reading.reading_id)
        return outcome.reading

    station = Station(box(clock), keep, path=lambda name: tmp_path / name, van=van)  # type: ignore[arg-type]
    settings = RadioSettings(plan="plan.csv", hold="0s", rest="1s")
    changes = van.watch()
    running = asyncio.create_task(listen_for_ever(settings, station, ear_of))
    while not (change := await anext(changes)).view.ears:
        pass
    assert "plan.csv cannot be read" in change.view.ears[0].trouble
    await asyncio.to_thread((tmp_path / "plan.csv").write_text, "meter_id,message\n54585868,scm\n")
    assert await kept.get()
    while not (change := await anext(changes)).view.counts.delivered:
        pass
    assert change.view.ears[0].trouble == ""
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await changes.aclose()


# -- places in the plan


def test_a_plan_says_where_meters_are() -> None:
    rows = b'meter_id,message,place,latitude,longitude\n7,scm,"12 Oak Street, rear",40.01,-75.2\n8,scm,,,\n'
    one, other = parse_plan(rows, "plan").meters
    assert (one.place, one.latitude, one.longitude) == ("12 Oak Street, rear", Decimal("40.01"), Decimal("-75.2"))
    assert (other.place, other.latitude, other.longitude) == (None, None, None)


@pytest.mark.parametrize(
    ("cells", "wrong"),
    [("91,0", "column latitude: '91' must be from -90 to 90"), ("0,-181", "column longitude: '-181' must be from"),
     ("40,", "column longitude: is missing"), (",40", "column latitude: is missing"), ("north,1", "is no number")],
)  # fmt: skip
def test_a_place_that_is_none_is_refused(cells: str, wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong):
        parse_plan(f"meter_id,message,latitude,longitude\n7,scm,{cells}\n".encode(), "plan")
