"""Requests at work: what came is taken, what was taken is carried out by the schedule, what is over is answered.

Every step is on the disk before the next, and can be made again: after a crash the handler goes on where it was. The
schedule takes a transaction once, the spool an answer once, so nothing is visited or answered twice.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from agent.errors import LocalTrouble
from agent.keys import MdspKeys
from agent.requests.answer import LONGEST_DETAIL, Answer, Outcome, compose, placed
from agent.requests.book import RequestBook
from agent.requests.inbox import Inbox
from agent.requests.intake import refused
from agent.requests.judging import Refusal, order_for
from agent.requests.message import Message, NotTaken
from agent.requests.store import Kept
from agent.scheduling.reads import WHYS, Request
from agent.scheduling.scheduler import Moment
from agent.scheduling.store import Row
from agent.spool import AlreadySpooled, Spool
from agent.utc_text import utc_text

LOOK_EVERY_S = 5.0  # for reads that are over
PRUNE_EVERY = timedelta(hours=6)
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


class RequestHandler:
    """Handles the requests of one agent. `counts`: what became of those that came, in one word each."""

    def __init__(
        self,
        book: RequestBook,
        inbox: Inbox,
        keys: MdspKeys,
        spool: Spool,
        schedule: Schedule,
        now: Callable[[], Moment],
    ) -> None:
        self._book = book
        self._inbox = inbox
        self._keys = keys
        self._spool = spool
        self._schedule = schedule
        self._now = now
        self._contracts = book.mandate.contracts
        self._agent_id = book.mandate.agent_id
        self._asked_again = False
        self._prune_at: datetime | None = None
        self._complaint = ""
        self.counts: Counter[str] = Counter()

    async def run(self) -> None:
        """Handle requests until cancelled. Never raises for trouble of disk or schedule: waits and tries again."""
        while True:
            await self._untroubled(self.carry_on())
            token = await self._inbox.get(LOOK_EVERY_S)
            if token is not None:
                await self._untroubled(self.take(token))

    async def take(self, token: bytes) -> None:
        """Take one message; raises `LocalTrouble`, and then it was not taken."""
        try:
            keys = self._keys.load().requesters
            word: str = await self._book.call(self._book.intake.take, token, keys, self._now())
        except NotTaken as refusal:
            word = refusal.kind
            _log.log(logging.DEBUG if self.counts[word] else logging.WARNING, "%s", refusal)
        self.counts[word] += 1

    async def carry_on(self) -> None:
        """Do everything that is to be done now; raises `LocalTrouble`, and then it goes on from there."""
        moment = self._now()
        if moment.known:
            await self._book.call(self._book.intake.begun, moment.at)
            for kept in await self._book.call(self._book.store.to_do, "open"):
                await self._each(kept, self._follow if self._asked_again else self._resume)
            for kept in await self._book.call(self._book.store.to_do, "received"):
                await self._each(kept, self._carry_out)
            self._asked_again = True
            if self._prune_at is None or moment.at >= self._prune_at:
                self._prune_at = moment.at + PRUNE_EVERY
                await self._book.call(self._book.store.prune, moment.at)
        await self._send()

    async def _each(self, kept: Kept, step: Callable[[Kept, Message], Awaitable[None]]) -> None:
        """Take a step with one request; a bug met there must not keep the others waiting."""
        try:
            if kept.message is not None:
                await step(kept, kept.message)
        except LocalTrouble:
            raise
        except Exception:  # noqa: BLE001 - it is tried again, and told each time
            _log.exception("request %s meets a bug", kept.jti)

    async def _carry_out(self, kept: Kept, message: Message) -> None:
        if not kept.owner:
            await self._repeat(kept, message)
        elif message.action == "cancel":
            await self._cancel(kept, message)
        else:
            await self._ask(kept, message)

    async def _repeat(self, kept: Kept, message: Message) -> None:
        """Answer a transaction that was asked for before with what became of it."""
        store = self._book.store
        owner = await self._book.call(store.owner_of, message.transaction_id)
        before = None if owner is None else await self._book.call(store.newest_answer, owner.jti)
        if before is None:  # it was refused meanwhile
            refusal = Refusal("transaction_conflict", "the transaction was refused; ask again with a new one")
            await self._refuse(kept, message, refusal)
            return
        fresh = self._answer(kept, message, before.outcome)
        again = msgspec.structs.replace(
            before, response_id=fresh.response_id, jti=kept.jti, answered_at=fresh.answered_at, duplicate=True
        )
        await self._book.call(store.settle, kept, again)

    async def _ask(self, kept: Kept, message: Message) -> None:
        """Let the schedule have the read, if it does not have it yet."""
        meter = self._contracts.by_name.get(kept.meter or "")
        if meter is None or kept.deadline is None:  # not in the configuration any more
            await self._give_up(kept, message, "not_configured", WHYS["not_configured"])
            return
        order = msgspec.structs.replace(order_for(message, meter), requested_at=kept.received_at)
        asked = Request(
            message.transaction_id, meter.name, order.purpose, kept.received_at, message.sender, kept.deadline, order
        )
        held = await self._schedule.ask(asked)
        if (held.meter, held.purpose) != (asked.meter, asked.purpose):
            refusal = Refusal("transaction_conflict", "this box made another request under that id")
            await self._refuse(kept, message, refusal)
            return
        answer = None
        if kept.state == "received":
            accepted = self._answer(kept, message, "accepted")
            answer = msgspec.structs.replace(accepted, deadline=utc_text(kept.deadline))
            _log.info("%s: a %s read is asked for by %s", meter.name, message.action, message.sender)
        await self._book.call(self._book.store.opened, kept, held.requested_at, answer)

    async def _cancel(self, kept: Kept, message: Message) -> None:
        """Take a read back, if it has not begun."""
        store, cancelled = self._book.store, message.cancels or ""
        owner = await self._book.call(store.owner_of, cancelled)
        asked = None if owner is None else owner.message
        if owner is None or asked is None or asked.action == "cancel" or asked.sender != message.sender:
            refusal = Refusal("unknown_transaction", "this agent has no such request of this sender")
            await self._refuse(kept, message, refusal)
            return
        if owner.state == "open":
            await self._schedule.withdraw(cancelled)
            await self._follow(owner, asked)
        before = await self._book.call(store.newest_answer, owner.jti)
        if before is not None and before.outcome == "cancelled":
            await self._book.call(store.settle, kept, self._answer(kept, message, "done"))
            return
        visiting = before is None or before.outcome == "accepted"
        why = "the meter is being visited" if visiting else f"the read is over: {before and before.outcome}"
        await self._refuse(kept, message, Refusal("too_late", why))

    async def _resume(self, kept: Kept, message: Message) -> None:
        """After a start: let the schedule have a read that it should have, whatever became of its file."""
        if not await self._over(kept, message):
            await self._ask(kept, message)

    async def _follow(self, kept: Kept, message: Message) -> None:
        """See what became of a read that the schedule has, and answer if it is over."""
        await self._over(kept, message)

    async def _over(self, kept: Kept, message: Message) -> bool:
        if kept.due is None or kept.meter is None or kept.deadline is None:
            return False
        row = await self._schedule.row(kept.meter, kept.due)
        if row is None and self._now().at > kept.deadline + FORGOTTEN:
            await self._give_up(kept, message, "unknown", "what became of it is not on record any more")
        elif row is None or row.state not in {"done", "given_up"}:
            return False
        elif row.state == "done":
            done = msgspec.structs.replace(self._answer(kept, message, "done"), reading_id=row.reading_id)
            await self._book.call(self._book.store.settle, kept, done)
        elif row.why == CANCELLED:
            await self._book.call(self._book.store.settle, kept, self._answer(kept, message, "cancelled"))
        else:
            await self._give_up(kept, message, row.reason or row.why, row.detail or WHYS.get(row.why, row.why))
        return True

    async def _give_up(self, kept: Kept, message: Message, reason: str, detail: str) -> None:
        given_up = self._answer(kept, message, "given_up")
        told = msgspec.structs.replace(given_up, reason=reason, detail=detail[:LONGEST_DETAIL])
        await self._book.call(self._book.store.settle, kept, told)

    async def _send(self) -> None:
        """Put what is answered into the spool, each once."""
        while unsent := await self._book.call(self._book.store.unsent):
            for response_id, body in unsent:

                def build(sequence: int, answer: bytes = body) -> bytes:
                    return placed(answer, sequence)

                with suppress(AlreadySpooled):  # before a crash
                    await self._spool.add("response", response_id, build)
                await self._book.call(self._book.store.sent, response_id)

    async def _refuse(self, kept: Kept, message: Message, refusal: Refusal) -> None:
        answer = refused(self._agent_id, kept.jti, refusal, message, self._now())
        await self._book.call(self._book.store.settle, kept, answer, disowned=True)

    def _answer(self, kept: Kept, message: Message, outcome: Outcome) -> Answer:
        at = self._now().at
        return compose(self._agent_id, kept.jti, outcome, at=at, stamp=at, message=message)

    async def _untroubled(self, work: Awaitable[None]) -> None:
        try:
            await work
            self._complaint = ""
        except LocalTrouble as error:
            if str(error) != self._complaint:
                _log.error("%s; it is tried again", error)
            self._complaint = str(error)
        except Exception:  # noqa: BLE001 - a bug met by a request must not stop the service
            _log.exception("a request meets a bug")
