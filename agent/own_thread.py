"""One thread for every blocking call of one thing, so that the event loop never waits for a disk or a signature."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, Protocol, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Closable(Protocol):
    """What can be closed, on the thread that opened it."""

    def close(self) -> None: ...


_C = TypeVar("_C", bound=Closable)


class OwnThread:
    """Runs calls one after the other. A caller that is cancelled goes; a call that has begun is never halved."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def open(self, make: Callable[[], _C]) -> _C:
        """Make the thing that the calls are for. Where that fails, or the caller is cancelled, nothing stays open."""
        made: list[_C] = []
        try:
            await self.call(lambda: made.append(make()))
        except BaseException:
            self._executor.submit(lambda: [one.close() for one in made])
            self._executor.shutdown(wait=False)
            raise
        return made[0]

    async def call(self, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Run one call on the thread, after those before it."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: function(*args, **kwargs))

    async def close(self, opened: Closable) -> None:
        """Close what was opened, after the calls under way, and end the thread."""
        try:
            await self.call(opened.close)
        finally:
            self._executor.shutdown(wait=False)
