"""A ledger with a few meters, and times of one March in Denver."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.ledger import Ledger
from agent.ledger_lines import Entry, Roster, Scheduled
from agent.reading import CheckResult, ClockPart, MeterPart, Reading

DENVER = ZoneInfo("America/Denver")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def at(day: int, hour: int = 6, minute: int = 0, *, month: int = 3) -> datetime:
    """Return a time of March 2026, UTC (the 1st is a Sunday; summer time begins on the 8th)."""
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def daily(meter: str, hour: int = 6, **more: Any) -> Scheduled:
    return Scheduled(meter, 86_400, hour * 3_600, **more)


def roster(since: datetime, *meters: Scheduled) -> Roster:
    return Roster(since, meters)


def reading(reading_id: str, finished: datetime, *failed: str) -> Reading:
    return Reading(
        schema="mrsp.reading/1",
        reading_id=reading_id,
        agent_id="gw-1",
        sequence=1,
        purpose="cycle",
        method="optical",
        read_started_at=finished.isoformat().replace("+00:00", "Z"),
        read_finished_at=finished.isoformat().replace("+00:00", "Z"),
        meter=MeterPart(),
        clock=ClockPart(agent_source="ntp", corrected=False),
        registers=(),
        interval_blocks=(),
        events=(),
        checks=tuple(CheckResult(check=name, outcome="fail", rule_set="r", clause="c") for name in failed),
        quality="raw",
    )


def entry(
    meter: str, due: datetime, *, read: datetime | None = None, acked: datetime | None = None, **more: Any
) -> Entry:
    known: dict[str, Any] = {"purpose": "cycle"}
    if read is not None:
        known |= {"reading_id": f"{meter} {due}", "read_at": read, "reason": ""}
    return Entry(meter, due, acknowledged_at=acked, **(known | more))


def found(ledger: Ledger, begin: datetime, end: datetime) -> list[tuple[str, datetime, str]]:
    """Return each expected read with its reading, or why there is none."""
    return [(one.meter, one.due, one.reading_id or one.reason) for one in ledger.entries(begin, end)]


def only_file(directory: Path, day: date) -> Path:
    return directory / f"{day}.jsonl"
