"""Reads that the MDSP asks for: the schedule has them, and knows what became of each."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from agent.requests.desk import Desk
from agent.requests.judging import PURPOSES, Refusal, order_for
from agent.requests.message import Message
from agent.requests.store import Kept
from agent.scheduling.reads import WHYS, Request
from agent.scheduling.store import Row
from agent.utc_text import utc_text

FORGOTTEN = timedelta(days=1)  # after its deadline the schedule has given every read up
CANCELLED = "cancelled"  # why a read was given up: it was taken back

_log = logging.getLogger("agent.requests")


class Schedule(Protocol):
    """What is needed of the schedule."""

    async def ask(self, request: Request) -> Request:
        """Take a request, durably; return it as it is kept: that of the first time, if it was asked before."""
        ...

    async def withdraw(self, request_id: str) -> bool:
        """Take a request back, durably; False if it is not waiting: under way, over, or never asked."""
        ...

    async def row(self, meter: str, due: datetime) -> Row | None:
        """Return what became of a read so far; None if it was not tried yet."""
        ...


class Reads:
    """An `Errand`: the reads of one agent."""

    actions = frozenset(PURPOSES)
    called = "the read"
    under_way = "the meter is being visited"

    def __init__(self, desk: Desk, schedule: Schedule) -> None:
        self._desk = desk
        self._schedule = schedule
        self._book = desk.book
        self._contracts = desk.book.mandate.contracts

    async def begin(self, kept: Kept, message: Message) -> None:
        """Let the schedule have the read, if it does not have it yet."""
        meter = self._contracts.by_name.get(kept.meter or "")
        if meter is None or kept.deadline is None:  # not in the configuration any more
            await self._desk.give_up(kept, message, "not_configured", WHYS["not_configured"])
            return
        order = msgspec.structs.replace(order_for(message, meter), requested_at=kept.received_at)
        asked = Request(
            message.transaction_id, meter.name, order.purpose, kept.received_at, message.sender, kept.deadline, order
        )
        held = await self._schedule.ask(asked)
        if (held.meter, held.purpose) != (asked.meter, asked.purpose):
            refusal = Refusal("transaction_conflict", "this box made another request under that id")
            await self._desk.refuse(kept, message, refusal)
            return
        answer = None
        if kept.state == "received":
            answer = self._desk.answer(kept, message, "accepted", deadline=utc_text(kept.deadline))
            _log.info("%s: a %s read is asked for by %s", meter.name, message.action, message.sender)
        await self._book.call(self._book.store.opened, kept, held.requested_at, answer)

    async def resume(self, kept: Kept, message: Message) -> None:
        """Let the schedule have a read that it should have, whatever became of its file."""
        if not await self._over(kept, message):
            await self.begin(kept, message)

    async def follow(self, kept: Kept, message: Message) -> None:
        """See what became of a read, and answer if it is over."""
        await self._over(kept, message)

    async def take_back(self, kept: Kept, message: Message) -> None:
        """Take a read back, if it has not begun."""
        await self._schedule.withdraw(message.transaction_id)
        await self._over(kept, message)

    async def _over(self, kept: Kept, message: Message) -> bool:
        if kept.due is None or kept.meter is None or kept.deadline is None:
            return False
        row = await self._schedule.row(kept.meter, kept.due)
        if row is None and self._desk.now().at > kept.deadline + FORGOTTEN:
            await self._desk.give_up(kept, message, "unknown", "what became of it is not on record any more")
        elif row is None or row.state not in {"done", "given_up"}:
            return False
        elif row.state == "done":
            await self._desk.settle(kept, self._desk.answer(kept, message, "done", reading_id=row.reading_id))
        elif row.why == CANCELLED:
            await self._desk.settle(kept, self._desk.answer(kept, message, "cancelled"))
        else:
            detail = row.detail or WHYS.get(row.why, row.why)
            await self._desk.give_up(kept, message, row.reason or row.why, detail)
        return True
