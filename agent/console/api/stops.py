"""Stops: what is to be known before the meter is reached, and what becomes of each.

Whoever changes a stop sends the `version` that they saw. Where somebody else was there in between, or is there now,
nothing is changed: the problem (409) says who and when.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from starlette.requests import Request

from agent.console.api.endpoint import Endpoint, Taken
from agent.console.api.photos import PhotoNames, check_photos
from agent.console.api.shapes import StopNow, stop_now
from agent.console.at_stop import at_stop, book_of, troubles_of
from agent.console.hazards_seen import hazards_seen_of
from agent.console.refusals import NotConfirmed
from agent.console.request import person_of, world_of
from agent.routes.order import Position

Version = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Words = Annotated[str, Meta(max_length=1_000)]
Codes = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...], Meta(max_length=64)]


class Seen(Taken, frozen=True):
    """The version of the stop that the person saw."""

    version: Version


class Skipped(Seen, frozen=True):
    """Why it is left for later, in the person's words."""

    remark: Words = ""


class Noted(Taken, frozen=True):
    """Words, photographs, and where the person is. Photographs are sent before, and named here."""

    text: Words = ""
    photos: PhotoNames = ()
    position: Position | None = None


class Coded(Seen, frozen=True):
    """Codes of the route's set and a remark, in place of those before; photographs are added."""

    codes: Codes
    remark: Words = ""
    photos: PhotoNames = ()
    position: Position | None = None


class Accepted(Taken, frozen=True):
    """Why a reading is taken although a check failed; `reading_id`: the reading that the person saw."""

    reason: Annotated[str, Meta(min_length=1, max_length=1_000)]
    reading_id: Annotated[str, Meta(min_length=1, max_length=200)]


class Confirmed(Taken, frozen=True):
    """The keys of all hazards of the stop, which the person was shown."""

    hazards: Codes


async def show_stop(request: Request, stop_id: str) -> StopNow:
    """Return one stop.

    Its hazards are to be shown to the person before they reach the meter, in the way that `signals` says, and to be
    confirmed before it is read.
    """
    return await _as_it_is(request, stop_id)


async def confirm_hazards(request: Request, stop_id: str, body: Confirmed) -> StopNow:
    """Set down that the person knows of the hazards of a stop: all of them, as they are now."""
    at = await at_stop(request, stop_id)
    known = tuple(one.key for one in at.hazards)
    if set(body.hazards) != set(known):
        raise NotConfirmed("the stop has other hazards now", advice="show them, and have them confirmed again")
    await world_of(request).access.did(at.person, "confirmed", "hazards", stop_id, codes=", ".join(known))
    hazards_seen_of(request).confirm(at.person, stop_id, known)
    return await _as_it_is(request, stop_id)


async def claim_stop(request: Request, stop_id: str, body: Seen) -> StopNow:
    """Let the others know that this person is at the stop, for half an hour; claimed again, it lasts again so long."""
    await book_of(request).claim(stop_id, person_of(request).name, body.version)
    return await _as_it_is(request, stop_id)


async def release_stop(request: Request, stop_id: str, body: Seen) -> StopNow:
    """Let the others know that this person is not there any more."""
    await book_of(request).release(stop_id, person_of(request).name, body.version)
    return await _as_it_is(request, stop_id)


async def skip_stop(request: Request, stop_id: str, body: Skipped) -> StopNow:
    """Leave the stop for later."""
    await book_of(request).skip(stop_id, person_of(request).name, body.version, body.remark or None)
    return await _done(request, stop_id, "skipped")


async def note_stop(request: Request, stop_id: str, body: Noted) -> StopNow:
    """Add words or photographs. Needs no version: nothing is replaced."""
    await check_photos(request, body.photos)
    await book_of(request).note(stop_id, person_of(request).name, body.text, photos=body.photos, position=body.position)
    return await _done(request, stop_id, "noted")


async def code_stop(request: Request, stop_id: str, body: Coded) -> StopNow:
    """Set down codes: why there is no reading, what is wrong with the meter, what the next person is to be warned of.

    What somebody must act on is reported to the MDSP. A code of a non-reading settles the stop as `unread`; if it is
    taken back, the stop is open again. Hazards need not be confirmed for it.
    """
    await check_photos(request, body.photos)
    await troubles_of(request).trouble(
        stop_id,
        person_of(request).name,
        body.version,
        body.codes,
        remark=body.remark or None,
        photos=body.photos,
        position=body.position,
    )
    hazards_seen_of(request).confirm(person_of(request), stop_id, body.codes)  # who reports it knows of it
    return await _done(request, stop_id, "coded", codes=", ".join(body.codes))


async def accept_reading(request: Request, stop_id: str, body: Accepted) -> StopNow:
    """Take a reading although a check failed, for the person's reason. 409 if the meter was read again meanwhile."""
    person = person_of(request)
    await book_of(request).accept(stop_id, person.name, body.reason, reading_id=body.reading_id)
    return await _done(request, stop_id, "accepted", reason=body.reason)


async def _done(request: Request, stop_id: str, what: str, **details: str) -> StopNow:
    """Set down what was done, and return the stop as it is now."""
    await world_of(request).access.did(person_of(request), what, "stop", stop_id, **details)
    return stop_now(await at_stop(request, stop_id))


async def _as_it_is(request: Request, stop_id: str) -> StopNow:
    """Return a stop, and set down that it was shown."""
    at = await at_stop(request, stop_id)
    await world_of(request).access.saw(at.person, "stop", stop_id)
    return stop_now(at)


_STOP = "/stops/{stop_id}"
ENDPOINTS = (
    Endpoint(method="GET", path=_STOP, function=show_stop, tag="stops"),
    Endpoint(method="POST", path=f"{_STOP}/hazards", function=confirm_hazards, tag="stops"),
    Endpoint(method="POST", path=f"{_STOP}/claim", function=claim_stop, tag="stops"),
    Endpoint(method="POST", path=f"{_STOP}/release", function=release_stop, tag="stops"),
    Endpoint(method="POST", path=f"{_STOP}/skip", function=skip_stop, tag="stops"),
    Endpoint(method="POST", path=f"{_STOP}/notes", function=note_stop, tag="stops"),
    Endpoint(method="POST", path=f"{_STOP}/trouble", function=code_stop, tag="stops"),
    Endpoint(method="POST", path=f"{_STOP}/accept", function=accept_reading, tag="stops"),
)
