"""Meters that ring up the agent: at fixed intervals, at fixed times, and again when a call did not come about."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from drivers.errors import UsageError
from metersim.meter.application import Application
from metersim.modem.site import Site

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_FIRST_WAIT_S: Final = 120.0  # as meters wait before they try an outage call again


@dataclass(frozen=True, slots=True)
class CallPlan:
    """Whom a meter calls and when, by its own virtual time: every so often, or at given times."""

    numbers: tuple[str, ...]  # the primary one, and the ones tried when that failed
    every: timedelta | None = None
    at: tuple[datetime, ...] = ()
    attempts: int = 3  # of one report
    told_in: int | None = None  # table for the time of the next call: U32, seconds since 1970 UTC


def parse_call_plan(texts: Sequence[str], numbers: tuple[str, ...], *, told_in: int | None = None) -> CallPlan | None:
    """Return the plan of these `--calls-in` values: one `15m`, or times such as `2026-11-21T04:00:00Z`; None for none.

    Raises `UsageError`.
    """
    if not texts:
        return None
    every = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", texts[0])
    if every is not None and len(texts) == 1:
        return CallPlan(numbers, every=timedelta(seconds=int(every[1]) * _UNITS[every[2]]), told_in=told_in)
    try:
        times = [datetime.fromisoformat(text) for text in texts]
    except ValueError:
        times = []
    if not times or any(at.tzinfo is None for at in times):
        advice = "write --calls-in 15m, or --calls-in 2026-11-21T04:00:00Z once or several times"
        raise UsageError(f"{' '.join(texts)}: neither an interval nor times", advice=advice)
    return CallPlan(numbers, at=tuple(sorted(times)), told_in=told_in)


class Caller:
    """Makes the calls of one site. `run` until cancelled."""

    def __init__(self, site: Site, plan: CallPlan) -> None:
        self._site = site
        self._plan = plan
        self._over: asyncio.Future[bool] | None = None
        self.made = 0
        self.through = 0
        self._due = iter(plan.at)
        site.when_over = self._ended
        if plan.told_in is not None:
            self._application.stored[plan.told_in] = bytearray(4)

    @property
    def told(self) -> datetime | None:
        """When it was told to call next; None before that."""
        if self._plan.told_in is None:
            return None
        order = self._site.meters[0].meter.scenario.layout.data_order
        octets = bytes(self._application.stored[self._plan.told_in])
        seconds = int.from_bytes(octets, "big" if order == "msb" else "little")
        return datetime.fromtimestamp(seconds, UTC) if seconds else None

    async def run(self) -> None:
        """Call whenever a call is due; a time that it was told goes before its own plan."""
        while True:
            wait_s = self._wait_s()
            if wait_s is None:
                return
            await asyncio.sleep(wait_s)
            await self.report()

    @property
    def _application(self) -> Application:
        return self._site.meters[0].application

    def _wait_s(self) -> float | None:
        now, told = self._site.meters[0].now(), self.told
        if told is not None and told > now:
            return (told - now).total_seconds()
        if self._plan.every is not None:
            return self._plan.every.total_seconds()
        at = next(self._due, None)
        return None if at is None else max(0.0, (at - now).total_seconds())

    async def report(self) -> bool:
        """Call now, and again after a wait that doubles, each time the next number; whether somebody answered."""
        wait_s = _FIRST_WAIT_S
        for attempt in range(self._plan.attempts):
            if attempt:
                await asyncio.sleep(wait_s)
                wait_s *= 2
            if self._site.engaged:  # somebody reads the meter just now
                continue
            self.made += 1
            self._over = asyncio.get_running_loop().create_future()
            self._site.call(self._plan.numbers[attempt % len(self._plan.numbers)])
            if await self._over:
                self.through += 1
                return True
        return False

    def _ended(self, was_up: bool) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(was_up)
