"""One stop: what warns of it, where it is, how it is read, and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from agent.checks.run import CHECKS
from agent.console.at_stop import (
    AtStop,
    at_stop,
    book_of,
    come_to,
    photos_of,
    position_of,
    tried,
    version_of,
    words_of,
)
from agent.console.choices import choices_of, probe_key, remember
from agent.console.hazards_seen import hazards_seen_of
from agent.console.page import Page
from agent.console.request import field, form_of, go_to, settings_of, show, texts_of, world_of
from agent.console.text import Texts
from agent.errors import UsageError
from agent.field.probes import Probe, probes_of
from agent.field.views import Work
from agent.routes.order import UNSAID_URL
from agent.routes.view import Stop

_CHECKS = {check.name: check.title for check in CHECKS}
REASONS = ("looked_again", "usual_here", "exchanged", "vacant")  # why a reading is taken although a check failed


async def stop(request: Request) -> Response:
    """Show a stop; its hazards first, until the person has confirmed them."""
    at = await at_stop(request)
    await world_of(request).access.saw(at.person, "stop", at.stop.stop_id)
    if not at.warned:
        return show(request, "stop_hazards.html", {**at.context(), "said": ""})
    return await _page(request, at)


async def confirm(request: Request) -> Response:
    """Open a stop to a person who knows its hazards, and let the others know that they are there."""
    at = await at_stop(request)
    known = tuple(one.key for one in at.hazards)
    if set(form_of(request).getlist("hazard")) != set(known):
        said = texts_of(request)("stop.hazard_new")
        return show(request, "stop_hazards.html", {**at.context(), "said": said}, status=409)
    await world_of(request).access.did(at.person, "confirmed", "hazards", at.stop.stop_id, codes=", ".join(known))
    hazards_seen_of(request).confirm(at.person, at.stop.stop_id, known)
    if not (at.stop.settled or at.taken_by):
        await tried(book_of(request).claim(at.stop.stop_id, at.person.name, at.stop.version))
    return go_to(request, at.path)


async def read(request: Request) -> Response:
    """Begin to read the meter by the probe that was chosen, and go where it is followed."""
    at, world = await at_stop(request), world_of(request)
    if world.desk is None:
        raise HTTPException(404)
    if not at.warned:
        return go_to(request, at.path)
    probes = await _probes(request, at.stop)
    chosen = next((one for one in probes if probe_key(one.url) == field(request, "probe")), None)
    if chosen is None:
        return await _page(request, at, {"said": texts_of(request)("stop.no_such_probe")}, status=422)
    if trouble := await tried(come_to(request, at)):
        return await _again(request, trouble)
    await world.access.did(at.person, "reads by probe", "stop", at.stop.stop_id, line=chosen.name)
    try:
        job = await world.desk.start(
            Work("probe", at.stop.ordered.order, url=chosen.url, stop_id=at.stop.stop_id), at.person.name
        )
    except UsageError as error:
        return await _again(request, {"said": error.message, "advice": error.advice})
    choices = replace(choices_of(request), route_id=at.stop.route_id, probe=probe_key(chosen.url))
    return remember(request, go_to(request, f"/jobs/{job.job_id}"), choices)


async def skip(request: Request) -> Response:
    """Leave the stop for later, and go on with the route."""
    at = await at_stop(request)
    remark = words_of(request, "remark") or None
    act = book_of(request).skip(at.stop.stop_id, at.person.name, version_of(request), remark)
    if trouble := await tried(act):
        return await _again(request, trouble)
    await world_of(request).access.did(at.person, "skipped", "stop", at.stop.stop_id)
    return go_to(request, f"/routes/{at.stop.route_id}")


async def release(request: Request) -> Response:
    """Let the others know that this person is not there any more."""
    at = await at_stop(request)
    if trouble := await tried(book_of(request).release(at.stop.stop_id, at.person.name, version_of(request))):
        return await _again(request, trouble)
    return go_to(request, f"/routes/{at.stop.route_id}")


async def note(request: Request) -> Response:
    """Add words, photographs, and where the person is."""
    at, text = await at_stop(request), words_of(request, "text")

    async def added() -> None:
        position, photos = position_of(request), await photos_of(request)
        await book_of(request).note(at.stop.stop_id, at.person.name, text, photos=photos, position=position)

    if trouble := await tried(added()):
        return await _again(request, {**trouble, "typed": text})
    await world_of(request).access.did(at.person, "noted", "stop", at.stop.stop_id)
    return go_to(request, f"{at.path}#notes")


async def accept(request: Request) -> Response:
    """Take a reading although a check failed, for the person's reason."""
    at, texts = await at_stop(request), texts_of(request)
    chosen, words = field(request, "reason"), words_of(request, "words")
    said = [texts(f"stop.reason_{chosen}")] if chosen in REASONS else []
    reason = ": ".join([*said, *([words] if words else [])])
    act = book_of(request).accept(
        at.stop.stop_id, at.person.name, reason, reading_id=field(request, "reading_id") or None
    )
    if trouble := await tried(act):
        return await _again(request, trouble)
    await world_of(request).access.did(at.person, "accepted", "stop", at.stop.stop_id, reason=reason)
    return go_to(request, at.path)


