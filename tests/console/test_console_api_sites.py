"""Inspections and the van by the API."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agent.clock.boot import BootStamp
from agent.console.api import ENDPOINTS
from agent.field.photos import Photos
from agent.listening.board import Board
from agent.listening.plan import PlannedMeter, ReadPlan
from agent.listening.run import Cycle
from agent.listening.van import VAN_FILE, Van
from drivers.data import Position
from tests.console.api_kit import Program, api_in, program
from tests.console.console_kit import Console
from tests.inspections.inspections_kit import Shelf, a_desk
from tests.listening.listening_kit import hearing, reception
from tests.routes.routes_kit import open_book, walked

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
NAME = f"{hashlib.sha256(PNG).hexdigest()}.png"
AT = datetime(2026, 3, 6, 17, tzinfo=UTC)
PLAN = ReadPlan(
    (
        PlannedMeter("11", "scm", place="1 Oak St", latitude=Decimal("39.7"), longitude=Decimal("-105.0")),
        PlannedMeter("22", "scm", place="2 Oak St", latitude=Decimal("39.9"), longitude=Decimal("-105.0")),
        PlannedMeter("33", "idm", place="3 Oak St", last_reading=Decimal(98765)),
    )
)

HOSTILE: tuple[object, ...] = (
    *(7, "x", [], [[]], True, {"": ""}, {"__proto__": {}}, {"version": 1, "extra": 1}, {"version": {"version": 1}}),
    {"way": "modem", "version": 1},
    {"way": ["probe"], "probe": "tcp://10.0.0.1:1"},
    {"changes": {"marks": {"animals": {"answer": ["found"]}}}},
    {"text": "\u202e", "version": 1},
    {"meter_id": "' OR 1=1 --", "message": "<script>"},
    {"values": ["1" * 65], "again": [None]},
)
NONSENSE: tuple[dict[str, Any], ...] = (
    {"marks": {"nonsense": {"answer": "found"}}},
    {"marks": {"animals": {"answer": "maybe"}}},
    {"marks": []},
    {"told": ["everybody"]},
    {"remark": "x" * 501},
    {"photos": [f"{'0' * 64}.png"]},
    {"photos": ["../../etc/passwd"]},
    {"filed_at": "2026-03-06T17:00:00Z"},
)


def utc(_at: BootStamp | None = None, /) -> datetime:
    return AT


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def van(tmp_path: Path) -> Van:
    made = Van(tmp_path / VAN_FILE)
    here = Position(Decimal("39.9"), Decimal("-105.1"), AT)
    board = Board(PLAN, hearing, hold_ns=None)
    tick = made.listens("radio", PLAN, Cycle(timedelta(days=1)), utc, lambda: here)
    board.take(reception(500, 1.0, meter_id="11", snr="12.5"), AT, lambda: here)
    board.take(reception(7, 1.0, meter_id="99"), AT, lambda: here)
    tick(board)
    return made


@pytest.fixture
async def console(tmp_path: Path, shelf: Shelf, van: Van) -> AsyncIterator[Console]:
    photos = Photos(tmp_path / "photos")
    async with open_book(tmp_path) as book, a_desk(tmp_path, shelf) as desk:
        await walked(book)
        async with api_in(tmp_path, routes=book, inspections=desk, photos=photos, van=van) as made:
            yield made


@pytest.fixture
async def ann(console: Console) -> Program:
    return await program(console)


@pytest.fixture
async def bob(console: Console) -> Program:
    return await program(console, "bob")


async def test_an_inspection_is_begun_answered_filed_and_made_safe(ann: Program, bob: Program, shelf: Shelf) -> None:
    lists = (await ann.get("/checklists"))["lists"]
    threat = next(item["code"] for one in lists for item in one["items"] if item.get("immediate"))
    stop_id = (await ann.get("/routes/R-1/stops"))["stops"][0]["stop_id"]
    begun = await ann.call("POST", f"/stops/{stop_id}/inspections")
    draft = begun.json()
    path = f"/inspections/{draft['inspection_id']}"
    assert begun.headers["location"] == f"/api/v1{path}"
    assert (draft["subject"]["stop_id"], draft["by"], draft["version"]) == (stop_id, "ann", 1)
    assert (await ann.post(f"/stops/{stop_id}/inspections"))["inspection_id"] == draft["inspection_id"]
    await bob.assert_refused(404, "GET", path)
    await bob.assert_refused(404, "PATCH", path, {"changes": {}})
    assert (await ann.assert_refused(422, "POST", f"{path}/file", {"version": 1}))["type"].endswith(
        "#inspection-not-complete"
    )

    await ann.call("POST", "/photos", content=PNG, headers={"Content-Type": "image/png"})
    marks = {threat: {"answer": "found", "photos": [NAME]}}
    saved = await ann.patch(path, {"version": 1, "changes": {"marks": marks, "told": ["customer"]}})
    assert (saved["version"], saved["threat"], saved["told"]) == (2, True, ["customer"])
    problem = await ann.assert_refused(409, "PATCH", path, {"version": 1, "changes": {"remark": "late"}})
    assert problem["type"].endswith("#inspection-changed")
    assert [one["inspection_id"] for one in (await ann.get("/inspections"))["drafts"]] == [draft["inspection_id"]]
    assert (await bob.get("/inspections"))["drafts"] == []

    filed = await ann.post(f"{path}/file", {"version": 2})
    assert (filed["reported"], filed["inspection"]["inspection_id"]) == (True, draft["inspection_id"])
    assert len(shelf.documents) == len(filed["inspection"]["anomalies"]) > 0
    assert (await ann.post(f"{path}/file", {"version": 2}))["inspection"] == filed["inspection"]
    assert [one["threat"] for one in (await bob.get("/inspections"))["unsafe"]] == [True]
    assert (await bob.call("GET", f"{path}/photos/{NAME}")).content == PNG
    await bob.assert_refused(404, "GET", f"{path}/photos/{'0' * 64}.png")
    safe = await bob.post(f"{path}/made-safe", {"remark": "switched off"})
    assert safe["made_safe"]["by"] == "bob"
    assert (await ann.get(f"/stops/{stop_id}/inspections"))["inspections"] == [safe]
    await ann.assert_refused(409, "DELETE", path)


async def test_what_the_spool_refuses_is_filed_all_the_same(ann: Program, shelf: Shelf) -> None:
    stop_id = (await ann.get("/routes/R-1/stops"))["stops"][1]["stop_id"]
    path = f"/inspections/{(await ann.post(f'/stops/{stop_id}/inspections'))['inspection_id']}"
    lists = (await ann.get("/checklists"))["lists"]
    threat = next(item["code"] for one in lists for item in one["items"] if item.get("immediate"))
    await ann.patch(path, {"changes": {"marks": {threat: {"answer": "found"}}}})
    shelf.refuses = 10
    filed = await ann.post(f"{path}/file", {"version": 2})
    assert (filed["reported"], "cannot be sent yet" in filed["said"]) == (False, True)
    assert filed["inspection"]["filed_at"]


async def test_a_draft_is_thrown_away_and_nonsense_is_not_kept(ann: Program) -> None:
    stop_id = (await ann.get("/routes/R-1/stops"))["stops"][2]["stop_id"]
    path = f"/inspections/{(await ann.post(f'/stops/{stop_id}/inspections'))['inspection_id']}"
    for changes in NONSENSE:
        await ann.assert_refused(400, "PATCH", path, {"changes": changes})
    assert (await ann.get(path))["version"] == 1
    assert (await ann.call("DELETE", path)).status_code == 204
    await ann.assert_refused(404, "GET", path)


async def test_the_van_has_what_is_heard_and_where(ann: Program) -> None:
    van = await ann.get("/van")
    assert (van["counts"]["total"], van["counts"]["unheard"], van["counts"]["heard"], van["counts"]["foreign"]) == (
        3,
        2,
        1,
        1,
    )
    assert (van["ears"][0]["name"], van["position"]["latitude"]) == ("radio", "39.9")
    unheard = await ann.get("/van/meters")
    assert [(one["meter_id"], one["metres"], one["bearing"]) for one in unheard["meters"]] == [
        ("22", 8530, "E"),
        ("33", None, None),
    ]
    heard = (await ann.get("/van/meters?show=heard&nearest=false"))["meters"]
    assert [(one["meter_id"], one["state"], one["snr_db"]) for one in heard] == [("11", "unconfirmed", "12.5")]
    found = await ann.post("/van/search", {"text": "oak 3"})
    assert [one["place"] for one in found["meters"]] == ["3 Oak St"]
    assert "98765" not in str(found)


async def test_a_meter_is_given_up_and_taken_back(console: Console, ann: Program) -> None:
    meter = {"message": "scm", "meter_id": "22"}
    given_up = await ann.post("/van/unreachable", meter)
    assert (given_up["state"], given_up["given_up_by"]) == ("unreachable", "ann")
    assert (await ann.get("/van"))["counts"]["unreachable"] == 1
    assert (await ann.post("/van/reachable", meter))["state"] == "unheard"
    problem = await ann.assert_refused(404, "POST", "/van/unreachable", {"message": "scm", "meter_id": "98"})
    assert problem["type"].endswith("#meter-not-planned")
    await ann.assert_refused(400, "POST", "/van/unreachable", {"message": "smoke", "meter_id": "22"})
    assert sum('"what":"van meter"' in line for line in console.audit_lines()) == 2


async def test_nonsense_of_every_kind_is_refused_everywhere(console: Console, ann: Program) -> None:
    stop_id = (await ann.get("/routes/R-1/stops"))["stops"][0]["stop_id"]
    before = await ann.get(f"/stops/{stop_id}")
    for one in (one for one in ENDPOINTS if one.body is not None and not one.public):
        path = one.path.format(stop_id=stop_id, route_id="R-1", job_id="j", inspection_id="i")
        for body in HOSTILE:
            answer = await ann.call(one.method, path, body)
            assert answer.status_code in {400, 403, 404}, (one.name, body, answer.text)
    assert await ann.get(f"/stops/{stop_id}") == before
