"""What handlers of the API ask of a request beside its JSON."""

from __future__ import annotations

from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

T = TypeVar("T")


def there(part: T | None) -> T:
    """Return a part of the box. HTTP 404 where this box has none of it."""
    if part is None:
        raise HTTPException(404)
    return part


async def octets_of(request: Request, most: int) -> bytes:
    """Return the body of a request. HTTP 413 as soon as it has more than `most` octets."""
    content = bytearray()
    try:
        async for piece in request.stream():
            content += piece
            if len(content) > most:
                raise HTTPException(413)
    except ClientDisconnect:
        raise HTTPException(400) from None
    return bytes(content)
