"""A store of the agent's state behind a thread of its own: `await book.call(book.store.prune, now)`.

class RouteBook(StateBook[RouteStore]):
    @classmethod
    async def open(cls, path: Path) -> Self:
        return cls(*await opened("routes", lambda: RouteStore(path, create=True)))
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Generic, ParamSpec, Self, TypeVar

from agent.own_thread import Closable, OwnThread

_P = ParamSpec("_P")
_R = TypeVar("_R")
_S = TypeVar("_S", bound=Closable)


async def opened(name: str, make: Callable[[], _S]) -> tuple[_S, OwnThread]:
    """Return a store and its new thread, which `make` was called on. Raises what `make` raises: `LocalTrouble`."""
    thread = OwnThread(name)
    return await thread.open(make), thread


class StateBook(Generic[_S]):
    """One store and its thread. A caller that is cancelled goes; a call that has begun is never halved."""

    def __init__(self, store: _S, thread: OwnThread) -> None:
        self.store = store
        self._thread = thread

    async def call(self, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Run one call of the store on its thread."""
        return await self._thread.call(function, *args, **kwargs)

    async def close(self) -> None:
        """Close the file; calls under way end first."""
        await self._thread.close(self.store)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(self.close())
