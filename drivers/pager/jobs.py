"""The durable requests of a box, for asyncio: `JobStore` behind one thread.

    async with Jobs.open(task.keep) as jobs:
        begun = await jobs.call(jobs.store.begin, page, limits, now)

Every call is a transaction; cancelling the caller never halves one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ParamSpec, Self, TypeVar

from drivers.pager.jobs_states import HeldBack, Job, Limits, Page, Quarantined, Reply, State, StoreTrouble, Taken
from drivers.pager.jobs_store import JobStore

__all__ = [
    "HeldBack",
    "Job",
    "JobStore",
    "Jobs",
    "Limits",
    "Page",
    "Quarantined",
    "Reply",
    "State",
    "StoreTrouble",
    "Taken",
]

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Jobs:
    """A store and the thread that its calls run on. Several may be open on one directory, also in other processes."""

    def __init__(self, store: JobStore, thread: ThreadPoolExecutor) -> None:
        self.store = store
        self._thread = thread

    @classmethod
    @asynccontextmanager
    async def open(cls, directory: Path) -> AsyncIterator[Self]:
        """Open the store in `directory`, made if missing. Raises `StoreTrouble`."""
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pager-jobs")
        loop = asyncio.get_running_loop()
        try:
            store = await loop.run_in_executor(thread, JobStore, directory)
            try:
                yield cls(store, thread)
            finally:
                await asyncio.shield(loop.run_in_executor(thread, store.close))
        finally:
            thread.shutdown(wait=False)

    async def call(self, do: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Run one of the store's methods on its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: do(*args, **kwargs))
