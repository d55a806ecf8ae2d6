"""The file of the requests behind one thread, so that the event loop never waits for the disk or a signature."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from agent.requests.intake import Intake, Mandate
from agent.requests.store import RequestStore

_P = ParamSpec("_P")
_R = TypeVar("_R")


class RequestBook:
    """The requests of one agent: `await book.call(book.store.prune, now)`. A cancelled call is not halved."""

    def __init__(self, store: RequestStore, mandate: Mandate, thread: ThreadPoolExecutor) -> None:
        self.store = store
        self.mandate = mandate
        self.intake = Intake(store, mandate)
        self._thread = thread

    @classmethod
    async def open(cls, path: Path, mandate: Mandate) -> Self:
        """Open the file at `path`, made if missing. Raises `LocalTrouble`."""
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="requests")
        try:
            opening = asyncio.get_running_loop().run_in_executor(thread, lambda: RequestStore(path, create=True))
            store = await opening
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(store, mandate, thread)

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
