"""The support bundle: what somebody who helps needs to know of this box, without its secrets."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from agent.console.page import Page
from agent.console.request import person_of, world_of


async def bundle(request: Request) -> Response:
    """Answer with the bundle, a zip file."""
    world = world_of(request)
    await world.access.did(person_of(request), "took", "support bundle")
    content = await world.bundle()
    name = f"mrsp-{world.agent_id}-{world.now():%Y%m%dT%H%M%SZ}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type="application/zip", headers=headers)


PAGES = (Page("/status/bundle", bundle, method="POST", role="operator"),)
