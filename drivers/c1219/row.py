"""One row of a table as people see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from drivers.c1219.context import Span


@dataclass(frozen=True, slots=True)
class Row:
    """One field, or the headline of a record: `text` as it stands in the table, `note` what it means.

    `span` is None where the octets cannot be told apart from their neighbours'.
    """

    path: str
    text: str
    unit: str = ""
    note: str = ""
    span: Span | None = None


def instant_text(utc: datetime, note: str = "") -> str:
    """Return an instant as `2026-07-10T16:00:00Z`, and what is to be said of it."""
    text = utc.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{text}, {note}" if note else text
