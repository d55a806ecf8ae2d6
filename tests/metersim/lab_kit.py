"""A scenario of the laboratory, and the agent that visits its meter: one process, virtual time, no socket."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from agent.document import encode
from agent.history import History
from agent.order import Order, Site
from agent.visit import Box, visit
from drivers.transport.base import Transport
from metersim.lab import ExpectationPart, Laboratory, VisitPart
from metersim.lab.document import RecordPart
from metersim.lab.profile_text import profile_text
from metersim.meter.application import Application
from metersim.meter.faults import faults_of
from metersim.meter.model import microseconds
from metersim.meter.scenario_file import composition
from metersim.meter.serving import Serving, _session
from metersim.meter.tables.image import Image
from tests.psem.lines import Line, run

PROFILE = "laboratory"


@dataclass(frozen=True)
class StoppedClock:
    """The clock of a box on which no time passes in a visit: true time, as of the visit."""

    at: datetime

    def realtime_ns(self) -> int:
        return microseconds(self.at) * 1000

    def boottime_ns(self) -> int:
        return 10**15

    def monotonic_ns(self) -> int:
        return 10**15

    def raw_ns(self) -> int:
        return 10**15

    def boot_id(self) -> str:
        return "boot"


class MeterLine(Line):
    """The line to a whole simulated meter, with what its scenario says of the session."""

    def __init__(self, serving: Serving, application: Application) -> None:
        super().__init__(application)  # type: ignore[arg-type]
        self.meter = _session(application, serving, self.loop.time())


@cache
def laboratory(which: str | Path, seed: int = 1) -> Laboratory:
    return Laboratory.of(composition(which), seed)


@cache
def expectation(which: str | Path, seed: int = 1) -> ExpectationPart:
    """What must be found in a scenario that ships, worked out once."""
    return laboratory(which, seed).expect()


def read(lab: Laboratory, expected: VisitPart, directory: Path, *, knows_quirks: bool = True) -> dict[str, Any]:
    """Let the agent visit the meter as it is at that visit, with what is on record; return the reading document."""
    at = datetime.fromisoformat(expected.at)
    password = directory / "password"
    password.touch(mode=0o600)
    password.write_text(lab.scenario.psem.passwords[0].password)
    profile = PROFILE if knows_quirks and lab.scenario.quirks.departures() else None
    if profile is not None:
        (directory / f"{PROFILE}.toml").write_text(profile_text(lab.scenario, PROFILE))
    box = Box("gw-1", StoppedClock(at), profile_dirs=(directory,) if profile else ())
    return run(_read(lab, at, order_of(expected.record, password, profile), box))


async def _read(lab: Laboratory, at: datetime, order: Order, box: Box) -> dict[str, Any]:
    meter = lab.meter(at)
    serving = Serving(lab.scenario, at, lab.seed, faults=faults_of(lab.scenario), rate=0)
    loop = asyncio.get_running_loop()
    application = Application(meter, Image(meter), serving.faults, lambda: meter.start_us, loop.time)
    line: Transport = MeterLine(serving, application)
    outcome = await visit(order, box, line=line)
    assert outcome.broken is None
    document: dict[str, Any] = json.loads(encode(outcome.reading))
    return document


def order_of(record: RecordPart, password: Path, profile: str | None) -> Order:
    """The order that a head-end would write with this on record."""
    last = None if record.last_read_at is None else datetime.fromisoformat(record.last_read_at)
    history: dict[str, Any] = {
        "registers": [{**msgspec.to_builtins(one), "at": last} for one in record.registers],
        "multipliers": msgspec.to_builtins(record.multipliers),
        "channels": record.channels,
    }
    return Order(
        url="serial:///dev/none",
        expected_meter_id=record.meter_id,
        dials=record.dials,
        last_read_at=last,
        profile=profile,
        clock_check=False,
        password_file=str(password),
        site=Site(zone=record.zone),
        history=msgspec.convert(history, History),
    )
