"""Where meters are: one telephone line with its modem, and one or several meters behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from metersim.meter.calendar import wall
from metersim.meter.clock import MICROSECONDS
from metersim.meter.meter_line import MeterLine, meter_line
from metersim.meter.serving import RunningMeter, Serving
from metersim.modem.exchange import Exchange, Speeds
from metersim.modem.results import Carrier
from metersim.modem.window import AnswerWindow

_CALL_S: Final = 60.0  # that a meter waits for a carrier, at least
_IDLE_S: Final = 45.0  # a meter's modem hangs up when nothing is said for longer than the traffic time-out


@dataclass(frozen=True, slots=True)
class SitePlan:
    """One line and what is behind it. Several meters share it by their PSEM identities (`Scenario.psem.identity`)."""

    number: str
    meters: tuple[Serving, ...]
    rate: int = 2400  # of its modem, bits per second
    corrects: bool = False  # whether that modem knows error correction
    window: AnswerWindow = field(default_factory=AnswerWindow)
    trains_s: float = 0.5  # after the carrier: what comes sooner is lost


class Site:
    """A subscriber with meters behind it. Made by `open_site`."""

    def __init__(self, plan: SitePlan, exchange: Exchange) -> None:
        self.plan = plan
        self.number = plan.number
        self.on_line = False
        self.calls_up = 0
        self._exchange = exchange
        self._loop = asyncio.get_running_loop()
        self._line: MeterLine | None = None
        self._rung = 0
        self._off_hook = False
        self._deaf_until = 0.0
        self._idle: asyncio.TimerHandle | None = None
        self._heard_at = 0.0
        self.when_over: Callable[[bool], None] = lambda _was_up: None  # told after each call

    @property
    def meters(self) -> tuple[RunningMeter, ...]:
        """The meters, in the order of the plan."""
        return tuple(self._line.meters) if self._line is not None else ()

    def attach(self, line: MeterLine) -> None:
        """Put the meters behind the modem."""
        self._line = line

    def call(self, number: str) -> None:
        """Ring somebody up, as meters do to report; `when_over` is told when that has ended."""
        self._off_hook = True
        self._exchange.dial(self, number)
        self._give_up_after(max(_CALL_S, self._exchange.network.ring_s * 10))

    async def say(self, octets: bytes) -> None:
        """Send what a meter says."""
        self._exchange.send(self, octets)

    def hang_up(self) -> None:
        """End the call: a meter was told to disconnect, or gave up."""
        if self._off_hook:
            self._over("hung up")

    # -- a subscriber of the exchange

    @property
    def engaged(self) -> bool:
        return self._off_hook

    def speeds(self) -> Speeds:
        return Speeds(self.plan.rate, corrects=self.plan.corrects)

    def ring(self) -> None:
        self._rung += 1
        rings = self.plan.window.rings(self._meter_time())
        if rings and self._rung >= rings and not self._off_hook:
            self._off_hook = True
            self._rung = 0
            self._exchange.answer(self)
            self._give_up_after(30.0)

    def ringback(self) -> None:
        """A meter's modem does not mind."""

    def picked_up(self) -> None:
        """Nor does it know."""

    def busy(self) -> None:
        self._over("was told that the number is busy")

    def carrier(self, carrier: Carrier) -> None:  # noqa: ARG002 - any will do
        self.on_line = True
        self.calls_up += 1
        self._heard_at = self._loop.time()
        self._deaf_until = self._loop.time() + self.plan.trains_s
        self._give_up_after(_IDLE_S)

    def hear(self, octets: bytes) -> None:
        now = self._loop.time()
        if now >= self._deaf_until and self._line is not None:
            self._heard_at = now
            self._line.received(octets)

    def carrier_lost(self) -> None:
        self._over("lost the carrier")

    def _over(self, why: str) -> None:
        was_up, self.on_line, self._off_hook, self._rung = self.on_line, False, False, 0
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        self._exchange.release(self, why)
        if self._line is not None:
            self._line.carrier_lost()
        self.when_over(was_up)

    def _give_up_after(self, seconds: float) -> None:
        """Hang up unless something is said; looked at again and again, since a timer for each octet is dear."""
        if self._idle is not None:
            self._idle.cancel()
        self._idle = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        left = self._heard_at + _IDLE_S - self._loop.time() if self.on_line else 0.0
        if left > 0:
            self._give_up_after(left)
        else:
            self._over("heard nothing")

    def _meter_time(self) -> datetime:
        """Return what the first meter's clock shows, as a time of its own."""
        if self._line is None or not self._line.meters:
            raise RuntimeError("a site without meters")
        running = self._line.meters[0]
        calendar = running.meter.calendar
        return wall(calendar.shown(running.meter.clock.shows(running.true_us()) // MICROSECONDS))


@asynccontextmanager
async def open_site(plan: SitePlan, exchange: Exchange) -> AsyncIterator[Site]:
    """Connect a site while the context lasts. Raises `ScenarioError`, and `ValueError` if the number is taken."""
    site = Site(plan, exchange)
    async with meter_line(plan.meters, site.say, site.hang_up) as line:
        site.attach(line)
        exchange.connect(site)
        yield site
