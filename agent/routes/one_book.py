"""The one book of routes of a service, for all who need it: opened when first asked for, closed with the service.

Where it cannot be opened, whoever asked hears why, and the next one to ask tries again: meters are read without routes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from types import TracebackType
from typing import Self

from agent.config import Config
from agent.routes.book import ROUTES_FILE, RouteBook


class OneBook:
    """Opens the book by `make`, once."""

    def __init__(self, make: Callable[[], Awaitable[RouteBook]]) -> None:
        self._make = make
        self._opening = asyncio.Lock()
        self._book: RouteBook | None = None

    async def opened(self) -> RouteBook:
        """Return the book; it is not the caller's to close. Raises `LocalTrouble`."""
        async with self._opening:
            if self._book is None:
                self._book = await self._make()
            return self._book

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._book is not None:
            await self._book.__aexit__(kind, err, trace)


def route_book_of(config: Config, now: Callable[[], datetime]) -> OneBook:
    """Return the book that a configuration describes. `now`: aware."""
    agent = config.settings.agent
    codes, rule_sets = (
        tuple(map(config.path, directories)) for directories in (agent.code_set_directories, agent.rule_set_directories)
    )
    path = config.state_directory / ROUTES_FILE
    return OneBook(lambda: RouteBook.open(path, code_directories=codes, rule_set_directories=rule_sets, now=now))
