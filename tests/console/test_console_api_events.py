"""Events by the API: fifty clients at once, however slow, cost the box one picture each; streams end when they must."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.box_status import BoxStatus
from agent.console import stream
from agent.console.api import feeds
from agent.console.api.feeds import Picture
from agent.console.stream import MOST_OF_ONE
from agent.errors import LocalTrouble
from agent.field import job as job_module
from agent.field.desk import FieldDesk
from agent.listening.van import VAN_FILE, Van
from agent.routes.book import RouteBook
from metersim.meter import running_meter
from tests.console.api_kit import Program, api_in, program
from tests.console.console_kit import Console, box_status
from tests.console.listener_kit import Listener, Told, ToldDesk
from tests.field.field_kit import opened_house, probe
from tests.routes.routes_kit import Now, open_book, walked

CLIENTS = 50
STALLED = 10  # of them
SESSIONS = 4  # with at most 16 streams each
METER_NOW = datetime(2026, 3, 20, 15, 44, 30, tzinfo=UTC)


@pytest.fixture
def desk() -> ToldDesk:
    return ToldDesk()


@pytest.fixture
async def book(tmp_path: Path) -> AsyncIterator[RouteBook]:
    async with open_book(tmp_path, Now()) as opened:
        await walked(opened)
        yield opened


@pytest.fixture
async def console(tmp_path: Path, desk: ToldDesk, book: RouteBook) -> AsyncIterator[Console]:
    async with api_in(tmp_path, desk=desk, routes=book, van=Van(tmp_path / VAN_FILE)) as made:
        yield made


@pytest.fixture
async def ann(console: Console) -> Program:
    return await program(console)


async def opened(console: Console, count: int, query: str = "") -> list[Listener]:
    """Connect so many clients, of several sessions."""
    tokens = [(await program(console)).token for _ in range(SESSIONS)]
    clients = [Listener(console.app, tokens[number % SESSIONS], query, checks=not number) for number in range(count)]
    assert {await client.open() for client in clients} == {200}
    return clients


async def closed(clients: list[Listener]) -> None:
    await asyncio.gather(*(client.close() for client in clients))


def held() -> int:
    """Return how many pictures are in the memory."""
    return sum(isinstance(one, Picture) for one in gc.get_objects())


def ended(told: Told) -> bool:
    return told.name == "job" and bool(told.data["ended"])


async def test_fifty_clients_follow_a_read_and_the_slow_ones_hold_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_module, "TOLD_EVERY_S", 0.0)
    async with opened_house(tmp_path) as house, running_meter("residential-tou", now=METER_NOW, rate=0) as meter:
        desk = FieldDesk(house.keeper)
        async with api_in(tmp_path, desk=desk) as console:
            clients = await opened(console, CLIENTS, "jobs=all")
            slow, fast = clients[:STALLED], clients[STALLED:]
            job = await desk.start(probe(meter.address), by="ann")
            seen = await asyncio.gather(*(client.until(ended) for client in fast))
            late = await asyncio.gather(*(client.until(ended) for client in slow))
            await closed(clients)
        await desk.close()
    assert {one[-1].data["reading_id"] for one in (*seen, *late)} == {desk.job(job.job_id).reading_id}
    assert max(map(len, seen)) > 5
    assert max(map(len, late)) <= 4  # one on the line, one made, one that was coming, the last
    for one in (*seen, *late):
        versions = [told.data["version"] for told in one]
        assert versions == sorted(set(versions))
        ids = [int(told.id.partition("-")[2]) for told in one]
        assert ids == sorted(set(ids))


async def test_what_fifty_clients_that_do_not_read_are_owed_does_not_grow(console: Console, desk: ToldDesk) -> None:
    desk.tell("j-1")
    tasks = len(asyncio.all_tasks())
    clients = await opened(console, CLIENTS)
    for count in range(500):
        desk.octets("j-1", count)
        await asyncio.sleep(0)
    started, many = held(), len(asyncio.all_tasks())
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for count in range(5_000):
        desk.octets("j-1", count)
        await asyncio.sleep(0)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert max(started, held()) <= CLIENTS * 5
    assert len(asyncio.all_tasks()) <= many <= tasks + CLIENTS * 10
    assert grown < 100_000
    desk.end("j-1")
    last = await asyncio.gather(*(client.until(ended) for client in clients))
    assert max(sum(told.name == "job" for told in one) for one in last) <= 4
    await closed(clients)
    assert (desk.watching, held(), len(asyncio.all_tasks())) == (0, 0, tasks)
    assert console.app.state.streams._open.total() == 0


async def test_a_stream_begins_with_how_things_stand(
    console: Console, desk: ToldDesk, book: RouteBook, ann: Program
) -> None:
    desk.tell("old")
    desk.end("old")
    desk.tell("j-1")
    client = Listener(console.app, ann.token)
    assert await client.open() == 200
    assert client.head[b"content-type"].startswith(b"text/event-stream")
    assert client.head[b"cache-control"] == b"no-store"
    names: dict[str, Any] = {}
    while len(names) < 4:
        told = await client.next()
        assert told is not None
        names[told.name] = told.data
    assert names["job"]["job_id"] == "j-1"
    assert names["route"] == {"route_id": "R-1", "stop_id": None}
    assert (names["van"]["van"]["counts"]["total"], names["status"]["agent_id"]) == (0, "gw-7")
    stop = (await book.route("R-1")).stops[1]
    await book.claim(stop.stop_id, "bob", stop.version)
    changed = (await client.until(lambda told: told.name == "route"))[-1]
    assert changed.data == {"route_id": "R-1", "stop_id": stop.stop_id}
    await client.close()


async def test_only_what_is_asked_for_comes(console: Console, desk: ToldDesk, ann: Program) -> None:
    for job_id in ("j-1", "j-2", "j-3"):
        desk.tell(job_id)
    desk.end("j-2")
    client = Listener(console.app, ann.token, "jobs=j-1,j-2")
    await client.open()
    first = [await client.next(), await client.next()]
    assert {told.data["job_id"] for told in first if told} == {"j-1", "j-2"}
    desk.octets("j-3", 1)
    desk.end("j-1")
    told = await client.next()
    assert told is not None
    assert (told.data["job_id"], told.data["state"]) == ("j-1", "done")
    await client.close()
    for query, status in (("jobs=nothing", 404), ("routes=R-9", 404), ("routes=R-1", 200), ("jobs=,", 400)):
        client = Listener(console.app, ann.token, query)
        assert await client.open() == status
        await client.close()
    too_many = Listener(console.app, ann.token, "jobs=" + ",".join(map(str, range(60))))
    assert await too_many.open() == 400
    await too_many.close()


async def test_a_session_has_so_many_streams_and_no_more(console: Console, ann: Program) -> None:
    clients = [Listener(console.app, ann.token, "jobs=all") for _ in range(MOST_OF_ONE)]
    assert {await client.open() for client in clients} == {200}
    for client in clients:
        assert await client.messages.get()
    problem = await ann.call("GET", "/events")
    assert (problem.status_code, problem.headers["retry-after"]) == (429, "5")
    assert (await ann.call("HEAD", "/events")).status_code == 405
    await closed(clients)
    again = Listener(console.app, ann.token, "jobs=all")
    assert await again.open() == 200
    await again.close()


async def test_many_at_the_same_moment_do_not_slip_past_the_limit(console: Console, ann: Program) -> None:
    clients = [Listener(console.app, ann.token, "jobs=all") for _ in range(MOST_OF_ONE * 2)]
    await asyncio.gather(*(client.open() for client in clients))
    first = await asyncio.gather(*(client.messages.get() for client in clients))
    assert sum(bool(message.get("more_body")) for message in first) == MOST_OF_ONE
    await closed(clients)


@pytest.mark.parametrize("how", ["logout", "expiry", "removal", "closing"])
async def test_a_stream_ends_with_its_session_and_nothing_slips_out_after(
    console: Console, desk: ToldDesk, ann: Program, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    desk.tell("j-1")
    client = Listener(console.app, ann.token, "jobs=all")
    await client.open()
    assert await client.next() is not None
    if how == "logout":
        await ann.post("/logout")
    elif how == "expiry":
        console.clock.pass_s(1_801)
    elif how == "removal":
        console.accounts.remove("ann")
    else:
        console.app.state.streams.closing.set()
    desk.octets("j-1", 1)
    assert await client.rest() == []
    await client.close()
    assert desk.watching == 0


async def test_a_quiet_stream_shows_that_the_box_is_there_and_is_no_sign_of_a_person(
    console: Console, ann: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stream.ALIVE_EVERY_S == 15.0
    monkeypatch.setattr(stream, "ALIVE_EVERY_S", 0.001)
    client = Listener(console.app, ann.token, "jobs=all")
    await client.open()
    assert (await client.messages.get())["body"] == b"retry: 2000\n\n"
    assert (await client.messages.get())["body"].startswith(b": ")
    console.clock.pass_s(1_801)
    assert await client.rest() == []
    await client.close()


@pytest.mark.parametrize("error", [LocalTrouble("the disk is gone", advice="look"), ValueError("12 Mill Street")])
async def test_what_breaks_a_source_is_told_and_ends_the_stream(
    console: Console, desk: ToldDesk, ann: Program, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    client = Listener(console.app, ann.token, "jobs=all&routes=all")
    await client.open()
    assert await client.next() is not None
    desk.error = error
    desk.tell("j-1")
    told = await client.rest()
    assert told[-1].name == "problem"
    assert told[-1].data["status"] == (503 if isinstance(error, LocalTrouble) else 500)
    assert "Mill" not in str(told) + caplog.text
    await client.close()
    assert desk.watching == 0


async def test_the_box_is_looked_at_once_for_all_and_told_when_something_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    well = True

    async def look() -> BoxStatus:
        nonlocal looks
        looks += 1
        return box_status() if well else box_status(keys_trouble="the key is gone")

    async with api_in(tmp_path, status=look) as console:
        clients = await opened(console, CLIENTS, "status=true")
        first = await asyncio.gather(*(client.next() for client in clients))
        assert (looks, {told.name for told in first if told}) == (1, {"status"})
        await closed(clients)
        monkeypatch.setattr(feeds, "STATUS_EVERY_S", 0.001)
        ann = await program(console)
        client = Listener(console.app, ann.token, "status=true")
        await client.open()
        assert await client.next() is not None
        well = False
        told = await client.next()
        assert told is not None
        assert told.data["keys_trouble"] == "the key is gone"
        await client.close()
