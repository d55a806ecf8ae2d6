"""What one task waits for and another brings about."""

from __future__ import annotations

import asyncio


class Bell:
    """Wakes the one task that waits for something to change. Rung while nobody listens, it is not heard later."""

    __slots__ = ("_waiter",)

    def __init__(self) -> None:
        self._waiter: asyncio.Future[None] | None = None

    async def heard(self) -> None:
        """Wait until it rings next."""
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        try:
            await waiter
        finally:
            if self._waiter is waiter:  # one that is cancelled late must not take the next one's
                self._waiter = None

    def ring(self) -> None:
        """Wake who waits, if anybody does."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
