"""Where requests wait between the connection, which must not wait, and the handler: a few, and not many octets."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from agent.requests.message import MAX_ROUTE_REQUEST_OCTETS

MOST_WAITING = 100  # the MDSP asks again for what gets no answer
MOST_OCTETS = 2 * MAX_ROUTE_REQUEST_OCTETS  # of all that wait


class Inbox:
    """A short queue. `dropped` counts what did not fit: too many at once, or too large."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(most)
        self._octets = 0
        self.dropped = 0

    def put(self, token: bytes) -> None:
        """Take what came on the request topic; never waits."""
        too_large = len(token) > MAX_ROUTE_REQUEST_OCTETS or self._octets + len(token) > MOST_OCTETS
        if too_large or self._waiting.full():
            self.dropped += 1
        else:
            self._octets += len(token)
            self._waiting.put_nowait(token)

    async def get(self, wait_s: float) -> bytes | None:
        """Return the next one; None if none comes in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                token = await self._waiting.get()
                self._octets -= len(token)
                return token
        return None
