"""Reads at a meter: begun, followed, answered, ended. A read goes on when whoever began it has gone.

A line is named by `probe`, never by what it is connected to: only those of the box's own configuration, or those that
are plugged in, can be chosen.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from agent.console.api.bodies import there
from agent.console.api.endpoint import JSON, Endpoint, Given, Malformed, Taken
from agent.console.api.job_shapes import JobNow, JobWhole, job_now, job_whole
from agent.console.api.photos import check_photos
from agent.console.api.shapes import shaped
from agent.console.api.stops import Version
from agent.console.api.typed import Typed
from agent.console.at_stop import AtStop, at_stop, book_of
from agent.console.choices import probe_key
from agent.console.dials import faces_of
from agent.console.profile_shown import Profile, profile_of
from agent.console.refusals import BeingRead, NotConfirmed
from agent.console.request import person_of, settings_of, texts_of, world_of
from agent.errors import UsageError
from agent.field.drafts import entry_of
from agent.field.probes import Probe, probes_of
from agent.field.views import JobView, Work
from agent.reading import Reading
from drivers.person import Answer

_LONGEST_ANSWER = 200


class _Asked(Taken, frozen=True):
    """`version`: of the stop as the person saw it. `anyway`: they know that somebody else is there."""

    version: Version
    anyway: bool = False


class ReadByProbe(_Asked, frozen=True, kw_only=True, tag_field="way", tag="probe"):
    """Read the meter by one of the box's lines, as `/probes` names it."""

    probe: Annotated[str, Meta(pattern=r"^[0-9a-f]{12}\Z")]


class ReadByEye(_Asked, frozen=True, kw_only=True, tag_field="way", tag="visual"):
    """Take what the person typed. What looks odd and was not typed again is asked for while the job goes on."""

    typed: Typed


class ProbeNow(Given, frozen=True):
    """A line that a person can hold to a meter. `present`: it is plugged in, as far as can be seen."""

    probe: str
    name: str
    present: bool


class Probes(Given, frozen=True):
    """The lines to choose from."""

    probes: tuple[ProbeNow, ...]


class Jobs(Given, frozen=True):
    """The jobs under way, and the last that ended; newest first."""

    jobs: tuple[JobNow, ...]


class Answered(Taken, frozen=True):
    """The answer to the question of that number. `text` null: the person cannot say, for the reason in `remark`."""

    number: Annotated[int, Meta(ge=0, le=1_000_000_000)]
    text: Annotated[str, Meta(min_length=1, max_length=_LONGEST_ANSWER)] | None
    remark: Annotated[str, Meta(max_length=_LONGEST_ANSWER)] = ""


async def list_probes(request: Request) -> Probes:
    """Return the lines that meters can be read by."""
    found = await _probes(request)
    return Probes(probes=tuple(shaped(ProbeNow, one, probe=probe_key(one.url)) for one in found))


async def start_job(request: Request, stop_id: str, body: ReadByProbe | ReadByEye) -> JobNow:
    """Begin to read the meter of a stop, which is claimed by it.

    What was typed is on the box's disk when this is answered. A reading obtained is stored before the job says so.
    """
    at, desk = await at_stop(request, stop_id), there(world_of(request).desk)
    if not at.warned:
        raise NotConfirmed("the hazards of this stop are not confirmed", advice="show them to the person first")
    if at.job_id:
        raise BeingRead(f"this meter is being read by {at.reader} already", advice="wait for it, or end it first")
    work, did, details = await _work(request, at, body)
    if not (at.taken_by and body.anyway):
        await book_of(request).claim(stop_id, at.person.name, body.version)
    await world_of(request).access.did(at.person, did, "stop", stop_id, **details)
    return job_now(await desk.start(work, at.person.name))


async def list_jobs(request: Request) -> Jobs:
    """Return the jobs that are known."""
    return Jobs(jobs=tuple(map(job_now, there(world_of(request).desk).jobs())))


