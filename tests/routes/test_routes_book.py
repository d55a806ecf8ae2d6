"""The book of routes: what is loaded, what two persons make of it, what another process sees, and its limits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from agent.errors import LocalTrouble, UsageError
from agent.routes import store as stores
from agent.routes import watching
from agent.routes.book import ROUTES_FILE, Changed, Conflict, NoSuchRoute, RouteBook
from agent.routes.order import Position
from agent.routes.store import MOST_DRAFT_OCTETS, RouteStore
from agent.state_database import StateDamaged
from tests.routes.routes_kit import NOW, Now, octets, open_book, route, stop, walked


async def test_what_was_done_is_there_after_a_restart(tmp_path: Path) -> None:
    async with open_book(tmp_path) as book:
        view = await walked(book)
        first, second, third = view.stops
        where = Position(latitude=Decimal("37.774900"), longitude=Decimal("-122.4"), accuracy_m=Decimal(4))
        await book.claim(first.stop_id, "ann", 1)
        await book.settle(first.stop_id, "ann", "r-1", "interrogated", ("tou_sum",), position=where)
        await book.accept(first.stop_id, "ann", "known to the office", reading_id="r-1")
        await book.trouble(second.stop_id, "bob", 1, ("locked",), remark="gate\nshut", photos=("p1",), position=where)
        await book.note(third.stop_id, "bob", "ask for the key", photos=("p2",))
        await book.skip(third.stop_id, "bob", 1, "later")
        before = await book.route("R-1")
    async with open_book(tmp_path) as book:
        assert await book.route("R-1") == before
        one, two, three = before.stops
        assert (one.state, one.method_used, one.by, one.at, one.position) == ("read", "interrogated", "ann", NOW, where)
        assert (one.accepted_reason, one.accepted_by, one.to_decide) == ("known to the office", "ann", False)
        assert (two.state, two.codes, two.remark, two.photos) == ("unread", ("locked",), "gate\nshut", ("p1",))
        assert (three.state, three.remark, three.photos, three.notes[0].text) == (
            "skipped", "later", ("p2",), "ask for the key",
        )  # fmt: skip
        assert await book.stop(two.stop_id) == two


async def test_ids_of_stops_say_nothing(tmp_path: Path) -> None:
    async with open_book(tmp_path) as book:
        view = await walked(book, 50)
    ids = {one.stop_id for one in view.stops}
    assert len(ids) == 50
    assert all(len(one) == 22 and one.replace("-", "").replace("_", "").isalnum() for one in ids)


async def test_two_persons_on_one_stop(tmp_path: Path) -> None:
    async with open_book(tmp_path) as book:
        here = (await walked(book)).stops[0]
        claims = await asyncio.gather(
            book.claim(here.stop_id, "ann", 1), book.claim(here.stop_id, "bob", 1), return_exceptions=True
        )
        assert not isinstance(claims[0], BaseException)
        assert isinstance(claims[1], Conflict)
        assert str(claims[1]) == "stop 1 of R-1: ann is there, until 09:30 at the latest (look at it again)"
        assert (claims[1].stop.state, claims[1].stop.by, claims[1].stop.version) == ("claimed", "ann", 2)
        read = await book.settle(here.stop_id, "bob", "r-1", "keyed")
        assert (read.state, read.by, read.claimed_by) == ("read", "bob", "ann")
        with pytest.raises(Conflict, match="stop 1 of R-1: bob read it at 09:00:00"):
            await book.trouble(here.stop_id, "ann", 2, ("locked",))
        assert (await book.stop(here.stop_id)).codes == ()


async def test_the_same_again_changes_nothing_a_correction_replaces_what_was_not_begun(tmp_path: Path) -> None:
    now = Now()
    async with open_book(tmp_path, now) as book:
        first = await walked(book)
        now.after(hours=1)
        again = await walked(book)
        assert again.stops == first.stops
        assert again.summary.loaded_at == NOW
        other = await walked(book, 4, name="Corrected")
        assert (other.summary.name, len(other.stops), other.summary.loaded_at) == ("Corrected", 4, now())
        with pytest.raises(NoSuchRoute, match="no such stop"):
            await book.stop(first.stops[0].stop_id)
        await book.note(other.stops[0].stop_id, "ann", "begun")
        with pytest.raises(UsageError, match="there already, with other stops, and 1 of its 4 stops have been begun"):
            await walked(book, 5)
        await walked(book, 5, route_id="R-2", day="2026-03-03")
        assert [(one.route_id, one.progress.total) for one in await book.routes()] == [("R-2", 5), ("R-1", 4)]


async def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    async with open_book(tmp_path) as book:
        calls: list[Awaitable[object]] = [
            book.route("R-9"),
            book.export("R-9", "csv"),
            book.out_of_route("R-9", "1", "ann"),
            book.stop("x"),
            book.claim("x", "ann", 1),
            book.draft("x", "ann"),
            book.save_draft("x", "a", b""),
        ]
        for call in calls:
            with pytest.raises(NoSuchRoute, match=r"there is no (route 'R-9'|such stop)"):
                await call
        assert await book.routes() == ()


async def test_a_meter_that_is_out_of_the_route(tmp_path: Path) -> None:
    async with open_book(tmp_path) as book:
        await walked(book, orders=[stop(1, order={"rule_set": "cpuc-d97-12-048", "nameplate_id": "ab-7"}), stop(2)])
        added = await book.out_of_route("R-1", "00777", "ann")
        assert (added.sequence, added.out_of_route, added.state) == (3, True, "pending")
        order = added.ordered.order
        assert (order.url, order.nameplate_id, order.order_id, order.rule_set) == (
            "probe:", "00777", None, "cpuc-d97-12-048",
        )  # fmt: skip
        assert await book.out_of_route("R-1", " 777\n", "bob") == added
        assert (await book.out_of_route("R-1", "AB-7", "ann")).sequence == 1
        assert not (await book.out_of_route("R-1", "10010002", "ann")).out_of_route
        for wrong in ("", " ", "7\x00", "x" * 201):
            with pytest.raises(UsageError, match="the meter's number"):
                await book.out_of_route("R-1", wrong, "ann")
        with pytest.raises(UsageError, match="have been begun"):
            await walked(book, 1)


async def test_drafts_are_kept_for_each_person_until_they_settle_the_stop(tmp_path: Path) -> None:
    async with open_book(tmp_path) as book:
        here = (await walked(book)).stops[0].stop_id
        await book.save_draft(here, "ann", b"0123")
        await book.save_draft(here, "ann", b"01234")
        await book.save_draft(here, "bob", b"9\0")
    async with open_book(tmp_path) as book:
        assert (await book.draft(here, "ann"), await book.draft(here, "bob")) == (b"01234", b"9\0")
        await book.note(here, "ann", "still there")
        await book.settle(here, "ann", "r-1", "keyed")
        assert (await book.draft(here, "ann"), await book.draft(here, "bob")) == (None, b"9\0")
        await book.save_draft(here, "ann", b"again")
        await book.settle(here, "ann", "r-1", "keyed")  # told again: no new reading
        assert await book.draft(here, "ann") == b"again"
        await book.save_draft(here, "ann", b"")
        assert await book.draft(here, "ann") is None
        with pytest.raises(UsageError, match="a draft of 65,537 octets"):
            await book.save_draft(here, "ann", bytes(MOST_DRAFT_OCTETS + 1))
        for number in range(12):
            await book.save_draft(here, f"p{number}", b"x")
        kept = [number for number in range(12) if await book.draft(here, f"p{number}")]
        assert kept == list(range(4, 12))


async def test_room_is_made_by_old_routes_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "MOST_STOPS", 10)
    monkeypatch.setattr(stores, "MOST_ROUTES", 4)
    monkeypatch.setattr(stores, "MOST_OUT_OF_ROUTE", 1)
    async with open_book(tmp_path) as book:
        for number in range(1, 4):
            await walked(book, 3, route_id=f"R-{number}", day=f"2026-0{number}-01")
        with pytest.raises(UsageError, match="9 stops of 3 routes are kept, and there is no room for 50 more"):
            await walked(book, 50, route_id="R-4", day="2026-04-01")
        assert len(await book.routes()) == 3
        await walked(book, 3, route_id="R-4", day="2026-04-03")
        assert [one.route_id for one in await book.routes()] == ["R-4", "R-3", "R-2"]
        with pytest.raises(UsageError, match="no room for 4 more"):
            await walked(book, 4, route_id="R-0", day="2026-02-15")
        await walked(book, 1, route_id="R-5", day="2026-02-15")
        with pytest.raises(UsageError, match="10 stops of 4 routes"):
            await walked(book, 1, route_id="R-6", day="2026-02-15")
        await book.out_of_route("R-5", "1", "ann")
        with pytest.raises(UsageError, match="has 1 meters out of the route already"):
            await book.out_of_route("R-5", "2", "ann")


async def test_watchers_are_told_and_a_slow_one_is_told_once(tmp_path: Path) -> None:
    async with open_book(tmp_path) as book:
        watch = book.changes()
        view = await walked(book, watching.MOST_PENDING + 6)
        assert await anext(watch) == Changed("R-1")
        first = view.stops[0]
        claimed = await book.claim(first.stop_id, "ann", 1)
        await book.note(first.stop_id, "ann", "x")
        await book.release(first.stop_id, "ann", claimed.version)
        await book.release(first.stop_id, "ann", claimed.version + 1)  # nothing to release
        await book.out_of_route("R-1", "10010001", "ann")  # in the route
        assert await anext(watch) == Changed("R-1", first.stop_id)
        for one in view.stops:
            await book.skip(one.stop_id, "ann", (await book.stop(one.stop_id)).version)
        other = (await walked(book, 1, route_id="R-2")).stops[0]
        await book.skip(other.stop_id, "ann", 1)
        assert [await anext(watch), await anext(watch)] == [Changed("R-1"), Changed("R-2")]
        waiting = asyncio.create_task(anext(watch, None))
        await asyncio.wait([waiting], timeout=0)
        again = asyncio.create_task(anext(watch, None))
        await book.note(first.stop_id, "ann", "y")
        done, left = await asyncio.wait([waiting, again], return_when=asyncio.FIRST_COMPLETED)
        assert [one.result() for one in done] == [Changed("R-1", first.stop_id)]
    assert [await one for one in left] == [None]
    assert [one async for one in book.changes()] == []


async def test_a_watch_that_nobody_holds_is_gone(tmp_path: Path) -> None:
    async with open_book(tmp_path) as book:
        for _ in range(100):
            book.changes()
        kept = book.changes()
        assert len(book._watchers._watches) == 1
        await walked(book)
        assert await anext(kept) == Changed("R-1")


async def test_what_another_process_loads_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.routes.book.LOOK_EVERY_S", 0.01)
    async with open_book(tmp_path) as book, open_book(tmp_path) as other:
        watches = [book.changes(), book.changes()]
        nexts = asyncio.gather(*map(anext, watches))
        await walked(other)
        assert await nexts == [Changed("R-1"), Changed("R-1")]
        assert [one.route_id for one in await book.routes()] == ["R-1"]


async def test_who_is_cancelled_has_done_what_they_began_and_others_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_book(tmp_path) as book:
        here = (await walked(book)).stops[0].stop_id
        watch, change, begun, cancelled = book.changes(), book.store.change, Event(), Event()

        def held(*arguments: Any, **more: Any) -> Any:
            begun.set()
            cancelled.wait()
            return change(*arguments, **more)

        monkeypatch.setattr(book.store, "change", held)
        reading = asyncio.create_task(book.settle(here, "ann", "r-1", "keyed"))
        await asyncio.to_thread(begun.wait)
        reading.cancel()
        cancelled.set()
        assert await anext(watch) == Changed("R-1", here)
        assert (await book.stop(here)).reading_id == "r-1"
        assert reading.cancelled()


async def test_a_damaged_file_is_put_aside_and_the_service_goes_on(tmp_path: Path) -> None:
    path = tmp_path / ROUTES_FILE
    path.write_bytes(b"no database" * 1_000)
    path.chmod(0o600)
    with pytest.raises(StateDamaged, match="the routes in"):
        RouteStore(path, create=False)
    async with open_book(tmp_path) as book:
        assert await book.routes() == ()
    assert (tmp_path / f"{ROUTES_FILE}.damaged").exists()


async def test_a_full_disk_is_said_and_nothing_is_half_done(tmp_path: Path) -> None:
    async with open_book(tmp_path) as book:
        here = (await walked(book)).stops[0]
        await book.call(book.store._database._db.execute, "PRAGMA query_only = ON")
        with pytest.raises(LocalTrouble, match="cannot write the routes in"):
            await book.settle(here.stop_id, "ann", "r-1", "keyed")
        await book.call(book.store._database._db.execute, "PRAGMA query_only = OFF")
        assert await book.stop(here.stop_id) == here


async def test_a_person_has_a_name(tmp_path: Path) -> None:
    async with open_book(tmp_path) as book:
        here = (await walked(book)).stops[0].stop_id
        for wrong in ("", "ann\n", "\u202enna", "x" * 201):
            with pytest.raises(UsageError, match="the person"):
                await book.settle(here, wrong, "r-1", "keyed")
            with pytest.raises(UsageError, match="the person"):
                await book.load(octets(route()), "json", wrong)
        assert (await book.stop(here)).state == "pending"


async def test_a_claim_expires_by_itself(tmp_path: Path) -> None:
    now = Now()
    async with open_book(tmp_path, now) as book:
        here = (await walked(book)).stops[0].stop_id
        claimed = await book.claim(here, "ann", 1)
        assert (claimed.state, claimed.claimed_until) == ("claimed", NOW + timedelta(minutes=30))
        now.after(minutes=30)
        assert ((await book.stop(here)).state, (await book.stop(here)).claimed_by) == ("pending", None)
        assert (await book.claim(here, "bob", claimed.version)).claimed_by == "bob"


async def test_opening_that_fails_leaves_no_thread(tmp_path: Path) -> None:
    (tmp_path / "routes.sqlite").mkdir()
    with pytest.raises(LocalTrouble):
        await RouteBook.open(tmp_path / ROUTES_FILE)
    assert not (tmp_path / "routes.sqlite-wal").exists()
