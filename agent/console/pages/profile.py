"""The load profile of a job's reading: for the chart as JSON, and as a table, a day at a time."""

from __future__ import annotations

import asyncio
from datetime import date

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent.console.page import Page
from agent.console.pages.job import desk_of, job_id_of
from agent.console.profile_shown import Profile, day_of, profile_of, text_of, worst, zone_of
from agent.console.request import by_htmx, person_of, show, texts_of, world_of
from agent.reading import Reading


async def profile(request: Request) -> Response:
    """Answer with all intervals, for the chart."""
    _, found = await _profile(request)
    return Response(await asyncio.to_thread(msgspec.json.encode, found), media_type="application/json")


async def table(request: Request) -> Response:
    """Show one day of one channel; to htmx, the table alone."""
    reading, found = await _profile(request)
    zone = zone_of(reading, world_of(request).zone)
    shown = await asyncio.to_thread(day_of, found, _channel(request), _day(request), zone)
    if shown is None:
        raise HTTPException(404)
    texts = texts_of(request)
    context = {
        "job_id": job_id_of(request),
        "shown": shown,
        "channels": found.channels,
        "say": lambda word: text_of(word, texts),
        "worst": worst,
    }
    return show(request, "parts/profile_day.html" if by_htmx(request) else "profile.html", context)


async def _profile(request: Request) -> tuple[Reading, Profile]:
    view = desk_of(request).job(job_id_of(request))
    await world_of(request).access.saw(person_of(request), "job", view.job_id)
    reading = await asyncio.to_thread(view.reading)
    if reading is None:
        raise HTTPException(404)
    found = await asyncio.to_thread(profile_of, reading, world_of(request).zone, texts_of(request))
    if not found.channels:
        raise HTTPException(404)
    return reading, found


def _channel(request: Request) -> int | None:
    text = request.query_params.get("channel", "")
    if text and not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise HTTPException(404)
    return int(text) if text else None


def _day(request: Request) -> date | None:
    text = request.query_params.get("day", "")
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise HTTPException(404) from None


PAGES = (
    Page("/jobs/{job_id}/profile", profile),
    Page("/jobs/{job_id}/profile/table", table),
)
