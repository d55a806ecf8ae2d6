"""One connection to the console: closed if it takes its time to ask, so that nobody keeps others out by being slow."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 20.0  # from the connection, or the last answer, until the head of a request is here


class Connection(H11Protocol):
    """A connection of uvicorn's with a time limit for the head of a request."""

    _waits: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before and self._waits is not None:
            self._waits.cancel()

    def on_response_complete(self) -> None:
        if not self.transport.is_closing():
            self._await_head()
        super().on_response_complete()  # which begins with the next request, if it came already

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waits is not None:
            self._waits.cancel()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        if self._waits is not None:
            self._waits.cancel()
        self._waits = self.loop.call_later(HEAD_S + self.timeout_keep_alive, self.transport.abort)
