"""One thread for the blocking calls of one instrument: PyVISA has no others, and each instrument waits for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Worker:
    """Runs calls one after the other. A caller that is cancelled goes; a call that has begun is never halved."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def call(self, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Run one call on the thread, after those before it."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: function(*args, **kwargs))

    async def insist(self, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Run one call and wait for its end also when the caller is cancelled; then it is cancelled.

        What the call raises is raised in place of the cancellation: it must be known that a source is still on.
        """
        running = asyncio.ensure_future(self.call(function, *args, **kwargs))
        cancelled: asyncio.CancelledError | None = None
        while not running.done():
            try:
                await asyncio.wait({running})
            except asyncio.CancelledError as error:
                cancelled = error
        outcome = running.result()
        if cancelled is not None:
            raise cancelled
        return outcome

    async def close(self, last: Callable[[], None]) -> None:
        """Run the last call, and end the thread."""
        try:
            await self.insist(last)
        finally:
            self._executor.shutdown(wait=False)

    def abandon(self, last: Callable[[], None]) -> None:
        """Have the last call run after those under way, and end the thread; nobody waits."""
        self._executor.submit(last)
        self._executor.shutdown(wait=False)
