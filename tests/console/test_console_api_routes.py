"""Routes and stops by the API: loaded, walked by two persons, coded, noted, photographed, accepted, exported."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.field.photos import Photos
from agent.routes.book import RouteBook
from tests.console.api_kit import Program, api_in, program
from tests.console.console_kit import Console
from tests.routes.routes_kit import Now, octets, open_book, route, stop

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 8
NAME = f"{hashlib.sha256(JPEG).hexdigest()}.jpg"
HISTORY = {"registers": [{"quantity": "kWh", "value": "54321", "at": "2026-02-01T18:20:00Z"}]}
STOPS = [
    stop(1, hazards=["vicious_dog"], access="key at no. 14", order={"history": HISTORY}),
    stop(2, method="visual", shown=[{"quantity": "kWh", "dials": 5}, {"quantity": "kW", "decimals": 2}]),
    stop(3, order={"site": {"customer_name": "Zebra & Sons", "account_id": "A-77"}}),
]


@pytest.fixture
async def book(tmp_path: Path) -> AsyncIterator[RouteBook]:
    async with open_book(tmp_path, Now()) as opened:
        await opened.load(octets(route(orders=STOPS)), "json", "dispatch")
        yield opened


@pytest.fixture
async def console(tmp_path: Path, book: RouteBook) -> AsyncIterator[Console]:
    async with api_in(tmp_path, routes=book, photos=Photos(tmp_path / "photos", most_octets=100_000)) as made:
        yield made


@pytest.fixture
async def ann(console: Console) -> Program:
    return await program(console)


@pytest.fixture
async def bob(console: Console) -> Program:
    return await program(console, "bob")


@pytest.fixture
async def olga(console: Console) -> Program:
    return await program(console, "olga")


async def stop_ids(one: Program) -> list[str]:
    listed = await one.get("/routes/R-1/stops?show=all")
    return [row["stop_id"] for row in listed["stops"]]


async def test_a_route_is_loaded_listed_shown_and_walked_either_way(
    console: Console, ann: Program, olga: Program
) -> None:
    assert (await ann.call("POST", "/routes", route(route_id="R-2"))).status_code == 403
    loaded = await olga.call("POST", "/routes", route(route_id="R-2", name="Harbour"))
    assert (loaded.status_code, loaded.headers["location"]) == (201, "/api/v1/routes/R-2")
    assert (loaded.json()["progress"]["total"], loaded.json()["loaded_by"]) == (3, "olga")
    assert {one["route_id"] for one in (await ann.get("/routes"))["routes"]} == {"R-1", "R-2"}
    forth, back = await ann.get("/routes/R-2"), await ann.get("/routes/R-2?backwards=true")
    assert (forth["next"]["sequence"], back["next"]["sequence"]) == (1, 3)
    assert forth["lists"] == {"open": 3, "skipped": 0, "decide": 0, "all": 3}
    assert forth["codes"]["vicious_dog"]["kind"] == "hazard"
    rows = (await ann.get("/routes/R-2/stops?offset=1&limit=1&backwards=true"))["stops"]
    assert [row["sequence"] for row in rows] == [2]
    assert any('"did":"loaded"' in line and '"which":"R-2"' in line for line in console.audit_lines())


async def test_a_route_in_csv(olga: Program) -> None:
    content = b"route_id,route_name,day,zone,meter_id,address\nR-9,Hill,2026-03-02,America/Denver,7,1 Hill\n"
    loaded = await olga.post("/routes", content=content, headers={"Content-Type": "text/csv; charset=utf-8"})
    assert (loaded["route_id"], loaded["name"], loaded["next"]["title"]) == ("R-9", "Hill", "1 Hill")


@pytest.mark.parametrize(
    ("tree", "said"),
    [({"schema": "mrsp.route/1"}, "route_id"), ([], "object"), (route(zone="Nowhere/Here"), "time zone")],
)
async def test_a_route_with_a_mistake_is_refused_naming_it(olga: Program, tree: object, said: str) -> None:
    problem = await olga.assert_refused(400, "POST", "/routes", tree)
    assert said in problem["detail"]
    assert problem["type"] == "/api/v1/problems#makes-no-sense"


async def test_a_search_is_by_the_body_and_a_stop_has_what_a_person_needs(ann: Program) -> None:
    found = await ann.post("/routes/R-1/search", {"text": "zebra"})
    assert ([row["sequence"] for row in found["stops"]], found["more"]) == ([3], 0)
    shown = await ann.get(f"/stops/{found['stops'][0]['stop_id']}")
    assert (shown["customer_name"], shown["state"], shown["version"]) == ("Zebra & Sons", "pending", 1)
    assert [one["name"] for one in shown["registers"]] == ["kWh delivered"]
    assert shown["registers"][0]["dials"] == 5


async def test_hazards_are_confirmed_as_they_are_by_each_person(ann: Program, bob: Program) -> None:
    first = (await stop_ids(ann))[0]
    shown = await ann.get(f"/stops/{first}")
    assert [(one["key"], one["urgent"]) for one in shown["hazards"]] == [("vicious_dog", True)]
    assert shown["hazards"][0]["signals"]
    assert shown["hazards_confirmed"] is False
    problem = await ann.assert_refused(409, "POST", f"/stops/{first}/hazards", {"hazards": []})
    assert problem["type"].endswith("#hazards-not-confirmed")
    assert (await ann.post(f"/stops/{first}/hazards", {"hazards": ["vicious_dog"]}))["hazards_confirmed"] is True
    assert (await bob.get(f"/stops/{first}"))["hazards_confirmed"] is False


async def test_two_persons_at_one_stop(ann: Program, bob: Program) -> None:
    first = (await stop_ids(ann))[0]
    claimed = await ann.post(f"/stops/{first}/claim", {"version": 1})
    assert (claimed["state"], claimed["claimed_by"], claimed["version"]) == ("claimed", "ann", 2)
    for body in ({"version": 1}, {"version": 2}):
        problem = await bob.assert_refused(409, "POST", f"/stops/{first}/claim", body)
        assert "ann is there, until 09:30" in problem["detail"]
        assert problem["type"].endswith("#stop-changed")
        assert (problem["stop"]["claimed_by"], problem["stop"]["version"]) == ("ann", 2)
        assert problem["advice"]
    await bob.assert_refused(409, "POST", f"/stops/{first}/release", {"version": 2})
    released = await ann.post(f"/stops/{first}/release", {"version": 2})
    skipped = await bob.post(f"/stops/{first}/skip", {"version": released["version"], "remark": "gate locked"})
    assert (skipped["state"], skipped["by"], skipped["remark"]) == ("skipped", "bob", "gate locked")
    problem = await ann.assert_refused(409, "POST", f"/stops/{first}/claim", {"version": released["version"]})
    assert "bob left it for later at 09:00" in problem["detail"]
    assert (await ann.get("/routes/R-1"))["lists"]["skipped"] == 1


async def test_of_two_at_the_same_moment_one_gets_the_stop(ann: Program, bob: Program) -> None:
    first = (await stop_ids(ann))[0]
    answers = await asyncio.gather(
        *(one.call("POST", f"/stops/{first}/claim", {"version": 1}) for one in (ann, bob) for _ in range(3))
    )
    won = {answer.json()["claimed_by"] for answer in answers if answer.is_success}
    assert len(won) == 1
    assert {answer.status_code for answer in answers} == {200, 409}


async def test_codes_notes_and_photographs(console: Console, ann: Program, bob: Program) -> None:
    first = (await stop_ids(ann))[0]
    sent = await ann.call("POST", "/photos", content=JPEG, headers={"Content-Type": "image/jpeg"})
    assert (sent.status_code, sent.json()["name"], sent.json()["octets"]) == (201, NAME, len(JPEG))
    assert (await ann.assert_refused(404, "GET", f"/stops/{first}/photos/{NAME}"))["status"] == 404
    where = {"latitude": "37.7749", "longitude": "-122.4194", "accuracy_m": "8"}
    noted = await ann.post(f"/stops/{first}/notes", {"text": "ring\ntwice", "photos": [NAME], "position": where})
    assert noted["notes"][0] | {"at": ""} == {
        "by": "ann",
        "at": "",
        "text": "ring\ntwice",
        "photos": [NAME],
        "position": where,
    }
    assert noted["version"] == 1
    shown = await bob.call("GET", f"/stops/{first}/photos/{NAME}")
    assert (shown.content, shown.headers["content-type"]) == (JPEG, "image/jpeg")
    coded = await bob.post(f"/stops/{first}/trouble", {"version": 1, "codes": ["no_access"], "remark": "nobody home"})
    assert (coded["state"], coded["codes"], coded["by"]) == ("unread", ["no_access"], "bob")
    problem = await ann.assert_refused(400, "POST", f"/stops/{first}/trouble", {"version": 2, "codes": ["nonsense"]})
    assert "no_access" in problem["advice"]
    audit = "\n".join(console.audit_lines())
    assert '"did":"coded"' in audit
    assert '"did":"noted"' in audit
    assert "nobody home" not in audit


async def test_a_photograph_that_was_not_sent_is_not_named(ann: Program) -> None:
    first = (await stop_ids(ann))[0]
    missing = f"{'0' * 64}.jpg"
    problem = await ann.assert_refused(400, "POST", f"/stops/{first}/notes", {"photos": [missing]})
    assert "no such photograph" in problem["detail"]
    await ann.assert_refused(400, "POST", f"/stops/{first}/notes", {"photos": ["../../etc/passwd"]})


async def test_what_is_no_photograph_or_too_large_is_refused(tmp_path: Path, ann: Program) -> None:
    for content, media, status in (
        (b"<html>", "image/jpeg", 400),
        (JPEG * 60, "image/jpeg", 400),
        (JPEG, "text/html", 415),
        (b"", "image/png", 400),
    ):
        await ann.assert_refused(status, "POST", "/photos", content=content, headers={"Content-Type": media})
    assert not [path for path in (tmp_path / "photos").glob("*") if path.is_file()]


async def test_a_failed_check_is_accepted_with_a_reason_for_that_reading(
    book: RouteBook, ann: Program, bob: Program
) -> None:
    first = (await stop_ids(ann))[0]
    await book.settle(first, "ann", "rd-1", "interrogated", ("high_low_usage",))
    assert (await bob.get(f"/stops/{first}"))["to_decide"] is True
    problem = await bob.assert_refused(
        409, "POST", f"/stops/{first}/accept", {"reason": "looked again", "reading_id": "rd-0"}
    )
    assert "read again" in problem["detail"]
    done = await bob.post(f"/stops/{first}/accept", {"reason": "looked again", "reading_id": "rd-1"})
    assert (done["accepted_by"], done["accepted_reason"], done["to_decide"]) == ("bob", "looked again", False)


async def test_a_meter_out_of_the_route(ann: Program) -> None:
    added = await ann.call("POST", "/routes/R-1/stops", {"meter_id": "99-7"})
    made = added.json()
    assert added.headers["location"] == f"/api/v1/stops/{made['stop_id']}"
    assert (made["out_of_route"], made["nameplate_id"], made["sequence"]) == (True, "99-7", 4)
    assert (await ann.post("/routes/R-1/stops", {"meter_id": "99-7"}))["stop_id"] == made["stop_id"]


async def test_an_operator_takes_what_became_of_the_route(console: Console, ann: Program) -> None:
    await ann.assert_refused(403, "GET", "/routes/R-1/export")
    olga = await program(console, "olga")
    exported = await olga.get("/routes/R-1/export")
    assert (exported["schema"], len(exported["stops"])) == ("mrsp.route-result/1", 3)
    table = await olga.call("GET", "/routes/R-1/export?form=csv")
    assert table.text.startswith("route_id,")
    assert any('"what":"route export"' in line for line in console.audit_lines())


async def test_what_is_not_there(ann: Program) -> None:
    for path in ("/routes/R-7", "/routes/R-7/stops", "/stops/nothing", "/stops/nothing/inspections", "/van", "/jobs"):
        await ann.assert_refused(404, "GET", path)
    for act in ("claim", "release", "skip"):
        problem = await ann.assert_refused(404, "POST", f"/stops/nothing/{act}", {"version": 1})
        assert problem["type"].endswith("#no-such-route")


async def test_earlier_readings_are_told_to_nobody(ann: Program) -> None:
    said = [await ann.call("GET", path) for path in ("/routes", "/routes/R-1", "/routes/R-1/stops?show=all")]
    said += [await ann.call("GET", f"/stops/{stop_id}") for stop_id in await stop_ids(ann)]
    assert not any("54321" in one.text or "history" in one.text for one in said)
