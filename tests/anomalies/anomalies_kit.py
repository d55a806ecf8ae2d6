"""Readings with something to report, and what the spool has of it."""

from __future__ import annotations

import json
from typing import Any

from agent.anomalies import Observation, observations
from agent.reading import CheckResult, ClockPart, MeterPart, Outcome, Reading, StatusPart
from agent.spool import Spool
from agent.visit import Outcome as Visited
from drivers.memory import MeterMemory

METER = "100"


def check(name: str, outcome: Outcome, reason: str | None = None, **more: Any) -> CheckResult:
    return CheckResult(check=name, outcome=outcome, rule_set="ubp-2000", clause="A4", reason=reason, **more)


def reading(*checks: CheckResult, day: int = 1, **changes: Any) -> Reading:
    """Return a reading of 06:01 UTC on the `day`-th of March 2026 (the 1st is a Sunday)."""
    whole: dict[str, Any] = {
        "schema": "mrsp.reading/1",
        "reading_id": f"r-{day}",
        "agent_id": "gw-1",
        "sequence": day,
        "purpose": "cycle",
        "method": "optical",
        "read_started_at": f"2026-03-{day:02}T06:00:00Z",
        "read_finished_at": f"2026-03-{day:02}T06:01:00Z",
        "meter": MeterPart(meter_id=METER, expected_meter_id=METER),
        "clock": ClockPart(agent_source="chrony", corrected=False),
        "registers": (),
        "interval_blocks": (),
        "events": (),
        "checks": checks,
        "quality": "raw",
        "order_id": "o-7",
    }
    return Reading(**(whole | changes))


def visited(*checks: CheckResult, day: int = 1, **changes: Any) -> Visited:
    found = reading(*checks, day=day, **changes)
    return Visited(found, None, MeterMemory(meter_id=found.meter.meter_id or ""))


def status(*flags: str, mode: tuple[str, ...] = ("metering",)) -> StatusPart:
    return StatusPart(mode=mode, flags=flags)


def seen(found: Reading, **known: Any) -> dict[str, Observation]:
    """Return what a reading shows, by finding."""
    return {one.finding: one for one in observations(found, **known)}


def shown(found: Reading, **known: Any) -> dict[str, tuple[str, ...]]:
    """Return the marks of the findings that are there."""
    return {name: one.marks for name, one in seen(found, **known).items() if one.marks}


async def reports(spool: Spool) -> list[dict[str, Any]]:
    """Return the anomaly reports in the spool, in the order in which they were taken."""
    found = []
    for entry in await spool.entries(limit=100_000):
        if entry.kind == "anomaly":
            document = (await spool.show(entry.document_id)).document
            assert document is not None
            found.append(json.loads(document))
    return found
