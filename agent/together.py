"""Jobs that stand and fall together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


async def together(jobs: Iterable[tuple[str, Coroutine[Any, Any, None]]]) -> None:
    """Run named `jobs` until all end or one fails; raise what that one raised. A cancellation ends them all.

    No `TaskGroup`: that of Python 3.11 forgets a cancellation that comes while a job fails, and what was to stop goes
    on.
    """
    tasks: list[asyncio.Task[None]] = []
    try:
        for name, job in jobs:
            tasks.append(asyncio.create_task(job, name=name))
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        await end_all(tasks)
    for task in tasks:
        if task in done:
            task.result()


async def end_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel `tasks` and wait until each is over, whatever it ends with."""
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
