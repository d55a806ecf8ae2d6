"""Work that must come to its end although whoever waits for it is cancelled: hanging up."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def to_the_end(work: Coroutine[Any, Any, T], *, name: str) -> T:
    """Run `work`, which must be bounded, to its end; return its result. If cancelled meanwhile, be cancelled then."""
    return await task_to_the_end(asyncio.create_task(work, name=name))


async def task_to_the_end(task: asyncio.Task[T]) -> T:
    """Like `to_the_end`, for work that has begun."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # whoever asked is gone; a failure is told by the work itself
        raise cancelled
    return task.result()
