"""An event loop whose time passes only where everybody waits, and that asks the operating system for nothing."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any

START_S = 1000.0


class Hang(Exception):
    """Nobody will ever do anything again, or time runs on without end."""


class _NoInput(selectors.BaseSelector):
    """Knows no file; waiting moves the clock."""

    def __init__(self) -> None:
        self.now = START_S
        self.until = float("inf")

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Hang("everybody waits for ever")
        self.now += max(0.0, timeout)
        if self.now > self.until:
            raise Hang("the session does not end")
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, 0, None)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, events, data)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        raise KeyError(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}


async def rest(seconds: float) -> None:
    """Let so much virtual time pass, where the line or the protocol wants a pause; never on a loop of real time.

    Time passes only when everybody waits, so whatever can happen at this moment has happened before.
    """
    loop = asyncio.get_running_loop()
    assert type(loop).time is not asyncio.BaseEventLoop.time, "a test must not wait for the world's clock"
    over = asyncio.Event()
    timer = loop.call_later(seconds, over.set)
    try:
        await over.wait()
    finally:
        timer.cancel()


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop of one session."""

    def __init__(self) -> None:
        self._virtual = _NoInput()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now

    def allow(self, seconds: float) -> None:
        """From now on so many seconds may pass; then `Hang` is raised."""
        self._virtual.until = self._virtual.now + seconds

    def abandon(self) -> None:
        """End what is still under way, and close."""
        self._virtual.until = float("inf")
        left = asyncio.all_tasks(self)
        for task in left:
            task.cancel()
        if left:
            self.run_until_complete(asyncio.wait(left))
        self.close()
