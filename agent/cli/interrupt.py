"""Ctrl-C, `kill` and a closed terminal end a visit the clean way: cancelled, so that the meter is logged off first.

A service without a terminal is told otherwise by SIGHUP: to read its configuration again.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def run_until_interrupted(work: Coroutine[Any, Any, T], *, hung_up: Callable[[], None] | None = None) -> T:
    """Run `work`; on SIGINT, SIGTERM or SIGHUP cancel it, wait for its clean-up, and raise `KeyboardInterrupt`.

    `hung_up`: called on SIGHUP instead.
    """
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        task.cancel()

    heeded = [signal.SIGINT, signal.SIGTERM]
    if hung_up is not None or signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # else run by nohup
        heeded.append(signal.SIGHUP)
    for number in heeded:
        calls = hung_up if number == signal.SIGHUP and hung_up is not None else interrupt
        loop.add_signal_handler(number, calls)
    try:
        return await task
    except asyncio.CancelledError:
        if interrupted:
            raise KeyboardInterrupt from None
        raise
    finally:
        for number in heeded:
            loop.remove_signal_handler(number)
