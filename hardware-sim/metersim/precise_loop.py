"""An event loop whose timers are not rounded up to whole milliseconds, as those over epoll otherwise are.

At 57600 baud a character takes 0.17 ms: a line that is late by half a millisecond at every turn is a slower line.
"""

from __future__ import annotations

import asyncio
import select
import selectors


class _PreciseSelector(selectors.EpollSelector):
    """Waits on the epoll descriptor itself, for which `select` takes microseconds, and only then asks what is ready."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            select.select([self.fileno()], [], [], timeout)
        return super().select(0)


def precise_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop; a `loop_factory` for `asyncio.Runner`."""
    return asyncio.SelectorEventLoop(_PreciseSelector())
