"""A bell that any number of watchers wait for: each hears that something is new, none holds anything of it."""

from __future__ import annotations

import asyncio


class Bell:
    """Counts how often it rang. Who was busy meanwhile hears it once, however often that was."""

    def __init__(self) -> None:
        self.count = 0
        self._rung = asyncio.Event()

    def ring(self) -> int:
        """Wake everybody who waits; return the new count."""
        self.count += 1
        self._rung.set()
        self._rung = asyncio.Event()
        return self.count

    async def after(self, count: int) -> int:
        """Wait until it has rung more than `count` times; return how often it has."""
        while self.count <= count:
            await self._rung.wait()
        return self.count
