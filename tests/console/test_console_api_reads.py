"""Reads by the API: by eye with a doubt, by probe from a simulated meter, followed, answered, ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.console.choices import probe_key
from agent.console.settings import ConsoleSettings
from agent.field.desk import FieldDesk
from agent.field.views import JobView
from agent.routes.book import RouteBook
from metersim.meter import running_meter
from tests.console.api_kit import Program, api_in, program
from tests.field.field_kit import House, opened_house, over, until, wants_answer
from tests.routes.routes_kit import octets, open_book, route, stop

METER_NOW = datetime(2026, 3, 20, 15, 44, 30, tzinfo=UTC)


class Box:
    """A box with one route, and two persons at its API."""

    def __init__(self, house: House, desk: FieldDesk, book: RouteBook, ann: Program, bob: Program) -> None:
        self.house, self.desk, self.book, self.ann, self.bob = house, desk, book, ann, bob

    async def stop_id(self, sequence: int = 1) -> str:
        listed = await self.ann.get("/routes/R-1/stops?show=all")
        found: str = listed["stops"][sequence - 1]["stop_id"]
        return found

    async def until_asked(self, job: dict[str, Any]) -> dict[str, Any]:
        """Return a job when it waits for the person."""
        await until(self.desk, self.view(job), wants_answer)
        shown: dict[str, Any] = await self.ann.get(f"/jobs/{job['job_id']}")
        return shown

    async def over(self, job: dict[str, Any]) -> dict[str, Any]:
        await over(self.desk, self.view(job))
        shown: dict[str, Any] = await self.ann.get(f"/jobs/{job['job_id']}")
        return shown

    def view(self, job: dict[str, Any]) -> JobView:
        return self.desk.job(job["job_id"])


@asynccontextmanager
async def a_box(directory: Path, stops: list[dict[str, Any]], *probes: str) -> AsyncIterator[Box]:
    async with opened_house(directory) as house, open_book(directory) as book:
        await book.load(octets(route(orders=stops)), "json", "dispatch")
        desk = FieldDesk(house.keeper, routes=book)
        settings = ConsoleSettings(hosts=("box.test",), probes=probes)
        async with api_in(directory, routes=book, desk=desk, settings=settings) as console:
            try:
                yield Box(house, desk, book, await program(console), await program(console, "bob"))
            finally:
                await desk.close()


def ordered(number: int, **order: Any) -> dict[str, Any]:
    return stop(number, method="visual", order={"cumulative_without_clock": True, **order})


def used(value: str) -> dict[str, Any]:
    """Return what is on record of a place that uses ten a day."""
    last = datetime.now(UTC) - timedelta(days=30)
    at = {"start": (last - timedelta(days=30)).isoformat(), "end": last.isoformat(), "usage": "300"}
    return {"registers": [{"quantity": "kWh", "value": value, "at": last.isoformat()}], "periods": [at]}


async def test_a_reading_by_eye_is_doubted_asked_for_again_and_stored(tmp_path: Path) -> None:
    async with a_box(tmp_path, [ordered(1, history=used("12000"), expected_meter_id="77")]) as box:
        stop_id = await box.stop_id()
        typed = {"values": ["92345"], "nameplate_id": "77"}
        kept = await box.ann.put(f"/stops/{stop_id}/typed", typed)
        assert [(one["register"], one["kind"], one["serious"]) for one in kept["odd"]] == [(0, "high", True)]
        assert "12000" not in str(kept)
        assert (await box.ann.get(f"/stops/{stop_id}/typed"))["typed"]["values"] == ["92345"]
        assert (await box.bob.get(f"/stops/{stop_id}/typed"))["typed"]["values"] == []
        begun = await box.ann.call("POST", f"/stops/{stop_id}/jobs", {"way": "visual", "version": 1, "typed": typed})
        assert begun.headers["location"] == f"/api/v1/jobs/{begun.json()['job_id']}"
        asked = await box.until_asked(begun.json())
        assert (asked["asked"]["question"]["again"], asked["asked"]["question"]["topic"]) == (True, "register")
        number = asked["asked"]["number"]
        await box.ann.assert_refused(400, "POST", f"/jobs/{asked['job_id']}/answer", {"number": number, "text": "  "})
        problem = await box.bob.assert_refused(
            409, "POST", f"/jobs/{asked['job_id']}/answer", {"number": 99, "text": "1"}
        )
        assert problem["type"].endswith("#not-asked")
        await box.ann.post(f"/jobs/{asked['job_id']}/answer", {"number": number, "text": "12345"})
        done = await box.over(asked)
        assert (done["state"], done["by"], done["ended"]) == ("done", "ann", True)
        assert [check for check in done["checks"] if check["check"] == "high_low_usage"]
        reading = await box.ann.get(f"/jobs/{asked['job_id']}/reading")
        assert (reading["reading_id"], reading["method"], reading["read_by"]) == (done["reading_id"], "manual", "ann")
        assert "12000" not in str(reading["checks"])
        shown = await box.ann.get(f"/stops/{stop_id}")
        assert (shown["state"], shown["reading_id"], shown["method_used"]) == ("read", done["reading_id"], "keyed")
        assert (await box.ann.get(f"/stops/{stop_id}/typed"))["typed"]["values"] == []


async def test_a_read_by_probe_is_followed_and_its_reading_is_what_is_stored(tmp_path: Path) -> None:
    async with running_meter("residential-tou", now=METER_NOW, rate=0) as meter:
        order = {"cumulative_without_clock": True, "password_file": "meter.password", "registers_only": True}
        probe = f"left probe = {meter.address}"
        async with a_box(tmp_path, [stop(1, order={**order, "expected_meter_id": None})], probe) as box:
            stop_id = await box.stop_id()
            listed = await box.ann.call("GET", "/probes")
            assert listed.json() == {
                "probes": [{"probe": probe_key(meter.address), "name": "left probe", "present": True}]
            }
            assert meter.address not in listed.text
            begun = {"way": "probe", "version": 1, "probe": listed.json()["probes"][0]["probe"]}
            job = await box.ann.post(f"/stops/{stop_id}/jobs", begun)
            problem = await box.bob.assert_refused(409, "POST", f"/stops/{stop_id}/jobs", begun | {"anyway": True})
            assert (problem["type"], "ann" in problem["detail"]) == ("/api/v1/problems#being-read", True)
            assert (await box.bob.get(f"/stops/{stop_id}"))["reader"] == "ann"
            done = await box.over(job)
            assert done["progress"]["bytes_on_line"] > 100
            assert (done["state"], done["error"]) == ("done", None)
            answer = await box.ann.call("GET", f"/jobs/{job['job_id']}/reading")
            assert answer.content == box.view(job).document
            profile = await box.ann.get(f"/jobs/{job['job_id']}/profile")
            assert profile["channels"] == []
            assert (await box.ann.get("/jobs"))["jobs"][0]["job_id"] == job["job_id"]


async def test_a_line_is_named_and_never_given(tmp_path: Path) -> None:
    async with a_box(tmp_path, [stop(1), ordered(2)], "left probe = tcp://127.0.0.1:9") as box:
        stop_id = await box.stop_id()
        begin = {"way": "probe", "version": 1}
        for more in (
            {"probe": "tcp://127.0.0.1:22"},
            {"probe": probe_key("tcp://127.0.0.1:9"), "url": "tcp://127.0.0.1:22"},
            {"probe": probe_key("tcp://127.0.0.1:9"), "order": {"url": "tcp://127.0.0.1:22"}},
            {"probe": probe_key("tcp://127.0.0.1:22")},
            {},
        ):
            await box.ann.assert_refused(400, "POST", f"/stops/{stop_id}/jobs", begin | more)
        assert box.desk.jobs() == ()
        assert (await box.ann.get(f"/stops/{stop_id}"))["state"] == "pending"


async def test_who_does_not_know_of_the_dog_does_not_begin(tmp_path: Path) -> None:
    async with a_box(tmp_path, [ordered(1) | {"hazards": ["vicious_dog"]}]) as box:
        stop_id = await box.stop_id()
        begin = {"way": "visual", "version": 1, "typed": {"values": ["00001"], "nameplate_id": "10010001"}}
        problem = await box.ann.assert_refused(409, "POST", f"/stops/{stop_id}/jobs", begin)
        assert problem["type"].endswith("#hazards-not-confirmed")
        await box.ann.post(f"/stops/{stop_id}/hazards", {"hazards": ["vicious_dog"]})
        job = await box.ann.post(f"/stops/{stop_id}/jobs", begin)
        assert (await box.over(job))["state"] == "done"


async def test_a_stop_that_somebody_else_has_is_read_only_if_the_person_knows(tmp_path: Path) -> None:
    async with a_box(tmp_path, [ordered(1)]) as box:
        stop_id = await box.stop_id()
        await box.bob.post(f"/stops/{stop_id}/claim", {"version": 1})
        begin = {"way": "visual", "version": 2, "typed": {"values": ["00001"], "nameplate_id": "10010001"}}
        problem = await box.ann.assert_refused(409, "POST", f"/stops/{stop_id}/jobs", begin)
        assert problem["stop"]["claimed_by"] == "bob"
        job = await box.ann.post(f"/stops/{stop_id}/jobs", begin | {"anyway": True})
        assert (await box.over(job))["state"] == "done"


@pytest.mark.parametrize("values", [[], ["", ""], ["x"], ["1", "2"], ["12_45"]])
async def test_what_is_no_value_begins_nothing(tmp_path: Path, values: list[str]) -> None:
    async with a_box(tmp_path, [ordered(1)]) as box:
        stop_id = await box.stop_id()
        body = {"way": "visual", "version": 1, "typed": {"values": values}}
        await box.ann.assert_refused(400, "POST", f"/stops/{stop_id}/jobs", body)
        assert (await box.ann.get(f"/stops/{stop_id}"))["version"] == 1


async def test_a_job_is_ended_and_its_meter_is_free_again(tmp_path: Path) -> None:
    async with a_box(tmp_path, [ordered(1, history=used("12000"))]) as box:
        stop_id = await box.stop_id()
        begin = {"way": "visual", "version": 1, "typed": {"values": ["92345"], "nameplate_id": "10010001"}}
        job = await box.until_asked(await box.ann.post(f"/stops/{stop_id}/jobs", begin))
        ended = await box.bob.post(f"/jobs/{job['job_id']}/cancel")
        assert (ended["ended"], ended["state"]) == (True, "cancelled")
        assert (await box.ann.get(f"/stops/{stop_id}"))["job_id"] is None
        await box.ann.assert_refused(404, "GET", f"/jobs/{job['job_id']}/reading")
        await box.ann.assert_refused(404, "POST", "/jobs/nothing/cancel")
        problem = await box.ann.assert_refused(404, "GET", "/jobs/nothing")
        assert problem["type"].endswith("#no-such-job")
