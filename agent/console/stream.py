"""Server-sent events (HTML, 9.2) to one browser: as long as it listens, its session lasts and the console runs.

return events(request, ("job", view) async for view in desk.watch(job_id))
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from agent.console.sessions import Session
from agent.together import end_all

ALIVE_EVERY_S = 15.0  # a comment keeps proxies and radios from closing a quiet connection
AGAIN_MS = 2_000  # the browser connects again after this
MOST_OF_ONE = 16  # streams of one session: a browser has one a page, other software a few
MOST = 128


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `data` is one text of any number of lines."""

    data: str
    name: str = "message"
    id: str = ""

    def octets(self) -> bytes:
        """Return the event as it goes over the line."""
        lines = [f"event: {self.name}"] if self.name != "message" else []
        lines += [f"id: {self.id}"] if self.id else []
        lines += [f"data: {line}" for line in self.data.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
        return ("\n".join(lines) + "\n\n").encode()


class Streams:
    """The streams that are open, counted."""

    def __init__(self, goes_on: Callable[[Session], bool]) -> None:
        self.closing = asyncio.Event()  # the console ends: so does every stream
        self._goes_on = goes_on
        self._open: Counter[str] = Counter()

    def of(self, session: Session, source: AsyncIterator[Event]) -> AsyncGenerator[bytes, None]:
        """Return the octets of one more stream. HTTP 429 where there are too many."""
        if self._full(session):
            raise HTTPException(429, headers={"Retry-After": "5"})
        return self._octets(session, source)

    def _full(self, session: Session) -> bool:
        return self._open[session.label] >= MOST_OF_ONE or self._open.total() >= MOST

    async def _octets(self, session: Session, source: AsyncIterator[Event]) -> AsyncGenerator[bytes, None]:
        if self._full(session):
            return  # many were asked for at the same moment
        self._open[session.label] += 1
        closing = asyncio.create_task(self.closing.wait())
        following: asyncio.Task[Event] | None = None
        try:
            yield f"retry: {AGAIN_MS}\n\n".encode()
            while self._goes_on(session):
                following = following or asyncio.create_task(_next(source))
                await asyncio.wait({following, closing}, timeout=ALIVE_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
                if closing.done():
                    break
                if not following.done():
                    yield b": still here\n\n"
                    continue
                try:
                    event = following.result()
                except StopAsyncIteration:
                    break
                following = None
                if not self._goes_on(session):
                    break  # it ended while this was waited for
                yield event.octets()
        finally:
            self._open[session.label] -= 1
            self._open += Counter()  # forgets who has none
            await end_all([closing, *([following] if following is not None else [])])
            close = getattr(source, "aclose", None)
            if close is not None:
                with suppress(RuntimeError):
                    await close()


async def _next(source: AsyncIterator[Event]) -> Event:
    return await anext(source)


def events(request: Request, source: AsyncIterator[Event]) -> Response:
    """Answer with a stream of events. It ends with `source`, the session, the connection or the console."""
    if request.method == "HEAD":
        raise HTTPException(405)  # there is no end to what would be left out
    streams = cast("Streams", request.app.state.streams)
    return _EventStream(streams.of(cast("Session", request.scope["mrsp.session"]), source))


class _EventStream(StreamingResponse):
    """An answer that leaves nothing open behind it."""

    def __init__(self, octets: AsyncGenerator[bytes, None]) -> None:
        super().__init__(octets, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._octets = octets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._octets.aclose()
