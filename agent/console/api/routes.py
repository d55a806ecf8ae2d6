"""Routes: which there are, how far each is, its stops, and what became of it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from agent.console.api.bodies import octets_of
from agent.console.api.endpoint import JSON, Endpoint, Given, Taken
from agent.console.api.shapes import (
    RouteNow,
    RouteRow,
    StopNow,
    StopPage,
    StopRow,
    route_now,
    rows_of,
    shaped,
    stop_now,
)
from agent.console.at_stop import at_stop, book_of
from agent.console.request import person_of, world_of
from agent.console.walk import MOST_HITS, Show, Walk
from agent.routes.book import MOST_ROUTE_OCTETS
from agent.routes.export import RouteResult

CSV = "text/csv"
MOST_STOPS = 500  # at once

Offset = Annotated[int, Meta(ge=0, le=1_000_000)]
Limit = Annotated[int, Meta(ge=1, le=MOST_STOPS)]


class Routes(Given, frozen=True):
    """All routes, the newest day first."""

    routes: tuple[RouteRow, ...]


class Direction(Taken, frozen=True):
    """Which way round the route is walked."""

    backwards: bool = False


class StopsAsked(Direction, frozen=True):
    """Which list of stops, and which part of it."""

    show: Show = "open"
    offset: Offset = 0
    limit: Limit = 100


class Sought(Taken, frozen=True):
    """Words that a stop has in its address, its hint or one of its identifications: each of them, whatever the case."""

    text: Annotated[str, Meta(min_length=1, max_length=200)]


class StopsFound(Given, frozen=True):
    """The first stops that were found; `more`: how many others there are."""

    stops: tuple[StopRow, ...]
    more: int


class OutOfRoute(Taken, frozen=True):
    """The number on the nameplate of a meter that is not in the route."""

    meter_id: Annotated[str, Meta(min_length=1, max_length=200)]


class Form(Taken, frozen=True):
    """In which form: `json` is exact, `csv` is for people."""

    form: Literal["json", "csv"] = "json"


async def list_routes(request: Request) -> Routes:
    """Return all routes, the newest day first."""
    return Routes(routes=tuple(shaped(RouteRow, one) for one in await book_of(request).routes()))


async def load_route(request: Request) -> RouteNow:
    """Take a route: `mrsp.route/1` as JSON, or CSV.

    It is taken as a whole or not at all; the problem names line, column or field of the first mistake. The same again
    changes nothing.
    """
    content = await octets_of(request, MOST_ROUTE_OCTETS)
    kind: Literal["json", "csv"] = "csv" if request.headers["content-type"].lower().startswith(CSV) else "json"
    person = person_of(request)
    view = await book_of(request).load(content, kind, person.name)
    await world_of(request).access.did(person, "loaded", "route", view.summary.route_id)
    return route_now(Walk(view, person.name))


async def show_route(request: Request, route_id: str, query: Direction) -> RouteNow:
    """Return one route: how far it is, its codes, and the stop to go to next."""
    return route_now(await _walk(request, route_id, backwards=query.backwards))


async def list_stops(request: Request, route_id: str, query: StopsAsked) -> StopPage:
    """Return a part of a list of stops, in walking order; meters out of the route come last."""
    walk = await _walk(request, route_id, backwards=query.backwards)
    listed = walk.listed(query.show)
    shown = listed[query.offset : query.offset + query.limit]
    return StopPage(total=len(listed), offset=query.offset, stops=rows_of(walk, shown))


async def search_stops(request: Request, route_id: str, body: Sought) -> StopsFound:
    """Return the stops that have each word of a text.

    What is sought is a customer's: it is sent in the body, and is part of no URL.
    """
    walk = await _walk(request, route_id)
    found = walk.view.search(body.text)
    return StopsFound(stops=rows_of(walk, found[:MOST_HITS]), more=max(0, len(found) - MOST_HITS))


async def add_stop(request: Request, route_id: str, body: OutOfRoute) -> StopNow:
    """Add a meter that is not in the route at its end; return the stop that has this meter, if there is one."""
    person = person_of(request)
    stop = await book_of(request).out_of_route(route_id, body.meter_id, person.name)
    await world_of(request).access.did(person, "added out of the route", "stop", stop.stop_id)
    return stop_now(await at_stop(request, stop.stop_id))


async def export_route(request: Request, route_id: str, query: Form) -> Response:
    """Return what became of a route: every stop, what was done there, by whom and when."""
    content = await book_of(request).export(route_id, query.form)
    await world_of(request).access.did(person_of(request), "took", "route export", route_id)
    headers = {"Content-Disposition": f'attachment; filename="{route_id}.{query.form}"'}
    return Response(content, media_type=JSON if query.form == "json" else CSV, headers=headers)


async def _walk(request: Request, route_id: str, *, backwards: bool = False) -> Walk:
    """Return a route as this person walks it, and set down that it was shown."""
    view = await book_of(request).route(route_id)
    await world_of(request).access.saw(person_of(request), "route", route_id)
    return Walk(view, person_of(request).name, backwards)


ENDPOINTS = (
    Endpoint(method="GET", path="/routes", function=list_routes, tag="routes"),
    Endpoint(
        method="POST",
        path="/routes",
        function=load_route,
        tag="routes",
        role="operator",  # an order may name lines and passwords
        takes=(JSON, CSV),
        status=201,
        location="/routes/{0.route_id}",
    ),
    Endpoint(method="GET", path="/routes/{route_id}", function=show_route, tag="routes"),
    Endpoint(method="GET", path="/routes/{route_id}/stops", function=list_stops, tag="routes"),
    Endpoint(
        method="POST",
        path="/routes/{route_id}/stops",
        function=add_stop,
        tag="routes",
        status=201,
        location="/stops/{0.stop_id}",
    ),
    Endpoint(method="POST", path="/routes/{route_id}/search", function=search_stops, tag="routes"),
    Endpoint(
        method="GET",
        path="/routes/{route_id}/export",
        function=export_route,
        tag="routes",
        role="operator",
        gives=(RouteResult, CSV),
    ),
)
