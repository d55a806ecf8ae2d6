"""Static files of the console: style, scripts, icons. The same for everybody, with nothing of a customer in them."""

from __future__ import annotations

import asyncio
import re

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent.console.shown import STATIC, version_of

KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".wav": "audio/wav",
}
FOR_EVER = "public, max-age=31536000, immutable"
_PATH = re.compile(r"(?:[a-z]+/)?[A-Za-z0-9][A-Za-z0-9.-]*(?P<kind>\.[a-z]+)")


async def asset(request: Request) -> Response:
    """Answer with one file. What was asked for by its present version never changes under that URL."""
    path: str = request.path_params["path"]
    found = _PATH.fullmatch(path)
    if found is None or found["kind"] not in KINDS or not (STATIC / path).is_file():
        raise HTTPException(404)
    content = await asyncio.to_thread((STATIC / path).read_bytes)
    current = request.query_params.get("v") == version_of(path)
    headers = {"Cache-Control": FOR_EVER if current else "no-cache"}
    return Response(content, media_type=KINDS[found["kind"]], headers=headers)
