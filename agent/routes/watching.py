"""Who watches the routes, and what each has not taken yet. Bounded, whoever is slow; belongs to one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from weakref import WeakSet

MOST_PENDING = 64  # of single stops; beyond that the whole route is said to have changed
LOOK_EVERY_S = 2.0  # for what another process wrote


@dataclass(frozen=True, slots=True)
class Changed:
    """Something is new. `stop_id` None: of the whole route, of which there may be one more."""

    route_id: str
    stop_id: str | None = None


class Watch(AsyncIterator[Changed]):
    """The changes since it was made. What is not taken in time comes once; ends when the book is closed."""

    def __init__(self, look: Callable[[], Awaitable[None]], every_s: float) -> None:
        self._look = look
        self._every_s = every_s
        self._pending: dict[Changed, None] = {}
        self._news = asyncio.Event()
        self._over = False

    async def __anext__(self) -> Changed:
        while not self._pending and not self._over:
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._news.wait()
            if not self._pending and not self._over:
                await self._look()
        if not self._pending:
            raise StopAsyncIteration
        first = next(iter(self._pending))
        del self._pending[first]
        return first

    def add(self, changed: Changed) -> None:
        """Let the reader know, unless they will be told anyway."""
        whole = Changed(changed.route_id)
        if whole not in self._pending:
            self._pending[changed] = None
            of_route = [one for one in self._pending if one.route_id == changed.route_id]
            if changed == whole or len(of_route) > MOST_PENDING:
                for one in of_route:
                    del self._pending[one]
                self._pending[whole] = None
        self._news.set()

    def end(self) -> None:
        """Nothing comes any more."""
        self._over = True
        self._news.set()


class Watchers:
    """Everybody who watches. `look` finds what another process changed, and `tell`s it."""

    def __init__(self, look: Callable[[], Awaitable[None]], every_s: float) -> None:
        self._look = look
        self._every_s = every_s
        self._watches: WeakSet[Watch] = WeakSet()
        self._closed = False

    def watch(self) -> Watch:
        """Return a new watch; it is over when nobody holds it any more."""
        watch = Watch(self._look, self._every_s)
        if self._closed:
            watch.end()
        self._watches.add(watch)
        return watch

    def tell(self, changed: Changed) -> None:
        """Let all of them know."""
        for watch in list(self._watches):
            watch.add(changed)

    def close(self) -> None:
        """End all watches."""
        self._closed = True
        for watch in list(self._watches):
            watch.end()
