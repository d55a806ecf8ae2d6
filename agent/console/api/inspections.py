"""Site inspections: the lists, drafts that outlive a dead battery, and the filing that reports what was found."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from agent.console.api.bodies import there
from agent.console.api.endpoint import Endpoint, Given, Taken
from agent.console.api.photos import PHOTO_TYPES, check_photos, photo_of
from agent.console.at_stop import at_stop
from agent.console.request import person_of, world_of
from agent.inspections import Changes, Checklist, Inspection, InspectionDesk, NotReported, NotThere, subject_of

Version = Annotated[int, Meta(ge=1, le=1_000_000_000)]


class Checklists(Given, frozen=True):
    """Every list, those on safety first."""

    lists: tuple[Checklist, ...]


class Inspections(Given, frozen=True):
    """What this person has begun and not filed, and what was filed with a threat that nobody has made safe yet."""

    drafts: tuple[Inspection, ...]
    unsafe: tuple[Inspection, ...]


class OfStop(Given, frozen=True):
    """The filed inspections of one stop, newest first."""

    inspections: tuple[Inspection, ...]


class Save(Taken, frozen=True):
    """What is changed. With a `version`, only if the draft is still that one; without, single answers are kept anyway.

    A mark of null takes an answer back.
    """

    changes: Changes
    version: Version | None = None


class Filing(Taken, frozen=True):
    """The version of the draft that the person saw."""

    version: Version


class Filed(Given, frozen=True):
    """A filed inspection. `reported` false: not all of its reports are stored yet; they follow by themselves."""

    inspection: Inspection
    reported: bool
    said: str


class HowMadeSafe(Taken, frozen=True):
    """How the immediate threat was brought to an end."""

    remark: Annotated[str, Meta(min_length=1, max_length=500)]


async def list_checklists(request: Request) -> Checklists:
    """Return what is to be looked for at a site."""
    return Checklists(lists=_desk(request).lists)


async def list_inspections(request: Request) -> Inspections:
    """Return this person's drafts, newest first, and the sites that are not safe, oldest first."""
    desk, person = _desk(request), person_of(request)
    found = Inspections(drafts=await desk.drafts(person.name), unsafe=await desk.unsafe())
    for one in found.unsafe:
        await world_of(request).access.saw(person, "inspection", one.inspection_id)
    return found


async def list_inspections_of_stop(request: Request, stop_id: str) -> OfStop:
    """Return the filed inspections of one stop."""
    at = await at_stop(request, stop_id)
    await world_of(request).access.saw(at.person, "stop", stop_id)
    return OfStop(inspections=await _desk(request).of_stop(stop_id))


async def begin_inspection(request: Request, stop_id: str) -> Inspection:
    """Return this person's draft at a stop, begun if there is none."""
    at = await at_stop(request, stop_id)
    ordered = at.stop.ordered
    await world_of(request).access.saw(at.person, "stop", stop_id)
    return await _desk(request).begin(subject_of(ordered.order, stop_id, ordered.hazards), at.person.name)


async def show_inspection(request: Request, inspection_id: str) -> Inspection:
    """Return a filed inspection, or a draft of this person."""
    return await _seen(request, inspection_id)


async def save_inspection(request: Request, inspection_id: str, body: Save) -> Inspection:
    """Keep answers of a draft, durably."""
    changes = body.changes
    marks = [mark for mark in changes.marks.values() if mark is not None]
    names = [name for mark in marks for name in mark.photos]
    await check_photos(request, [*names, *(changes.photos if isinstance(changes.photos, tuple) else ())])
    desk, person = _desk(request), person_of(request)
    return await desk.save(inspection_id, person.name, changes, version=body.version)


async def discard_inspection(request: Request, inspection_id: str) -> None:
    """Throw a draft away."""
    person = person_of(request)
    await _desk(request).discard(inspection_id, person.name)
    await world_of(request).access.did(person, "discards", "inspection", inspection_id)


async def file_inspection(request: Request, inspection_id: str, body: Filing) -> Filed:
    """File a draft: it is final then, and what was found is reported to the MDSP. The same again changes nothing."""
    desk, person = _desk(request), person_of(request)
    await world_of(request).access.did(person, "files", "inspection", inspection_id)
    try:
        filed = await desk.file(inspection_id, person.name, version=body.version)
    except NotReported as error:
        return Filed(inspection=await desk.inspection(inspection_id), reported=False, said=error.message)
    return Filed(inspection=filed, reported=True, said="")


async def make_safe(request: Request, inspection_id: str, body: HowMadeSafe) -> Inspection:
    """Set down that the immediate threat of a filed inspection is gone, and how."""
    person = person_of(request)
    inspection = await _desk(request).made_safe(inspection_id, person.name, body.remark)
    await world_of(request).access.did(person, "made safe", "inspection", inspection_id)
    return inspection


async def show_inspection_photo(request: Request, inspection_id: str, name: str) -> Response:
    """Return a photograph of an inspection."""
    inspection = await _seen(request, inspection_id)
    marked = [photo for mark in inspection.marks.values() for photo in mark.photos]
    return await photo_of(request, name, (*inspection.photos, *marked))


async def _seen(request: Request, inspection_id: str) -> Inspection:
    """Return an inspection that this person may see, and set down that they did. Raises `NotThere`."""
    person = person_of(request)
    inspection = await _desk(request).inspection(inspection_id)
    if inspection.filed_at is None and inspection.by != person.name:
        raise NotThere("there is no such inspection")
    await world_of(request).access.saw(person, "inspection", inspection_id)
    return inspection


def _desk(request: Request) -> InspectionDesk:
    return there(world_of(request).inspections)


_ONE = "/inspections/{inspection_id}"
_OF_STOP = "/stops/{stop_id}/inspections"
ENDPOINTS = (
    Endpoint(method="GET", path="/checklists", function=list_checklists, tag="inspections"),
    Endpoint(method="GET", path="/inspections", function=list_inspections, tag="inspections"),
    Endpoint(method="GET", path=_OF_STOP, function=list_inspections_of_stop, tag="inspections"),
    Endpoint(
        method="POST",
        path=_OF_STOP,
        function=begin_inspection,
        tag="inspections",
        status=201,
        location="/inspections/{0.inspection_id}",
    ),
    Endpoint(method="GET", path=_ONE, function=show_inspection, tag="inspections"),
    Endpoint(method="PATCH", path=_ONE, function=save_inspection, tag="inspections"),
    Endpoint(method="DELETE", path=_ONE, function=discard_inspection, tag="inspections"),
    Endpoint(method="POST", path=f"{_ONE}/file", function=file_inspection, tag="inspections"),
    Endpoint(method="POST", path=f"{_ONE}/made-safe", function=make_safe, tag="inspections"),
    Endpoint(
        method="GET",
        path=f"{_ONE}/photos/{{name}}",
        function=show_inspection_photo,
        tag="inspections",
        gives=PHOTO_TYPES,
    ),
)
