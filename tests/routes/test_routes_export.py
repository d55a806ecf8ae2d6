"""What became of a route, as a document and as a table."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from agent.routes.book import RouteBook
from agent.routes.export import RouteResult
from agent.routes.order import Position
from tests.routes.routes_kit import Now, octets, open_book, route, stop, walked


async def lived(book: RouteBook) -> None:
    """Let two persons walk a route."""
    site = {"service_delivery_point_id": "SDP-1", "account_id": "A-1"}
    view = await book.load(
        octets(route(0, orders=[stop(1, order={"site": site}), stop(2), stop(3)])), "json", "dispatch"
    )
    one, two, _ = (each.stop_id for each in view.stops)
    where = Position(latitude=Decimal("-37.774900"), longitude=Decimal("-122.4"))
    await book.trouble(one, "ann", 1, ("no_access",), remark="nobody in", photos=("p-1",))
    await book.settle(one, "bob", "r-1", "interrogated", ("tou_sum", "spike"), position=where)
    await book.accept(one, "ann", "known")
    await book.trouble(two, "ann", 1, ("seal_broken", "locked"), remark="gate\nshut")
    await book.note(two, "bob", "came back")
    extra = await book.out_of_route("R-1", "777", "ann")
    await book.settle(extra.stop_id, "ann", "r-2", "keyed")


async def test_the_document_tells_what_became_of_each_stop_and_how(tmp_path: Path) -> None:
    async with open_book(tmp_path) as book:
        await lived(book)
        content = await book.export("R-1", "json")
    tree = json.loads(content)
    assert msgspec.json.encode(msgspec.json.decode(content, type=RouteResult)) == content
    head = {
        key: tree[key]
        for key in ("schema", "route_id", "day", "deadline", "loaded_by", "total", "read", "unread", "left")
    }
    assert head == {
        "schema": "mrsp.route-result/1", "route_id": "R-1", "day": "2026-03-02", "deadline": "2026-03-03T01:00:00Z",
        "loaded_by": "dispatch", "total": 3, "read": 1, "unread": 1, "left": 1,
    }  # fmt: skip
    one, two, three, extra = tree["stops"]
    history = [(act["by"], act["what"]) for act in one.pop("history")]
    assert history == [("ann", "could not read it"), ("bob", "read it"), ("ann", "accepted it")]
    assert one == {
        "sequence": 1, "state": "read", "method": "probe", "order_id": "WO-1", "expected_meter_id": "10010001",
        "service_delivery_point_id": "SDP-1", "account_id": "A-1", "method_used": "interrogated", "by": "bob",
        "at": "2026-03-02T17:00:00Z", "reading_id": "r-1", "checks_failed": ["tou_sum", "spike"],
        "accepted_reason": "known", "accepted_by": "ann", "photos": ["p-1"],
        "position": {"latitude": "-37.774900", "longitude": "-122.4"},
    }  # fmt: skip
    assert two["codes"] == [
        {"code": "seal_broken", "text": "A seal is broken"},
        {"code": "locked", "text": "The place is locked", "non_reading": True},
    ]
    assert two["history"][1]["changed"]["notes"][0]["text"] == "came back"
    assert three == {
        "sequence": 3,
        "state": "pending",
        "method": "probe",
        "order_id": "WO-3",
        "expected_meter_id": "10010003",
    }
    assert (extra["out_of_route"], extra["nameplate_id"], extra["history"][0]["what"]) == (
        True, "777", "added it to the route",
    )  # fmt: skip


async def test_the_table_has_a_line_a_stop(tmp_path: Path) -> None:
    async with open_book(tmp_path) as book:
        await lived(book)
        content = await book.export("R-1", "csv")
    assert content.count(b"\r\n") == 5
    one, two, three, extra = csv.DictReader(io.StringIO(content.decode(), newline=""))
    assert (one["latitude"], one["longitude"]) == ("-37.7749", "-122.4")  # numbers, and no formulas
    assert (one["state"], one["checks_failed"], one["accepted_by"]) == ("read", "tou_sum spike", "ann")
    assert (two["codes"], two["remark"]) == ("seal_broken locked", "gate\nshut")
    assert two["notes"] == "bob, 2026-03-02T17:00:00Z: came back"
    assert (three["state"], three["at"], three["reading_id"]) == ("pending", "", "")
    assert (extra["out_of_route"], extra["sequence"], extra["nameplate_id"]) == ("yes", "4", "777")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-x", "@SUM(A1)", '=HYPERLINK("http://x","y")', "＝1", "＠x"])
async def test_no_cell_is_a_formula(tmp_path: Path, text: str) -> None:
    async with open_book(tmp_path, Now()) as book:
        order = {"order_id": text, "expected_meter_id": text, "site": {"account_id": text}}
        view = await book.load(octets(route(0, orders=[stop(1, order=order)])), "json", "dispatch")
        here = view.stops[0].stop_id
        await book.trouble(here, text, 1, ("seal_broken",), remark=text, photos=(text,))
        await book.settle(here, text, text, "keyed", (text,))
        await book.accept(here, text, text)
        await book.note(here, text, text)
        table = (await book.export("R-1", "csv")).decode()
        exact = json.loads(await book.export("R-1", "json"))["stops"][0]
    (row,) = csv.DictReader(io.StringIO(table, newline=""))
    texts = [cell for cell in row.values() if text in cell]
    assert len(texts) == 11
    assert all(cell.startswith("'") for cell in texts)
    assert (exact["remark"], exact["order_id"], exact["by"]) == (text, text, text)


async def test_a_large_route_is_exported(tmp_path: Path) -> None:
    async with open_book(tmp_path) as book:
        await walked(book, 500)
        assert len(json.loads(await book.export("R-1", "json"))["stops"]) == 500
