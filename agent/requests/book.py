"""The file of the requests behind one thread, so that the event loop never waits for the disk or a signature."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from agent.own_thread import OwnThread
from agent.requests.intake import Intake, Mandate
from agent.requests.store import RequestStore
from agent.state_book import StateBook, opened


class RequestBook(StateBook[RequestStore]):
    """The requests of one agent, and what is asked of it."""

    def __init__(self, store: RequestStore, thread: OwnThread, mandate: Mandate) -> None:
        super().__init__(store, thread)
        self.mandate = mandate
        self.intake = Intake(store, mandate)

    @classmethod
    async def open(cls, path: Path, mandate: Mandate) -> Self:
        """Open the file at `path`, made if missing. Raises `LocalTrouble`."""
        return cls(*await opened("requests", lambda: RequestStore(path, create=True)), mandate)
