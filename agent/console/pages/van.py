"""The van: which meters are heard, which are not, and where the nearest of these is.

A meter's number is a customer's: it is in the body of what is sent, never in a URL.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent.console.page import Page
from agent.console.request import field, go_to, person_of, show, texts_of, world_of
from agent.console.stream import Event, events
from agent.console.van_shown import BARS, BLANK, MOST_BY_SCRIPT, ROWS, SHOWS, change_of, line_of, now_of, row_of
from agent.errors import UsageError
from agent.listening.van import Van
from agent.listening.van_view import Show, VanChange, VanMeter

_LONGEST = 200


async def van(request: Request) -> Response:
    """Show how it stands, with one list of meters."""
    await world_of(request).access.saw(person_of(request), "van")
    return _page(request)


async def search(request: Request) -> Response:
    """Show the meters that have the words of the form in them."""
    await world_of(request).access.saw(person_of(request), "van")
    return _page(request, text=field(request, "text"))


async def meters(request: Request) -> Response:
    """Answer with all meters, for the script."""
    found = van_of(request)
    await world_of(request).access.saw(person_of(request), "van")
    view = found.view()
    if view.counts.total > MOST_BY_SCRIPT:
        raise HTTPException(404)
    return _json(now_of(view, view.version, found.meters(nearest=False)))


async def live(request: Request) -> Response:
    """Follow it: what is new after the picture that the browser has."""
    epoch, _, version = (request.headers.get("last-event-id") or request.query_params.get("after", "")).partition(".")
    known = int(version) if version.isascii() and version.isdigit() and len(version) <= 12 else 0
    await world_of(request).access.saw(person_of(request), "van")
    return events(request, _told(van_of(request).watch(epoch, known)))


async def give_up(request: Request) -> Response:
    """Mark a meter as unreachable for this cycle."""
    found, person = van_of(request), person_of(request)
    message, meter = field(request, "message"), field(request, "meter", longest=_LONGEST)
    await world_of(request).access.did(person, "gave up", "meter", f"{message} {meter}")
    return await _marked(request, found.give_up(message, meter, person.name))


async def take_back(request: Request) -> Response:
    """Undo that."""
    found, person = van_of(request), person_of(request)
    message, meter = field(request, "message"), field(request, "meter", longest=_LONGEST)
    await world_of(request).access.did(person, "took back", "meter", f"{message} {meter}")
    return await _marked(request, found.take_back(message, meter))


def van_of(request: Request) -> Van:
    """Return the van. HTTP 404 where this box listens to nothing."""
    found = world_of(request).van
    if found is None:
        raise HTTPException(404)
    return found


async def _told(changes: AsyncGenerator[VanChange, None]) -> AsyncIterator[Event]:
    async with aclosing(changes):
        async for change in changes:
            now = change_of(change)
            yield Event(msgspec.json.encode(now).decode(), "van", f"{now.epoch}.{now.version}")


async def _marked(request: Request, act: Awaitable[VanMeter]) -> Response:
    """Answer to a mark: to the script with the meter as it is now, else with the list that it was in."""
    by_script = request.headers.get("accept", "").startswith("application/json")
    try:
        meter = await act
    except UsageError as error:
        said = f"{error.message}: {error.advice}" if error.advice else error.message
        return _json({"said": said}, 409) if by_script else _page(request, said=said, status=409)
    if by_script:
        return _json(row_of(meter))
    return go_to(request, f"/van?show={_show(field(request, 'show'))}")


def _page(request: Request, *, text: str = "", said: str = "", status: int = 200) -> Response:
    found, texts = van_of(request), texts_of(request)
    view, asked = found.view(), request.query_params
    listing = "all" if text else _show(asked.get("show", ""))
    nearest = asked.get("order") != "plan"
    listed = found.meters(listing, text=text, nearest=nearest)
    of = max(1, -(-len(listed) // ROWS))
    number = asked.get("page", "")
    at = min(max(int(number), 1), of) if number.isascii() and number.isdigit() and len(number) <= 6 else 1
    lines = [line_of(meter, view.at, view.position, texts) for meter in listed[(at - 1) * ROWS : at * ROWS]]
    context: dict[str, Any] = {
        "view": view,
        "counts": view.counts,
        "shows": SHOWS,
        "listing": listing,
        "nearest": nearest,
        "lines": lines,
        "blank": BLANK,
        "at": at,
        "of": of,
        "rows": ROWS,
        "bars": BARS,
        "by_script": view.counts.total <= MOST_BY_SCRIPT and not text,
        "sought": text,
        "said": said,
    }
    return show(request, "van.html", context, status=status)


def _show(asked: str) -> Show:
    return next((one for one in SHOWS if one == asked), "unheard")


def _json(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


PAGES = (
    Page("/van", van),
    Page("/van/search", search, method="POST"),
    Page("/van/meters", meters, background=True),
    Page("/van/live", live, background=True),
    Page("/van/marks", give_up, method="POST"),
    Page("/van/marks/undo", take_back, method="POST"),
)
