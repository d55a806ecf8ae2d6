"""What events are made of: sources of pictures, and several of them as one. Nothing is queued: a source that is not
asked keeps the newest only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from agent.console.api.box import StatusNow
from agent.console.api.endpoint import Given
from agent.console.api.hub import Statuses
from agent.console.api.job_shapes import JobNow, job_now
from agent.console.api.van import MeterNow, VanNow, meters_now, van_now
from agent.console.problem import Problem
from agent.field.desk import FieldDesk
from agent.listening.van import Van
from agent.routes.book import RouteBook
from agent.together import end_all

STATUS_EVERY_S = 5.0
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class RouteChanged(Given, frozen=True):
    """Something is new in a route: at one stop, or anywhere (`stop_id` null)."""

    route_id: str
    stop_id: str | None


class VanChanged(Given, frozen=True):
    """How the van stands, and the meters that changed since the event before, as they are now.

    After another `epoch` than before the list is another one, and to be asked for.
    """

    van: VanNow
    meters: tuple[MeterNow, ...]


#: What each event has in its data.
PICTURES: dict[str, type[msgspec.Struct]] = {
    "job": JobNow,
    "route": RouteChanged,
    "van": VanChanged,
    "status": StatusNow,
    "problem": Problem,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """One event to be: its name, and its data."""

    name: str
    shown: msgspec.Struct

    def data(self) -> str:
        return msgspec.json.encode(self.shown).decode()


async def job_feed(desk: FieldDesk, jobs: Collection[str] | None) -> AsyncGenerator[Picture, None]:
    """Yield the present picture of each job (of those that go on, where none is named), then each that changes."""
    async with aclosing(desk.changes()) as changes:
        for view in reversed(desk.jobs()):
            if view.job_id in jobs if jobs is not None else not view.ended:
                yield Picture("job", job_now(view))
        async for view in changes:
            if jobs is None or view.job_id in jobs:
                yield Picture("job", job_now(view))


async def route_feed(book: RouteBook, routes: Collection[str] | None) -> AsyncGenerator[Picture, None]:
    """Yield each route, then what changes."""
    changes = book.changes()
    for route in await book.routes():
        if routes is None or route.route_id in routes:
            yield Picture("route", RouteChanged(route_id=route.route_id, stop_id=None))
    async for changed in changes:
        if routes is None or changed.route_id in routes:
            yield Picture("route", RouteChanged(route_id=changed.route_id, stop_id=changed.stop_id))


async def van_feed(van: Van) -> AsyncGenerator[Picture, None]:
    """Yield how the van stands, then each time with the meters that changed."""
    async with aclosing(van.watch()) as changes:
        async for change in changes:
            meters = meters_now(change.meters, change.view.position)
            yield Picture("van", VanChanged(van=van_now(change.view), meters=meters))


async def status_feed(statuses: Statuses) -> AsyncGenerator[Picture, None]:
    """Yield the status, then again when anything but the time has changed."""
    told: StatusNow | None = None
    while True:
        status = await statuses.newest(STATUS_EVERY_S)
        if told is None or not _alike(told, status):
            told = status
            yield Picture("status", status)
        await asyncio.sleep(STATUS_EVERY_S)


async def merged(feeds: Sequence[AsyncGenerator[Picture, None]]) -> AsyncGenerator[Picture, None]:
    """Yield from all of them, whichever is first; end with the first that ends, and raise what it raised.

    Of each there is one picture at most that was not taken yet. When this is closed, so are they.
    """
    coming: dict[asyncio.Task[Picture], AsyncGenerator[Picture, None]] = {}
    try:
        for feed in feeds:
            coming[asyncio.create_task(_next(feed))] = feed
        while coming:
            done, _ = await asyncio.wait(coming, return_when=asyncio.FIRST_COMPLETED)
            for task in [one for one in coming if one in done]:
                feed = coming.pop(task)
                try:
                    picture = task.result()
                except StopAsyncIteration:
                    return
                yield picture
                coming[asyncio.create_task(_next(feed))] = feed
    finally:
        await end_all(coming)
        for feed in feeds:
            await feed.aclose()


async def _next(feed: AsyncGenerator[Picture, None]) -> Picture:
    return await anext(feed)


def _alike(one: StatusNow, other: StatusNow) -> bool:
    """Whether two pictures of the box differ in nothing but their times, and in how sure the clock is."""
    return _timeless(one) == _timeless(other)


def _timeless(status: StatusNow) -> StatusNow:
    clock = msgspec.structs.replace(status.clock, at=_NEVER, uncertainty_s=None)
    return msgspec.structs.replace(status, at=_NEVER, clock=clock)
