"""A desk for inspections over a spool without cryptography, a clock that the test moves, and a disk that refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from agent.anomalies import AnomalySettings
from agent.errors import LocalTrouble
from agent.inspections import INSPECTIONS_FILE, InspectionDesk, Subject
from agent.inspections.store import InspectionStore
from agent.order import Site
from agent.spool import AlreadySpooled, Priority
from agent.state_book import StateBook, opened

FRIDAY = datetime(2026, 3, 6, 17, tzinfo=UTC)  # ten in the morning in Denver
SITE = Site(
    service_delivery_point_id="1-0-00001-7",
    account_id="A7",
    customer_id="C9",
    customer_name="Mill",
    energy_supplier_id="ES-3",
    zone="America/Denver",
)
SUBJECT = Subject(stop_id="s-1", meter_id="100", order_id="o-7", site=SITE)


class Killed(BaseException):
    """The process is killed here."""


@dataclass
class Shelf:
    """A spool: what is in it survives the process. `left`: calls until it is killed, before or after its step."""

    agent_id: str = "gw-1"
    documents: dict[str, tuple[Priority, bytes]] = field(default_factory=dict)
    refuses: int = 0  # so many more
    killed_at: int | None = None
    after: bool = False

    async def add(self, kind: str, document_id: str, build: Any, *, priority: Priority) -> Any:
        assert kind == "anomaly"
        if self.refuses:
            self.refuses -= 1
            raise LocalTrouble("the disk is full")
        self.executed(after=False)
        if document_id in self.documents:
            raise AlreadySpooled(document_id)
        self.documents[document_id] = (priority, build(len(self.documents) + 1))
        self.executed(after=True)
        return _Entry(len(self.documents))

    def executed(self, *, after: bool) -> None:
        if self.killed_at is not None and after == self.after:
            self.killed_at -= 1
            if self.killed_at < 0:
                self.killed_at = None
                raise Killed

    def reports(self) -> list[dict[str, Any]]:
        """Return the reports in the order in which they were taken."""
        return [msgspec.json.decode(body) for _, body in self.documents.values()]

    def found(self) -> list[tuple[str, list[str]]]:
        return [(one["anomaly"], one["found"]) for one in self.reports()]


@dataclass
class _Entry:
    sequence: int


@dataclass
class Hours:
    """A clock that stands still."""

    at: datetime = FRIDAY

    def __call__(self) -> datetime:
        return self.at

    def pass_by(self, **much: int) -> None:
        self.at += timedelta(**much)


@asynccontextmanager
async def a_desk(
    tmp_path: Path, shelf: Shelf, hours: Hours | None = None, settings: AnomalySettings | None = None
) -> AsyncIterator[InspectionDesk]:
    """Open the desk, as a process that starts does; at the end it is closed, whatever happened."""
    path = tmp_path / INSPECTIONS_FILE
    book = StateBook(*await opened("inspections", lambda: InspectionStore(path, create=True)))
    now = hours or Hours()
    desk = InspectionDesk(book, shelf, settings, zone="America/Denver", now=now, again_s=0.0)  # type: ignore[arg-type]
    async with desk:
        yield desk
