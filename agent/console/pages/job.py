"""One job: how the read goes, what the person is asked, and what came of it.

The page follows the job and never leads it: who loads it again sees how it stands, and who goes away stops nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent.console.job_shown import SAID_EVERY_S, ended_context, live_context
from agent.console.page import Page
from agent.console.pages.stop import REASONS
from agent.console.request import by_htmx, field, go_to, person_of, show, texts_of, world_of
from agent.console.stream import Event, events
from agent.field.desk import FieldDesk
from agent.field.errors import NoSuchJob
from agent.field.views import JobView
from drivers.person import Answer

LONGEST_ANSWER = 200


async def job(request: Request) -> Response:
    """Show a job as it stands."""
    try:
        view = desk_of(request).job(job_id_of(request))
    except NoSuchJob:
        return show(request, "job_gone.html", status=404)
    await world_of(request).access.saw(person_of(request), "job", view.job_id)
    return await _page(request, view)


async def live(request: Request) -> Response:
    """Follow a job: its parts of the page, each when it changes; at the end what came of it."""
    views = desk_of(request).watch(job_id_of(request))
    await world_of(request).access.saw(person_of(request), "job", job_id_of(request))
    return events(request, _told(request, views))


async def answer(request: Request) -> Response:
    """Answer the question of that number: with what is seen, or with why that cannot be said."""
    desk, text, remark = desk_of(request), field(request, "text", longest=LONGEST_ANSWER), field(request, "remark")
    number, cannot = field(request, "number", longest=9), bool(field(request, "cannot"))
    if not (number.isascii() and number.isdigit()):
        raise HTTPException(400)
    if not (text or cannot):
        said = texts_of(request)("job.nothing_said")
        return await _page(request, desk.job(job_id_of(request)), said=said, status=422)
    view = desk.answer(job_id_of(request), int(number), Answer(None if cannot else text, remark))
    await world_of(request).access.did(person_of(request), "answered", "job", view.job_id)
    return _seen_live(request, view)


async def cancel(request: Request) -> Response:
    """End a job, and wait until its meter is logged off."""
    person, job_id = person_of(request), job_id_of(request)
    desk_of(request).job(job_id)
    await world_of(request).access.did(person, "stopped", "job", job_id)
    return _seen_live(request, await desk_of(request).cancel(job_id))


def desk_of(request: Request) -> FieldDesk:
    """Return the desk of the field work. HTTP 404 where this box has none."""
    desk = world_of(request).desk
    if desk is None:
        raise HTTPException(404)
    return desk


def job_id_of(request: Request) -> str:
    return cast("str", request.path_params["job_id"])


async def _page(request: Request, view: JobView, *, said: str = "", status: int = 200) -> Response:
    context = await _context(request, view)
    return show(request, "job.html", {**context, "said": said}, status=status)


async def _context(request: Request, view: JobView) -> dict[str, object]:
    if not view.ended:
        return live_context(view, texts_of(request))
    return {**await ended_context(request, view), "reasons": REASONS}


async def _told(request: Request, views: AsyncGenerator[JobView, None]) -> AsyncIterator[Event]:
    """Give the parts of the page that changed, and now and then a sentence that is read aloud.

    A question comes once, so that what is typed into its form stays there: the identification of an event is the number
    of the question that the browser shows.
    """
    shown = request.headers.get("last-event-id") or request.query_params.get("asked", "")
    state, said_s = "", 0
    async with aclosing(views):
        async for view in views:
            if view.ended:
                yield await _part(request, view, "over", "0")
                return
            context = live_context(view, texts_of(request))
            number = str(context["asked_number"])
            if number != shown:
                yield await _part(request, view, "question", number)
                shown = number
            yield await _part(request, view, "progress", number)
            if view.state != state or view.elapsed_s - said_s >= SAID_EVERY_S:
                state, said_s = view.state, view.elapsed_s
                yield Event(context["spoken"], "spoken", number)


async def _part(request: Request, view: JobView, name: str, number: str) -> Event:
    """Return one part of the page as an event of its name."""
    shown = show(request, f"parts/job_{name}.html", await _context(request, view))
    return Event(bytes(shown.body).decode(), name, number)


def _seen_live(request: Request, view: JobView) -> Response:
    """Answer to what a page did that follows the job, and to one that does not."""
    return Response(status_code=204) if by_htmx(request) else go_to(request, f"/jobs/{view.job_id}")


PAGES = (
    Page("/jobs/{job_id}", job),
    Page("/jobs/{job_id}/live", live, background=True),
    Page("/jobs/{job_id}/answer", answer, method="POST"),
    Page("/jobs/{job_id}/cancel", cancel, method="POST"),
)
