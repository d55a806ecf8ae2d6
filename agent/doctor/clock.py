"""Is the time proven now, whom was it asked of, and are the zones known that the schedule speaks of?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.clock.advice import advice
from agent.clock.explain import verdict
from agent.clock.instant import read_instant
from agent.clock.keeper import ProofKeeper
from agent.clock.samples import NoTime, sentence
from agent.clock.system import SystemClock, box_zone
from agent.doctor.finding import Remark, fault, ok, warning
from agent.doctor.patient import Patient


def clock(patient: Patient) -> Iterator[Remark]:
    """Measure the clock as a visit does. Nothing is set, and nothing kept."""
    settings, counters = patient.config.settings, SystemClock()
    proof = asyncio.run(ProofKeeper(settings.clock, counters).prove())
    now = read_instant(counters)
    if proof.permits("interval", now).allowed:
        yield ok(verdict(proof, now))
        for silent in (outcome for outcome in proof.outcomes if isinstance(outcome, NoTime)):
            yield warning(sentence(silent), "take it out of `[clock]`, or see why it does not answer")
        return
    remedy = " ".join(advice(proof, now)).replace(", see above", "")
    why = [sentence(outcome) for outcome in proof.outcomes if isinstance(outcome, NoTime)]
    yield fault(" ".join([verdict(proof, now), *why]), remedy)
    if settings.requests is not None and not proof.synchronized:
        yield fault("[requests] is configured, and none is taken while the time is not proven: they expire", remedy)


def time_zone(patient: Patient) -> Iterator[Remark]:
    """Is there time zone data, and is a zone named where the box itself knows none?"""
    settings = patient.config.settings
    if not _is_known("America/Chicago"):
        yield fault("this box has no time zone data: local times cannot be told", "`apt install tzdata`")
    elif settings.clock.zone is None and str(box_zone()) in {"UTC", "Etc/UTC"}:
        yield warning(
            "the box's zone is UTC, and no `[clock] zone` is named: days begin at midnight UTC",
            'name where box and meters stand: `zone = "America/Chicago"`',
        )
    else:
        yield ok(f"days are those of {settings.clock.zone or box_zone()}")


def _is_known(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
