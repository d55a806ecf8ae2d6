"""Photographs: sent once, then named by what they belong to; given out only as part of that."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Collection
from typing import Annotated, BinaryIO, Literal, cast

from msgspec import Meta
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response

from agent.console.api.bodies import there
from agent.console.api.endpoint import Endpoint, Given
from agent.console.api.shapes import shaped
from agent.console.at_stop import at_stop
from agent.console.request import person_of, world_of
from agent.errors import UsageError

PHOTO_TYPES = ("image/jpeg", "image/png", "image/webp", "image/heic")
_IN_MEMORY = 1 << 20  # octets of a photograph on its way; more goes to the disk

PhotoName = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\.(jpg|png|webp|heic)\Z")]
PhotoNames = Annotated[tuple[PhotoName, ...], Meta(max_length=32)]


class PhotoKept(Given, frozen=True):
    """A photograph that is kept. Its first octets said what it is; `name` goes where it belongs."""

    name: PhotoName
    media_type: Literal["image/jpeg", "image/png", "image/webp", "image/heic"]
    octets: int
    sha256: str


async def keep_photo(request: Request) -> PhotoKept:
    """Keep a photograph, durably; the same picture twice is kept once."""
    photos = there(world_of(request).photos)
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
        try:
            async for piece in request.stream():
                await asyncio.to_thread(file.write, piece)
        except ClientDisconnect:
            raise HTTPException(400) from None
        file.seek(0)
        kept = await photos.keep(cast("BinaryIO", file))
    await world_of(request).access.did(person_of(request), "sent", "photo", kept.name)
    return shaped(PhotoKept, kept)


async def show_photo(request: Request, stop_id: str, name: str) -> Response:
    """Return a photograph of a stop."""
    at = await at_stop(request, stop_id)
    return await photo_of(request, name, at.stop.photos)


async def photo_of(request: Request, name: str, among: Collection[str]) -> Response:
    """Answer with one of some photographs. HTTP 404 for another one."""
    photos = there(world_of(request).photos)
    if name not in among:
        raise HTTPException(404)
    await world_of(request).access.saw(person_of(request), "photo", name)
    try:
        found = await photos.find(name)
    except UsageError:
        raise HTTPException(404) from None
    return FileResponse(photos.path(found), media_type=found.media_type, content_disposition_type="inline")


async def check_photos(request: Request, names: Collection[str]) -> None:
    """Raise `UsageError` for a photograph that was not sent before."""
    if names:
        photos = there(world_of(request).photos)
        for name in names:
            await photos.find(name)


ENDPOINTS = (
    Endpoint(method="POST", path="/photos", function=keep_photo, tag="photos", takes=PHOTO_TYPES, status=201),
    Endpoint(method="GET", path="/stops/{stop_id}/photos/{name}", function=show_photo, tag="photos", gives=PHOTO_TYPES),
)