async def photo(request: Request) -> Response:
    """Answer with a photograph of this stop."""
    at, photos = await at_stop(request), world_of(request).photos
    name = request.path_params["name"]
    if photos is None or name not in at.stop.photos:
        raise HTTPException(404)
    await world_of(request).access.saw(at.person, "photo", name)
    try:
        found = await photos.find(name)
    except UsageError:
        raise HTTPException(404) from None
    return FileResponse(photos.path(found), media_type=found.media_type, content_disposition_type="inline")


async def _again(request: Request, said: Mapping[str, Any]) -> Response:
    """Show the stop as it is now, with what went wrong."""
    status = 409 if "conflict" in said else 422
    return await _page(request, await at_stop(request), said, status=status)


async def _page(request: Request, at: AtStop, said: Mapping[str, Any] | None = None, *, status: int = 200) -> Response:
    world = world_of(request)
    probes = await _probes(request, at.stop) if world.desk is not None else ()
    last = choices_of(request).probe
    chosen = next((one for one in probes if probe_key(one.url) == last and one.present), None)
    filed = await world.inspections.of_stop(at.stop.stop_id) if world.inspections is not None else ()
    context = {
        **at.context(),
        "probes": [(probe_key(one.url), one) for one in probes],
        "chosen": chosen or next((one for one in probes if one.present), None),
        "by_probe": world.desk is not None,
        "next": at.walk.after(at.stop),
        "inspects": world.inspections is not None,
        "inspections": filed,
        "unsafe": any(one.threat and one.made_safe is None for one in filed),
        "checks": [_check_name(texts_of(request), name) for name in at.stop.checks_failed],
        "codes": at.walk.view.codes.sorted(at.stop.codes),
        "reasons": REASONS,
        "takes_photos": world.photos is not None,
        "conflict": "",
        "said": "",
        "advice": "",
        "typed": "",
        **(said or {}),
    }
    return show(request, "stop.html", context, status=status)


async def _probes(request: Request, at: Stop) -> Sequence[Probe]:
    """Return the lines to choose from, the one that the order names first."""
    found = await asyncio.to_thread(probes_of, settings_of(request).probes)
    named = at.ordered.order.url
    if at.ordered.method != "probe" or named == UNSAID_URL["probe"]:
        return found
    ordered = Probe(texts_of(request)("stop.probe_of_order"), named)
    return (ordered, *(one for one in found if one.url != named))


def _check_name(texts: Texts, name: str) -> str:
    return texts.own(f"check.{name}.title", _CHECKS.get(name, name.replace("_", " ")))


PAGES = (
    Page("/stops/{stop_id}", stop),
    Page("/stops/{stop_id}/hazards", confirm, method="POST"),
    Page("/stops/{stop_id}/read", read, method="POST"),
    Page("/stops/{stop_id}/skip", skip, method="POST"),
    Page("/stops/{stop_id}/release", release, method="POST"),
    Page("/stops/{stop_id}/notes", note, method="POST", body="upload"),
    Page("/stops/{stop_id}/accept", accept, method="POST"),
    Page("/stops/{stop_id}/photos/{name}", photo),
)
