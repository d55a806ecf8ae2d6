"""How the box is: for the person who wonders whether a read will be stored, forwarded, and believed."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from agent.console.page import Page
from agent.console.request import by_htmx, show, world_of


async def status(request: Request) -> Response:
    """Show the status; to htmx, the part that changes."""
    looked = await world_of(request).status()
    template = "parts/status.html" if by_htmx(request) else "status.html"
    return show(request, template, {"status": looked})


async def clock(request: Request) -> Response:
    """Show the clock proof alone, as it stands in the head of every page."""
    return show(request, "parts/clock.html")


PAGES = (
    Page("/status", status),
    Page("/status/now", status, background=True),
    Page("/clock", clock, background=True),
)
