"""An ear, a plan and a clock put together: listen, confirm, deliver; for a while, for ever, or in cycles."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from agent.clock.instant import NS, Clock
from agent.listening.board import Board, Ready
from agent.listening.delivery import Deliverer
from agent.listening.plan import ReadPlan
from agent.listening.reception import Ear, Refused
from agent.order import Order
from agent.schedule import next_due
from agent.visit import Outcome
from drivers.data import Position

_log = logging.getLogger(__name__)
PROVE_EVERY = 900  # beats: how often the clock is measured while nothing is delivered
Deliver = Callable[[Order, Outcome], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Cycle:
    """Every planned meter is delivered once in each: a grid on the UTC clock."""

    period: timedelta
    offset: timedelta = timedelta()

    def began(self, now: datetime) -> datetime:
        """Return when the cycle began that `now` lies in."""
        return next_due(now, self.period, self.offset) - self.period


@dataclass(frozen=True, slots=True)
class Listening:
    """How long, and what for.

    `hold`: how long a confirmed value waits for a newer one; None: until the end. `seconds`: when to end; `stop`: set
    it to end earlier. `tick` is called every second, `ended` at the end of each cycle and of the run.
    """

    hold: timedelta | None
    seconds: float | None = None
    cycle: Cycle | None = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    position: Callable[[], Position | None] = lambda: None
    tick: Callable[[Board], None] = lambda _board: None
    ended: Callable[[Board], Awaitable[None] | None] = lambda _board: None


class Run:
    """One run of an ear. `deliver` is given each reading as it is made, one after the other."""

    def __init__(self, ear: Ear, plan: ReadPlan, deliverer: Deliverer, clock: Clock, how: Listening) -> None:
        hold_ns = None if how.hold is None else int(how.hold.total_seconds() * NS)
        self.board = Board(plan, deliverer.hearing_of, hold_ns=hold_ns)
        self._ear = ear
        self._plan = plan
        self._deliverer = deliverer
        self._clock = clock
        self._how = how
        self._ready: asyncio.Queue[Ready | None] = asyncio.Queue()

    async def listen(self, deliver: Deliver) -> None:
        """Listen until the ear has no more, the time is over, or `stop` is set; deliver what is confirmed by then.

        Raises what the ear raises, after that; and what `deliver` raises, at once.
        """
        await self._deliverer.prove()
        if self._how.cycle is not None:
            await self._skip_delivered(self._how.cycle)
        delivering = asyncio.create_task(self._deliver(deliver), name="deliver")
        hearing = asyncio.create_task(self._hear(), name="hear")
        beating = asyncio.create_task(self._beat(), name="beat")
        stopping = asyncio.create_task(self._how.stop.wait(), name="stop")
        heeding = (hearing, beating, stopping)
        try:
            await asyncio.wait({*heeding, delivering}, timeout=self._how.seconds, return_when=asyncio.FIRST_COMPLETED)
            await _cancelled(*heeding)
            self._queue(self.board.finish(self._deliverer.utc()))
            self._ready.put_nowait(None)
            await delivering
        finally:
            await _cancelled(*heeding, delivering)
        await self._end()
        for task in (hearing, beating):
            if not task.cancelled():
                task.result()

    async def _hear(self) -> None:
        async with aclosing(self._ear.receptions()) as receptions:
            async for heard in receptions:
                if isinstance(heard, Refused):
                    self.board.refuse(heard)
                else:
                    self.board.take(heard, self._deliverer.utc(heard.at), self._how.position)

    async def _beat(self) -> None:
        """Once a second: hand on what has waited long enough; begin a new cycle where it is due."""
        cycle = self._how.cycle
        began = None if cycle is None else cycle.began(self._deliverer.utc())
        for beat in count(1):
            await asyncio.sleep(1)
            if beat % PROVE_EVERY == 0:
                await self._deliverer.prove()
            self._queue(self.board.due(self._clock.boottime_ns(), self._deliverer.utc()))
            self._how.tick(self.board)
            if cycle is not None and began is not None and cycle.began(self._deliverer.utc()) > began:
                self._queue(self.board.finish(self._deliverer.utc()))
                await self._end()
                self.board.start_over()
                await self._deliverer.prove()
                began = cycle.began(self._deliverer.utc())

    def _queue(self, ready: list[Ready]) -> None:
        for one in ready:
            self._ready.put_nowait(one)

    async def _deliver(self, deliver: Deliver) -> None:
        while (ready := await self._ready.get()) is not None:
            order, outcome = await self._deliverer.outcome(ready)
            await deliver(order, outcome)

    async def _end(self) -> None:
        awaited = self._how.ended(self.board)
        if awaited is not None:
            await awaited

    async def _skip_delivered(self, cycle: Cycle) -> None:
        """After a restart: what was delivered in this cycle already is not delivered again."""
        began = cycle.began(self._deliverer.utc())
        records = await asyncio.to_thread(lambda: [(m, self._deliverer.record_of(m)) for m in self._plan.meters])
        for meter, known in records:
            if known.last_read_at is not None and known.last_read_at >= began:
                self.board.delivered_before(meter.key)


async def _cancelled(*tasks: asyncio.Task[Any]) -> None:
    """End tasks, and wait for their clean-up; what they raise is for who looks at them."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
