"""Server-sent events (HTML, 9.2): each is the newest picture of one thing, whatever came in between.

A client that is slow, or was away, misses pictures and nothing else: what it is sent first, and then at each change, is
how things stand. For each of its streams the box holds one picture of each source, and not more.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from agent.console.api.bodies import there
from agent.console.api.endpoint import Endpoint, Malformed, Taken
from agent.console.api.feeds import Picture, job_feed, merged, route_feed, status_feed, van_feed
from agent.console.api.hub import hub_of
from agent.console.errors import problem_in
from agent.console.request import person_of, world_of
from agent.console.stream import Event, events
from agent.routes.errors import NoSuchRoute

ALL = "all"
MOST_NAMED = 50
EVENT_STREAM = "text/event-stream"

_Named = Annotated[str, Meta(min_length=1, max_length=1_500)]
Feed = AsyncGenerator[Picture, None]


class Wanted(Taken, frozen=True):
    """What to send: of `jobs` and `routes` the named ones, with commas between, or `all`; without any, everything."""

    jobs: _Named | None = None
    routes: _Named | None = None
    van: bool = False
    status: bool = False

    @property
    def everything(self) -> bool:
        return self == Wanted()


async def follow(request: Request, query: Wanted) -> Response:
    """Send events as they come, until the session or the console ends, or the client goes.

    `job` has the picture of a job; `route` says that a stop, or (`stop_id` null) a route as a whole, is to be asked for
    anew; `van` has the counts, and the meters that changed; `status` how the box is; `problem` why the stream ends. A
    stream begins with the present picture of each job, route, van and status that is asked for. A comment every 15
    seconds shows that the box is there. Identifications count up as long as the box is not started again; a client need
    not send them back.
    """
    feeds = await _feeds(request, query)
    await world_of(request).access.saw(person_of(request), "events")
    return events(request, _numbered(request, merged(feeds)))


async def _feeds(request: Request, query: Wanted) -> list[Feed]:
    """Return the sources that are asked for. Raises `NoSuchJob`, `NoSuchRoute`; HTTP 404 for what the box has not."""
    world, everything = world_of(request), query.everything
    feeds: list[Feed] = []
    if query.jobs is not None or (everything and world.desk is not None):
        desk, jobs = there(world.desk), _names(query.jobs)
        for job_id in jobs or ():
            desk.job(job_id)
        feeds.append(job_feed(desk, jobs))
    if query.routes is not None or (everything and world.routes is not None):
        book, routes = there(world.routes), _names(query.routes)
        known = frozenset(one.route_id for one in await book.routes())
        if not (routes or known) <= known:
            raise NoSuchRoute("there is no such route")
        feeds.append(route_feed(book, routes))
    if query.van or (everything and world.van is not None):
        feeds.append(van_feed(there(world.van)))
    if query.status or everything:
        feeds.append(status_feed(hub_of(request).statuses))
    return feeds


async def _numbered(request: Request, pictures: Feed) -> AsyncGenerator[Event, None]:
    """Yield pictures as events; at an error, what it is, as the last one."""
    hub = hub_of(request)
    try:
        async for picture in pictures:
            yield Event(picture.data(), picture.name, hub.next_id())
    except Exception as error:  # noqa: BLE001 - what nobody foresaw is logged, and the client is told
        problem = problem_in(request, error)
        yield Event(Picture("problem", problem).data(), "problem", hub.next_id())
    finally:
        await pictures.aclose()


def _names(text: str | None) -> frozenset[str] | None:
    """Return the named ones; None for all of them."""
    if text is None or text == ALL:
        return None
    names = frozenset(filter(None, text.split(",")))
    if not 1 <= len(names) <= MOST_NAMED:
        raise Malformed(f"the query: {len(names)} names; 1 to {MOST_NAMED} are taken at once, or `all`")
    return names


ENDPOINTS = (
    Endpoint(method="GET", path="/events", function=follow, tag="events", background=True, gives=(EVENT_STREAM,)),
)
