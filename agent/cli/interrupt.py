"""Ctrl-C, `kill` and a closed terminal end a visit the clean way: cancelled, so that the meter is logged off first."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def run_until_interrupted(work: Coroutine[Any, Any, T]) -> T:
    """Run `work`; on SIGINT, SIGTERM or SIGHUP cancel it, wait for its clean-up, and raise `KeyboardInterrupt`."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        task.cancel()

    heeded = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # else run by nohup
        heeded.append(signal.SIGHUP)
    for number in heeded:
        loop.add_signal_handler(number, interrupt)
    try:
        return await task
    except asyncio.CancelledError:
        if interrupted:
            raise KeyboardInterrupt from None
        raise
    finally:
        for number in heeded:
            loop.remove_signal_handler(number)
