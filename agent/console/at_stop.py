"""A person at one stop of a route: what they may see and do there now, and what their forms say."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent.console.choices import choices_of
from agent.console.hazards_seen import hazards_seen_of
from agent.console.person import Person
from agent.console.request import field, form_of, go_to, person_of, world_of
from agent.console.walk import Hazard, Walk
from agent.errors import UsageError
from agent.inspections.trouble import TroubleDesk
from agent.routes.book import RouteBook
from agent.routes.errors import Conflict, NoSuchRoute
from agent.routes.order import Position
from agent.routes.view import Stop
from drivers.visual.trouble import Trouble

LONGEST_WORDS = 1_000
MOST_CAVEATS = 8


@dataclass(frozen=True, slots=True)
class AtStop:
    """One stop as one person finds it. `job_id`: of a read of it that goes on, by `reader`."""

    stop: Stop
    walk: Walk
    person: Person
    hazards: tuple[Hazard, ...]
    warned: bool  # the person has confirmed each hazard
    job_id: str = ""
    reader: str = ""

    @property
    def path(self) -> str:
        return f"/stops/{self.stop.stop_id}"

    @property
    def taken_by(self) -> str:
        """Who else is there now."""
        holder = self.stop.claimed_by or ""
        return "" if holder == self.person.name else holder

    @property
    def mine(self) -> bool:
        """Whether the others know that this person is there."""
        return self.stop.claimed_by == self.person.name

    @property
    def caveats(self) -> tuple[Trouble, ...]:
        """The codes of the stop that go with a reading, as a reading has them."""
        known = self.walk.view.codes
        given = [key for key, code in known.sorted(self.stop.codes) if code.kind == "trouble" and not code.non_reading]
        return tuple(dict.fromkeys(known.trouble_of(key) for key in given))[:MOST_CAVEATS]

    def context(self) -> dict[str, Any]:
        """Return what every template of a stop needs."""
        return {"at": self, "stop": self.stop, "walk": self.walk, "ordered": self.stop.ordered}


async def at_stop(request: Request, stop_id: str = "") -> AtStop:
    """Return a stop: the one of that id, or that the path names. HTTP 404 if there is none."""
    person, book = person_of(request), book_of(request)
    try:
        stop = await book.stop(stop_id or request.path_params["stop_id"])
        view = await book.route(stop.route_id)
    except NoSuchRoute:
        raise HTTPException(404) from None
    walk = Walk(view, person.name, choices_of(request).backwards)
    hazards = walk.hazards(stop)
    warned = hazards_seen_of(request).knows(person, stop.stop_id, (one.key for one in hazards))
    desk = world_of(request).desk
    jobs = () if desk is None else desk.jobs()
    job = next((one for one in jobs if one.stop_id == stop.stop_id and not one.ended), None)
    if job is None:
        return AtStop(stop, walk, person, hazards, warned)
    return AtStop(stop, walk, person, hazards, warned, job.job_id, job.by)


async def opened(request: Request) -> AtStop | Response:
    """Return the stop, and set down that it was shown; where hazards are to be confirmed first, the way there."""
    at = await at_stop(request)
    if not at.warned:
        return go_to(request, at.path)
    await world_of(request).access.saw(at.person, "stop", at.stop.stop_id)
    return at


def book_of(request: Request) -> RouteBook:
    """Return the book of routes. HTTP 404 where this box has none."""
    book = world_of(request).routes
    if book is None:
        raise HTTPException(404)
    return book


def troubles_of(request: Request) -> TroubleDesk | RouteBook:
    """Return who takes the codes of a stop: where the agent forwards, they are reported too."""
    return world_of(request).trouble or book_of(request)


async def come_to(request: Request, at: AtStop) -> Stop:
    """Let the others know that this person is at the stop. Raises `Conflict`.

    Where somebody else is there, and the person was told (`anyway`), both are: a reading is never refused.
    """
    if at.taken_by and field(request, "anyway"):
        return at.stop
    return await book_of(request).claim(at.stop.stop_id, at.person.name, version_of(request))


def version_of(request: Request) -> int:
    """Return the version of the stop that the form was made from. HTTP 400 for none."""
    text = field(request, "version")
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise HTTPException(400)
    return int(text)


def position_of(request: Request) -> Position | None:
    """Return where the browser says that the person is, if they wanted it to. Raises `UsageError`."""
    given = {name: field(request, name) for name in ("latitude", "longitude", "accuracy_m")}
    if not (given["latitude"] and given["longitude"]):
        return None
    try:
        return Position(**{name: Decimal(text) for name, text in given.items() if text})
    except (InvalidOperation, ValueError):
        raise UsageError("this is no position on the earth", advice="leave it out, or ask for it again") from None


async def photos_of(request: Request) -> tuple[str, ...]:
    """Keep the photographs of the form's field `photo`; return their names. Raises `UsageError`, `LocalTrouble`."""
    photos = world_of(request).photos
    sent = [one for one in form_of(request).getlist("photo") if isinstance(one, UploadFile) and one.filename]
    if sent and photos is None:
        raise HTTPException(404)
    return tuple([(await photos.keep(one.file)).name for one in sent]) if photos is not None else ()


def words_of(request: Request, name: str) -> str:
    """Return a text of a form with line ends as they are kept."""
    return field(request, name, longest=LONGEST_WORDS * 2).replace("\r\n", "\n").replace("\r", "\n")


async def tried(act: Awaitable[object]) -> Mapping[str, Any]:
    """Do something to a stop; return what a page has to say of it: nothing, or what went wrong, as `said`.

    A conflict with another person is `conflict`: it names them and when. What the disk refuses is raised.
    """
    try:
        await act
    except Conflict as error:
        return {"conflict": error.message, "advice": error.advice}
    except NoSuchRoute:
        raise HTTPException(404) from None
    except UsageError as error:
        return {"said": error.message, "advice": error.advice}
    return {}