async def show_job(request: Request, job_id: str) -> JobWhole:
    """Return a job: how far it is, what is asked, and the checks of what was read."""
    return job_whole(await _seen(request, job_id))


async def show_reading(request: Request, job_id: str) -> Response:
    """Return the reading of a job: `mrsp.reading/1`, octet for octet as it is stored.

    Of a reading that a person typed, the checks are without the figures of earlier readings. 404 while there is none.
    """
    return Response(there((await _seen(request, job_id)).document), media_type=JSON)


async def show_profile(request: Request, job_id: str) -> Profile:
    """Return the load profile of a job's reading, for a chart."""
    reading = there(await asyncio.to_thread((await _seen(request, job_id)).reading))
    return await asyncio.to_thread(profile_of, reading, world_of(request).zone, texts_of(request))


async def answer_job(request: Request, job_id: str, body: Answered) -> JobNow:
    """Answer what a job asks. 409 if that question does not wait any more."""
    text = None if body.text is None else body.text.strip()
    if text == "":
        raise Malformed("the body: an answer of blanks: `text`")
    view = there(world_of(request).desk).answer(job_id, body.number, Answer(text, body.remark.strip()))
    await world_of(request).access.did(person_of(request), "answered", "job", job_id)
    return job_now(view)


async def cancel_job(request: Request, job_id: str) -> JobNow:
    """End a job; answered when the meter is logged off. What was read is kept."""
    desk = there(world_of(request).desk)
    desk.job(job_id)
    await world_of(request).access.did(person_of(request), "stopped", "job", job_id)
    return job_now(await desk.cancel(job_id))


async def _work(request: Request, at: AtStop, body: ReadByProbe | ReadByEye) -> tuple[Work, str, dict[str, str]]:
    """Return what is to be done, and how the audit log says it."""
    ordered = at.stop.ordered
    if isinstance(body, ReadByProbe):
        chosen = next((one for one in await _probes(request) if probe_key(one.url) == body.probe), None)
        if chosen is None:
            raise UsageError("there is no such probe (any more)", advice="choose one of those that are there now")
        work = Work("probe", ordered.order, url=chosen.url, stop_id=at.stop.stop_id)
        return work, "reads by probe", {"line": chosen.name}
    await check_photos(request, body.typed.photos)
    draft = msgspec.structs.replace(body.typed.draft(), trouble=at.caveats)
    entry = entry_of([face.shown("0") for face in faces_of(ordered)], draft, read_by=at.person.name)
    return Work("visual", ordered.order, entry=entry, stop_id=at.stop.stop_id), "typed a reading", {}


async def _probes(request: Request) -> tuple[Probe, ...]:
    return await asyncio.to_thread(probes_of, settings_of(request).probes)


async def _seen(request: Request, job_id: str) -> JobView:
    """Return a job, and set down that it was shown."""
    view = there(world_of(request).desk).job(job_id)
    await world_of(request).access.saw(person_of(request), "job", job_id)
    return view


_JOB = "/jobs/{job_id}"
ENDPOINTS = (
    Endpoint(method="GET", path="/probes", function=list_probes, tag="reads"),
    Endpoint(
        method="POST",
        path="/stops/{stop_id}/jobs",
        function=start_job,
        tag="reads",
        status=201,
        location="/jobs/{0.job_id}",
    ),
    Endpoint(method="GET", path="/jobs", function=list_jobs, tag="reads", background=True),
    Endpoint(method="GET", path=_JOB, function=show_job, tag="reads", background=True),
    Endpoint(method="GET", path=f"{_JOB}/reading", function=show_reading, tag="reads", gives=(Reading,)),
    Endpoint(method="GET", path=f"{_JOB}/profile", function=show_profile, tag="reads"),
    Endpoint(method="POST", path=f"{_JOB}/answer", function=answer_job, tag="reads"),
    Endpoint(method="POST", path=f"{_JOB}/cancel", function=cancel_job, tag="reads"),
)
