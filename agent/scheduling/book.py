"""The schedule's file behind one thread, so that the event loop never waits for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from agent.scheduling.store import ScheduleStore

_P = ParamSpec("_P")
_R = TypeVar("_R")


class ScheduleBook:
    """The schedule of one agent: `await book.call(book.store.begin, read, now)`. A cancelled call is not halved."""

    def __init__(self, store: ScheduleStore, thread: ThreadPoolExecutor) -> None:
        self.store = store
        self._thread = thread

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the schedule at `path`, made if missing. Raises `LocalTrouble`."""
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="schedule")
        try:
            opening = asyncio.get_running_loop().run_in_executor(thread, lambda: ScheduleStore(path, create=True))
            store = await opening
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(store, thread)

    async def call(self, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Run one call of the store on its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: function(*args, **kwargs))

    async def close(self) -> None:
        """Close the file; calls under way end first."""
        await self.call(self.store.close)
        self._thread.shutdown(wait=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(self.close())
