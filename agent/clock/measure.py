"""Ask every source at once and prove the clock by what they agree on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from agent.clock import chrony, gnss, kernel, ntp
from agent.clock.boot import read_boot_stamp
from agent.clock.conclude import Around, conclude
from agent.clock.instant import Clock, read_instant
from agent.clock.proof import ClockProof, Policy
from agent.clock.samples import Outcome
from agent.clock.settings import ClockSettings
from agent.clock.system import box_zone


async def prove(settings: ClockSettings, clock: Clock, *, floor: datetime | None = None) -> ClockProof:
    """Measure the system clock now. Never raises for what a source does: it ends in a proof that says what happened.

    `floor`: the newest time that this box has ever stamped; a proof before it carries an alarm. Bounded in time by the
    settings' time-outs: some seconds for a source that is silent, at once for one that is absent.
    """
    before = read_instant(clock)
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(question) for question in _questions(settings, clock)]
    outcomes = [task.result() for task in asked]
    around = Around(floor, kernel.read_leap(), read_boot_stamp(clock))
    return conclude(outcomes, before, read_instant(clock), policy_of(settings), around)


def policy_of(settings: ClockSettings) -> Policy:
    """What these settings judge a clock by; the zone of the box if they name none."""
    zone = ZoneInfo(settings.zone) if settings.zone else box_zone()
    return Policy(ppm=settings.ppm, limit_s=settings.max_offset_s, zone=zone)


def _questions(settings: ClockSettings, clock: Clock) -> list[Coroutine[Any, Any, Outcome]]:
    questions: list[Coroutine[Any, Any, Outcome]] = []
    asking = ntp.Asking(settings.ntp_timeout_s, settings.ntp_samples, settings.ntp_spacing_s)
    for kind in settings.asked:
        match kind:
            case "chrony":
                questions.append(chrony.ask(settings.chronyc, clock, settings.chrony_timeout_s))
            case "kernel":
                questions.append(kernel.ask(clock))
            case "ntp":
                questions += [ntp.ask(server, clock, asking) for server in settings.servers]
            case "gnss":
                questions.append(gnss.ask(settings.gnss_server, clock, settings.gnss_timeout_s))
    return questions
