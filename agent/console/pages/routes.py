"""The route of the day: which one, how far it is, where to go next, and how to find a stop in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent.console.at_stop import book_of
from agent.console.choices import choices_of, remember
from agent.console.page import Page
from agent.console.request import by_htmx, field, form_of, go_to, person_of, show, texts_of, world_of
from agent.console.walk import MOST_HITS, SHOWS, Show, Walk, sheet
from agent.errors import UsageError
from agent.routes.book import FileKind
from agent.routes.errors import NoSuchRoute
from agent.routes.loading import MOST_OCTETS

LONGEST_NUMBER = 9  # digits


async def start(request: Request) -> Response:
    """Show the route that this person walks; where they have chosen none, all routes."""
    chosen, book = choices_of(request).route_id, world_of(request).routes
    if book is not None and chosen in {one.route_id for one in await book.routes()}:
        return await _shown(request, chosen)
    return await all_routes(request)


async def all_routes(request: Request) -> Response:
    """Show the routes to choose from, and where one is loaded."""
    return await _all(request)


async def load(request: Request) -> Response:
    """Take a route from a file, and show it."""
    file = form_of(request).get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        return await _all(request, said=texts_of(request)("route.no_file"), status=422)
    content = await file.read(MOST_OCTETS + 1)
    kind: FileKind = "json" if content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in {b"{", b"["} else "csv"
    person = person_of(request)
    try:
        view = await book_of(request).load(content, kind, person.name)
    except UsageError as error:
        return await _all(request, said=error.message, advice=error.advice, status=422)
    await world_of(request).access.did(person, "loaded", "route", view.summary.route_id)
    return go_to(request, f"/routes/{view.summary.route_id}")


async def route(request: Request) -> Response:
    """Show one route; it is the one that this person walks from now on."""
    route_id = request.path_params["route_id"]
    response = await _shown(request, route_id)
    return remember(request, response, replace(choices_of(request), route_id=route_id))


async def now(request: Request) -> Response:
    """Show how the route stands now, to a page that shows it already."""
    walk = await walk_of(request, request.path_params["route_id"])
    return show(request, "parts/route_again.html", _standing(request, walk))


async def search(request: Request) -> Response:
    """Show the stops that have the words of the form in them: they are a customer's, and never part of a URL."""
    text = field(request, "text")
    walk = await walk_of(request, request.path_params["route_id"])
    found = walk.view.search(text)
    context = {"sought": text, "hits": walk.rows(found[:MOST_HITS]), "more": max(0, len(found) - MOST_HITS)}
    if by_htmx(request):
        return show(request, "parts/route_hits.html", {"walk": walk, **context})
    return show(request, "route.html", {**_standing(request, walk), **context})


async def turn(request: Request) -> Response:
    """Walk the route the other way round."""
    route_id = request.path_params["route_id"]
    choices = choices_of(request)
    response = go_to(request, f"/routes/{route_id}")
    return remember(request, response, replace(choices, route_id=route_id, backwards=not choices.backwards))


async def add(request: Request) -> Response:
    """Go to a meter that is not in the route."""
    route_id = request.path_params["route_id"]
    person = person_of(request)
    meter = field(request, "meter")
    try:
        stop = await book_of(request).out_of_route(route_id, meter, person.name)
    except NoSuchRoute:
        raise HTTPException(404) from None
    except UsageError as error:
        return await _shown(request, route_id, added=meter, added_said=error.message, status=422)
    await world_of(request).access.did(person, "added out of the route", "stop", stop.stop_id)
    return go_to(request, f"/stops/{stop.stop_id}")


async def walk_of(request: Request, route_id: str) -> Walk:
    """Return a route as this person walks it. HTTP 404 if there is none."""
    try:
        view = await book_of(request).route(route_id)
    except NoSuchRoute:
        raise HTTPException(404) from None
    return Walk(view, person_of(request).name, choices_of(request).backwards)


async def _shown(request: Request, route_id: str, *, status: int = 200, **context: Any) -> Response:
    walk = await walk_of(request, route_id)
    await world_of(request).access.saw(person_of(request), "route", route_id)
    return show(request, "route.html", {**_standing(request, walk), **context}, status=status)


def _standing(request: Request, walk: Walk) -> dict[str, Any]:
    """Return what the templates need of a route as it is now."""
    asked = request.query_params.get("show", "open")
    listing: Show = next((one for one in SHOWS if one == asked), "open")
    number = request.query_params.get("page", "")
    page = int(number) if number.isascii() and number.isdigit() and len(number) <= LONGEST_NUMBER else 1
    return {
        "walk": walk,
        "route": walk.view.summary,
        "progress": walk.progress,
        "next": walk.next,
        "counts": walk.counts(),
        "sheet": sheet(walk, listing, page),
        "sought": "",
        "hits": (),
        "more": 0,
        "added": "",
        "added_said": "",
    }


async def _all(request: Request, *, said: str = "", advice: str = "", status: int = 200) -> Response:
    world = world_of(request)
    if world.routes is None:
        return show(request, "route_none.html")
    today = world.now().astimezone(world.zone).date()
    routes = await world.routes.routes()
    context = {"routes": routes, "today": today, "said": said, "advice": advice}
    return show(request, "route_list.html", context, status=status)


PAGES = (
    Page("/", start),
    Page("/routes", all_routes),
    Page("/routes", load, method="POST", body="upload", role="operator"),  # an order may name lines and passwords
    Page("/routes/{route_id}", route),
    Page("/routes/{route_id}/now", now, background=True),
    Page("/routes/{route_id}/search", search, method="POST"),
    Page("/routes/{route_id}/turn", turn, method="POST"),
    Page("/routes/{route_id}/added", add, method="POST"),
)
