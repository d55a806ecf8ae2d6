"""A client of the event stream, as slow as a test wants it: what it has not taken, the server cannot send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, MutableMapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from starlette.applications import Starlette

from agent.field.bell import Bell
from agent.field.errors import NoSuchJob
from agent.field.views import JobView, ProgressView
from tests.console.api_kit import check, the_document
from tests.console.console_kit import BASE, NOW, PEER


@dataclass
class Told:
    """One event."""

    name: str
    id: str
    data: Any


@dataclass
class Listener:
    """One connection. `messages` has room for one: as a socket whose other end does not read.

    `checks`: each event is held against the document.
    """

    app: Starlette
    token: str
    query: str = ""
    checks: bool = True
    messages: asyncio.Queue[MutableMapping[str, Any]] = field(default_factory=lambda: asyncio.Queue(1))
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    status: int = 0
    head: dict[bytes, bytes] = field(default_factory=dict)
    beats: int = 0
    _asked: bool = False
    _task: asyncio.Task[None] | None = None

    async def open(self) -> int:
        """Connect; return the HTTP status."""
        self._task = asyncio.create_task(self.app(self._scope(), self._receive, self.messages.put))
        start = await self.messages.get()
        self.status, self.head = start["status"], dict(start["headers"])
        return self.status

    async def next(self) -> Told | None:
        """Return the next event; None at the end of the stream."""
        while True:
            message = await self.messages.get()
            lines = message.get("body", b"").decode().rstrip("\n").split("\n")
            if not message.get("more_body", False):
                return None
            fields = dict(line.split(": ", 1) for line in lines if not line.startswith(":"))
            self.beats += not fields
            if "event" in fields:
                data = json.loads(fields["data"])
                if self.checks:
                    check(data, the_document()["paths"]["/events"]["get"]["x-events"][fields["event"]])
                return Told(fields["event"], fields["id"], data)

    async def until(self, reached: Callable[[Told], bool]) -> list[Told]:
        """Return the events up to the first that is as wanted."""
        found: list[Told] = []
        while not found or not reached(found[-1]):
            told = await self.next()
            assert told is not None, found
            found.append(told)
        return found

    async def rest(self) -> list[Told]:
        """Return what still comes, up to the end."""
        found: list[Told] = []
        while (told := await self.next()) is not None:
            found.append(told)
        return found

    async def close(self) -> None:
        """Go away, as a device whose battery is dead."""
        self.gone.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _scope(self) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "https",
            "path": "/api/v1/events",
            "raw_path": b"/api/v1/events",
            "root_path": "",
            "query_string": self.query.encode(),
            "headers": [
                (b"host", BASE.removeprefix("https://").encode()),
                (b"authorization", f"Bearer {self.token}".encode()),
            ],
            "client": PEER,
            "server": ("192.0.2.1", 443),
        }

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}


class ToldDesk:
    """A desk whose jobs are what a test says, told as the real one tells them."""

    def __init__(self) -> None:
        self.views: dict[str, JobView] = {}
        self.watching = 0
        self.error: Exception | None = None
        self._bell = Bell()

    def jobs(self) -> tuple[JobView, ...]:
        return tuple(reversed(self.views.values()))

    def job(self, job_id: str) -> JobView:
        if job_id not in self.views:
            raise NoSuchJob("there is no such job (any more)")
        return self.views[job_id]

    def tell(self, job_id: str, **changes: Any) -> None:
        """Begin a job, or change it."""
        before = self.views.get(job_id) or JobView(job_id, 0, "probe", "reading", "ann", None, NOW)
        self.views[job_id] = replace(before, version=self._bell.count + 1, **changes)
        self._bell.ring()

    def octets(self, job_id: str, count: int) -> None:
        progress = ProgressView(stage="ST64", done=count, total=10**9, bytes_on_line=count)
        self.tell(job_id, progress=progress)

    def end(self, job_id: str) -> None:
        self.tell(job_id, state="done", ended_at=NOW + timedelta(seconds=9), reading_id="r-1")

    def changes(self) -> AsyncGenerator[JobView, None]:
        return self._changes(self._bell.count)

    async def _changes(self, seen: int) -> AsyncGenerator[JobView, None]:
        self.watching += 1
        try:
            while True:
                rung = await self._bell.after(seen)
                if self.error is not None:
                    raise self.error
                for view in sorted(self.views.values(), key=lambda one: one.version):
                    if view.version > seen:
                        yield view
                seen = rung
        finally:
            self.watching -= 1
