"""The van's page: nearest first, a window of a long list, one touch to give a meter up and one to take that back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agent.clock.boot import BootStamp
from agent.console.pages.van import _told
from agent.console.text import Texts
from agent.console.van_shown import bars_of, line_of
from agent.errors import LocalTrouble
from agent.listening import van_marks
from agent.listening.board import Board
from agent.listening.plan import PlannedMeter, ReadPlan
from agent.listening.run import Cycle
from agent.listening.van import Van
from agent.listening.van_view import VanMeter
from drivers.data import Position
from drivers.errors import TransportError
from tests.console.console_kit import NOW
from tests.console.walking_kit import HOSTILE, Walker, walking
from tests.listening.listening_kit import hearing, planned, reception

DAY = Cycle(timedelta(days=1))
SCRIPT = {"headers": {"Accept": "application/json"}}


@dataclass
class Ride:
    """A van with one receiver."""

    van: Van
    plan: ReadPlan
    where: Position | None = None
    board: Board = field(init=False)

    def __post_init__(self) -> None:
        self.board = Board(self.plan, hearing, hold_ns=None)
        self.tick = self.van.listens("radio", self.plan, DAY, self.utc, lambda: self.where)

    def utc(self, stamp: BootStamp | None = None, /) -> datetime:
        return NOW if stamp is None else NOW - timedelta(seconds=75)

    def hears(self, meter: str, *counts: int, snr: str | None = "15") -> None:
        for number, count in enumerate(counts):
            self.board.take(reception(count, 30.0 * number, meter_id=meter, snr=snr), NOW, lambda: self.where)
        self.board.finish(NOW)
        self.tick(self.board)


def placed(number: int, **more: Any) -> PlannedMeter:
    latitude = Decimal(40) + Decimal(number) / 1000
    return planned(meter_id=str(number), latitude=latitude, longitude=Decimal(-75), **more)


@asynccontextmanager
async def riding(directory: Path, *meters: PlannedMeter) -> AsyncIterator[tuple[Walker, Ride]]:
    ride = Ride(Van(directory / "van.json"), ReadPlan(meters))
    async with walking(directory, van=ride.van) as walker:
        yield walker, ride


THREE = (placed(1, place="1 Oak Street"), placed(2, service_delivery_point_id="SDP-2"), placed(3))


def titles(page: str) -> list[str]:
    """Return the meters of a page, in its order."""
    return [part.partition("<")[0] for part in page.partition("<template")[0].split('data-slot="title">')[1:]]


async def test_unheard_meters_are_listed_nearest_first(tmp_path: Path) -> None:
    async with riding(tmp_path, *THREE) as (walker, ride):
        assert titles(await walker.get("/van")) == ["1 Oak Street", "2", "3"]
        ride.where = Position(Decimal("40.0029"), Decimal(-75), at=NOW)
        page = await walker.get("/van")
        assert titles(page) == ["3", "2", "1 Oak Street"]
        assert [one in page for one in ("10 m<", "100 m S<", "210 m S<")] == [True] * 3
        assert titles(await walker.get("/van?order=plan")) == ["1 Oak Street", "2", "3"]
        assert any('"what":"van"' in line for line in walker.console.audit_lines())


async def test_what_is_heard_says_how_well_and_when(tmp_path: Path) -> None:
    async with riding(tmp_path, *THREE) as (walker, ride):
        ride.hears("1", 100, 101)
        ride.hears("2", 5, snr=None)
        page = await walker.get("/van?show=heard")
    assert titles(page) == ["1 Oak Street", "2"]
    assert "15.0 dB over the noise" in page
    assert "1 min 15 s ago, 2 times" in page
    assert "1 min 15 s ago, once" in page
    assert 'class="bars b3"' in page
    assert 'data-count="heard">2</span>' in page
    assert "heard, not confirmed" in page
    assert 'max="3" value="2"' in page


async def test_a_long_plan_is_a_page_at_a_time(tmp_path: Path) -> None:
    async with riding(tmp_path, *(planned(meter_id=str(number)) for number in range(1, 5_001))) as (walker, _):
        page = await walker.get("/van")
        assert (titles(page)[0], len(titles(page))) == ("1", 40)
        assert "1 of 125" in page
        assert len(page) < 120_000
        assert titles(await walker.get("/van?page=125")) == [str(number) for number in range(4_961, 5_001)]
        assert titles(await walker.get("/van?page=9999&show=nonsense"))[-1] == "5000"
        assert len(titles(await walker.get("/van?page=x"))) == 40


async def test_a_search_is_sent_and_not_in_an_address(tmp_path: Path) -> None:
    async with riding(tmp_path, *THREE) as (walker, ride):
        ride.hears("1", 100, 101)
        for text, found in (("oak", ["1 Oak Street"]), ("sdp-2", ["2"]), ("elm", [])):
            answer = await walker.post("/van/search", {"text": text})
            assert titles(answer.text) == found
        assert (await walker.client.get("/van/search?text=oak")).status_code == 405


async def test_giving_up_and_taking_back_without_a_script(tmp_path: Path) -> None:
    async with riding(tmp_path, *THREE) as (walker, ride):
        fields = {"message": "scm", "meter": "2", "show": "unheard"}
        assert await walker.done("/van/marks", fields) == "/van?show=unheard"
        assert titles(await walker.get("/van")) == ["1 Oak Street", "3"]
        page = await walker.get("/van?show=unreachable")
        assert (titles(page), "by ann" in page) == (["2"], True)
        assert 'action="/van/marks/undo"' in page
        assert await walker.done("/van/marks/undo", {**fields, "show": "unreachable"}) == "/van?show=unreachable"
        assert ride.van.view().counts.unheard == 3
        said = [json.loads(line) for line in walker.console.audit_lines()]
        assert [(one["did"], one["which"]) for one in said if one.get("what") == "meter"] == [
            ("gave up", "scm 2"),
            ("took back", "scm 2"),
        ]


async def test_the_script_is_answered_with_the_meter_as_it_is_now(tmp_path: Path) -> None:
    async with riding(tmp_path, *THREE) as (walker, ride):
        answer = await walker.post("/van/marks", {"message": "scm", "meter": "2"}, **SCRIPT)
        assert answer.json() == {
            "number": 2,
            "message": "scm",
            "meter": "2",
            "state": "unreachable",
            "point": "SDP-2",
            "latitude": "40.002",
            "longitude": "-75",
            "by": "ann",
        }
        ride.hears("3", 100, 101)
        answer = await walker.post("/van/marks", {"message": "scm", "meter": "3"}, **SCRIPT)
        assert (answer.status_code, answer.json()) == (409, {"said": "meter 3 is read: nothing is to be done for it"})
        answer = await walker.post("/van/marks", {"message": "scm", "meter": "77"}, **SCRIPT)
        assert (answer.status_code, "in no plan" in answer.json()["said"]) == (409, True)
        assert "in no plan" in await walker.assert_refused(409, "/van/marks/undo", {"message": "x", "meter": "77"})
        await walker.assert_refused(400, "/van/marks", {"message": "scm", "meter": "7" * 300})
        await walker.assert_refused(403, "/van/marks", {"message": "scm", "meter": "1", "csrf": "forged"})


async def test_what_the_disk_refuses_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise LocalTrouble("cannot write the marks", advice="free some space")

    async with riding(tmp_path, *THREE) as (walker, _):
        monkeypatch.setattr(van_marks, "write_durably", full)
        assert "free some space" in await walker.assert_refused(503, "/van/marks", {"message": "scm", "meter": "1"})


async def test_the_script_gets_all_meters_and_then_what_is_new(tmp_path: Path) -> None:
    async with riding(tmp_path, *THREE) as (walker, ride):
        ride.where = Position(Decimal("40.0029"), Decimal("-75.1"), at=NOW)
        whole = (await walker.client.get("/van/meters")).json()
        assert [row["meter"] for row in whole["meters"]] == ["1", "2", "3"]
        assert (whole["position"], whole["at"]) == (["40.0029", "-75.1"], int(NOW.timestamp()))
        assert whole["meters"][0] == {
            "number": 1,
            "message": "scm",
            "meter": "1",
            "state": "unheard",
            "place": "1 Oak Street",
            "latitude": "40.001",
            "longitude": "-75",
        }
        ride.hears("2", 100, 101)
        told = _told(ride.van.watch(whole["epoch"], whole["version"]))
        event = await anext(told)
        await told.aclose()  # type: ignore[attr-defined]
        news = json.loads(event.data)
        assert (event.name, event.id) == ("van", f"{news['epoch']}.{news['version']}")
        assert [(row["meter"], row["state"], row["bars"]) for row in news["meters"]] == [("2", "delivered", 3)]
        assert news["counts"] == {
            "receptions": 2,
            "foreign": 0,
            "delivered": 1,
            "unconfirmed": 0,
            "unheard": 2,
            "heard": 1,
            "unreachable": 0,
            "all": 3,
        }


async def test_the_stream_takes_any_last_event(tmp_path: Path) -> None:
    async with riding(tmp_path, *THREE) as (walker, _):
        walker.console.app.state.streams.closing.set()
        for last in ("", "x.y", "abc.99999999999999", "..", "1.-5"):
            answer = await walker.client.get("/van/live", headers={"Last-Event-ID": last})
            assert answer.headers["content-type"].startswith("text/event-stream")


async def test_a_plan_that_is_too_long_for_a_browser_works_without_its_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.console.pages.van.MOST_BY_SCRIPT", 2)
    async with riding(tmp_path, *THREE) as (walker, _):
        assert "data-meters=" not in await walker.get("/van")
        assert (await walker.client.get("/van/meters")).status_code == 404


async def test_a_receiver_that_rests_is_said(tmp_path: Path) -> None:
    async with riding(tmp_path, *THREE) as (walker, ride):
        ride.van.rests("radio", TransportError("rtl_433 ended", advice="look at the plug"))
        page = await walker.get("/van")
        assert "Not listening: radio." in page
        assert "look at the plug" in page
        assert 'href="/van"' in await walker.get("/status")


async def test_a_box_without_receivers_has_no_van(tmp_path: Path) -> None:
    async with walking(tmp_path) as walker:
        for path in ("/van", "/van/meters", "/van/live"):
            assert (await walker.client.get(path)).status_code == 404
        await walker.assert_refused(404, "/van/marks", {"message": "scm", "meter": "1"})
    async with walking(tmp_path, van=Van(tmp_path / "van.json")) as walker:
        assert "Nothing is listened to yet." in await walker.get("/van")


async def test_what_a_plan_says_is_never_markup(tmp_path: Path) -> None:
    async with riding(tmp_path, planned(meter_id="7", place=HOSTILE)) as (walker, _):
        page = await walker.get("/van")
        assert "<script>alert" not in page
        assert "{{ 7*7 }}" in page


@pytest.mark.parametrize(
    ("rssi", "snr", "bars"),
    [(None, None, None), ("-30", None, 1), ("-16", None, 2), ("-5", None, 4), ("-1", "3", 1), ("-30", "20", 4)],
)
def test_bars_go_by_the_distance_from_the_noise(rssi: str | None, snr: str | None, bars: int | None) -> None:
    assert bars_of(*(None if text is None else Decimal(text) for text in (rssi, snr))) == bars


@pytest.mark.parametrize(
    ("latitude", "far"),
    [("40.00005", "about 0 m"), ("40.0089", "about 990 m N"), ("40.1", "about 11.1 km N"), ("41", "about 111 km N")],
)
def test_distances_are_as_exact_as_they_are_of_use(latitude: str, far: str) -> None:
    ride = Ride(Van(Path("/nonexistent/van.json")), ReadPlan((planned(meter_id="1"),)))
    ride.where = Position(Decimal(latitude), Decimal(-75), at=NOW)
    ride.hears("1", 100)
    here = Position(Decimal(40), Decimal(-75), at=NOW)
    heard: VanMeter = ride.van.meter("scm", "1")
    assert line_of(heard, NOW, here, Texts()).far == far
