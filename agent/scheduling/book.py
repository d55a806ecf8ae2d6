"""The schedule's file behind one thread, so that the event loop never waits for the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from agent.scheduling.store import ScheduleStore
from agent.state_book import StateBook, opened


class ScheduleBook(StateBook[ScheduleStore]):
    """The schedule of one agent: `await book.call(book.store.begin, read, now)`."""

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the schedule at `path`, made if missing. Raises `LocalTrouble`."""
        return cls(*await opened("schedule", lambda: ScheduleStore(path, create=True)))
