"""Readings and jobs that a page is shown, without a meter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from agent.document import encode
from agent.field.errors import NoSuchJob, NotAsked
from agent.field.views import JobView
from agent.reading import BlockPart, ClockPart, EventPart, MeterPart, ProblemPart, Reading, RegisterPart, SitePart
from drivers.person import Answer
from tests.console.console_kit import NOW


def register(raw: str = "012345", **changes: Any) -> RegisterPart:
    given: dict[str, Any] = {
        "quantity": "kWh",
        "direction": "delivered",
        "kind": "cumulative",
        "tier": 0,
        "season": "current",
        "period": "present",
        "raw": raw,
        "value": raw.lstrip("0") or "0",
        "multiplier": "1",
        "unit": "kWh",
    }
    return RegisterPart(**{**given, **changes})


def block(*values: str | None, end: str = "2026-11-21T05:15:00Z", channel: int = 1, **changes: Any) -> BlockPart:
    """Return a block of quarter hours; `flags`: words by interval."""
    flags: dict[int, tuple[str, ...]] = changes.pop("flags", {})
    given: dict[str, Any] = {
        "quantity": "Wh",
        "direction": "delivered",
        "unit": "Wh",
        "interval_s": 900,
        "pulses": tuple(None if value is None else 0 for value in values),
        "multiplier": "1",
        "status": tuple(flags.get(at, ()) for at in range(len(values))),
    }
    return BlockPart(channel=channel, first_interval_end=end, values=values, **{**given, **changes})


def reading(**changes: Any) -> Reading:
    given: dict[str, Any] = {
        "schema": "mrsp.reading/1",
        "reading_id": "0199-r",
        "agent_id": "gw-7",
        "sequence": 12,
        "purpose": "cycle",
        "method": "optical",
        "read_started_at": "2026-11-22T05:59:00Z",
        "read_finished_at": "2026-11-22T06:00:00Z",
        "meter": MeterPart(meter_id="10010001", manufacturer="ACME", model="SX"),
        "clock": ClockPart(agent_source="ntp", corrected=False, meter_time="2026-11-22T06:00:00Z", meter_offset_s="-3"),
        "registers": (register(dials=6),),
        "interval_blocks": (),
        "events": (EventPart(3, "primary_power_up", at="2026-11-20T05:00:00Z"),),
        "checks": (),
        "quality": "raw",
        "site": SitePart(zone="America/New_York"),
        "problems": (ProblemPart("ST76", "it was not read", lost=True),),
    }
    return Reading(**{**given, **changes})


def job(**changes: Any) -> JobView:
    """Return a job that goes on."""
    return JobView(
        **{
            "job_id": "job-1",
            "version": 1,
            "way": "probe",
            "state": "reading",
            "by": "ann",
            "stop_id": None,
            "started_at": NOW,
            **changes,
        }
    )


def ended(document: Reading | None = None, **changes: Any) -> JobView:
    """Return a job that is done, with its reading."""
    document = document or reading()
    given = {"state": "done", "document": encode(document), "reading_id": document.reading_id, "sequence": 12}
    return job(ended_at=NOW + timedelta(seconds=40), elapsed_s=40, **{**given, **changes})


@dataclass
class Jobs:
    """A desk with one job, whose pictures the test gives."""

    views: list[JobView]
    answers: list[tuple[int, Answer]] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def jobs(self) -> tuple[JobView, ...]:
        return (self.views[-1],)

    def job(self, job_id: str) -> JobView:
        if job_id != "job-1":
            raise NoSuchJob("there is no such job")
        return self.views[0]

    def watch(self, job_id: str) -> AsyncGenerator[JobView, None]:
        self.job(job_id)
        return self._watched()

    async def _watched(self) -> AsyncGenerator[JobView, None]:
        for view in self.views:
            yield view

    def answer(self, job_id: str, number: int, answer: Answer) -> JobView:
        view = self.job(job_id)
        if view.asked is None or view.asked.number != number:
            raise NotAsked("that question does not wait for an answer any more")
        self.answers.append((number, answer))
        return view

    async def cancel(self, job_id: str) -> JobView:
        self.views = [replace(self.job(job_id), state="cancelled")]
        return self.views[0]
