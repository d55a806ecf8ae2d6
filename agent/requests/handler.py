"""Requests at work: what came is taken, what was taken is carried out by an errand, what is over is answered.

Every step is on the disk before the next, and can be made again: after a crash the handler goes on where it was. The
schedule takes a transaction once, the book of routes a route once, the spool an answer once, so nothing is visited,
walked or answered twice.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec

from agent.errors import LocalTrouble
from agent.keys import MdspKeys
from agent.requests.answer import placed
from agent.requests.desk import Desk, Errand
from agent.requests.inbox import Inbox
from agent.requests.judging import Refusal
from agent.requests.message import Message, NotTaken
from agent.requests.store import Kept
from agent.spool import AlreadySpooled, Spool

LOOK_EVERY_S = 5.0  # for what is over
PRUNE_EVERY = timedelta(hours=6)

_log = logging.getLogger("agent.requests")


class RequestHandler:
    """Handles the requests of one agent. `counts`: what became of those that came, in one word each."""

    def __init__(self, desk: Desk, keys: MdspKeys, spool: Spool, errands: Iterable[Errand]) -> None:
        self._desk = desk
        self._book = desk.book
        self._keys = keys
        self._spool = spool
        self._errands = {action: errand for errand in errands for action in errand.actions}
        self._resumed = False
        self._trouble: LocalTrouble | None = None
        self._prune_at: datetime | None = None
        self._complaint = ""
        self.counts: Counter[str] = Counter()

    async def run(self, inbox: Inbox) -> None:
        """Handle requests until cancelled. Never raises for trouble of disk or schedule: waits and tries again."""
        while True:
            await self._untroubled(self.carry_on())
            token = await inbox.get(LOOK_EVERY_S)
            if token is not None:
                await self._untroubled(self.take(token))

    async def take(self, token: bytes) -> None:
        """Take one message; raises `LocalTrouble`, and then it was not taken."""
        try:
            keys = self._keys.load().requesters
            word: str = await self._book.call(self._book.intake.take, token, keys, self._desk.now())
        except NotTaken as refusal:
            word = refusal.kind
            _log.log(logging.DEBUG if self.counts[word] else logging.WARNING, "%s", refusal)
        self.counts[word] += 1

    async def carry_on(self) -> None:
        """Do everything that is to be done now; raises `LocalTrouble`, and then it goes on from there.

        What meets trouble waits; the others do not wait for it.
        """
        moment, self._trouble = self._desk.now(), None
        if moment.known:
            await self._book.call(self._book.intake.begun, moment.at)
            for kept in await self._book.call(self._book.store.to_do, "open"):
                await self._each(kept, self._go_on)
            self._resumed = self._resumed or self._trouble is None
            for kept in await self._book.call(self._book.store.to_do, "received"):
                await self._each(kept, self._carry_out)
            if self._prune_at is None or moment.at >= self._prune_at:
                self._prune_at = moment.at + PRUNE_EVERY
                await self._book.call(self._book.store.prune, moment.at)
        await self._send()
        if self._trouble is not None:
            raise self._trouble

    async def _each(self, kept: Kept, step: Callable[[Kept, Message], Awaitable[None]]) -> None:
        """Take a step with one request; trouble or a bug met there must not keep the others waiting."""
        try:
            if kept.message is not None:
                await step(kept, kept.message)
        except LocalTrouble as trouble:
            self._trouble = self._trouble or trouble
        except Exception:  # noqa: BLE001 - it is tried again, and told each time
            _log.exception("request %s meets a bug", kept.jti)

    async def _go_on(self, kept: Kept, message: Message) -> None:
        errand = self._errands.get(message.action)
        if errand is None:  # not in the configuration any more
            await self._desk.give_up(kept, message, "not_configured", "this agent does no field work any more")
        elif self._resumed:
            await errand.follow(kept, message)
        else:
            await errand.resume(kept, message)

    async def _carry_out(self, kept: Kept, message: Message) -> None:
        errand = self._errands.get(message.action)
        if not kept.owner:
            await self._repeat(kept, message)
        elif message.action == "cancel":
            await self._cancel(kept, message)
        elif errand is None:
            await self._desk.refuse(kept, message, Refusal("no_field_work", "this agent does no field work any more"))
        else:
            await errand.begin(kept, message)

    async def _repeat(self, kept: Kept, message: Message) -> None:
        """Answer a transaction that was asked for before with what became of it."""
        store = self._book.store
        owner = await self._book.call(store.owner_of, message.transaction_id)
        if owner is not None and owner.state == "received":
            return  # it met trouble
        before = None if owner is None else await self._book.call(store.newest_answer, owner.jti)
        if before is None:  # it was refused meanwhile
            refusal = Refusal("transaction_conflict", "the transaction was refused; ask again with a new one")
            await self._desk.refuse(kept, message, refusal)
            return
        fresh = self._desk.answer(kept, message, before.outcome)
        again = msgspec.structs.replace(
            before, response_id=fresh.response_id, jti=kept.jti, answered_at=fresh.answered_at, duplicate=True
        )
        await self._desk.settle(kept, again)

    async def _cancel(self, kept: Kept, message: Message) -> None:
        """Take back what has not begun."""
        store = self._book.store
        owner = await self._book.call(store.owner_of, message.cancels or "")
        asked = None if owner is None else owner.message
        if owner is None or asked is None or asked.action == "cancel" or asked.sender != message.sender:
            refusal = Refusal("unknown_transaction", "this agent has no such request of this sender")
            await self._desk.refuse(kept, message, refusal)
            return
        if owner.state == "received":
            return  # it met trouble
        errand = self._errands.get(asked.action)
        if owner.state == "open" and errand is not None:
            await errand.take_back(owner, asked)
        before = await self._book.call(store.newest_answer, owner.jti)
        if before is not None and before.outcome == "cancelled":
            await self._desk.settle(kept, self._desk.answer(kept, message, "done"))
            return
        under_way = before is None or before.outcome == "accepted"
        called = "it" if errand is None else errand.called
        why = errand.under_way if errand and under_way else f"{called} is over: {before and before.outcome}"
        await self._desk.refuse(kept, message, Refusal("too_late", why))

    async def _send(self) -> None:
        """Put what is answered into the spool, each once."""
        while unsent := await self._book.call(self._book.store.unsent):
            for response_id, body in unsent:

                def build(sequence: int, answer: bytes = body) -> bytes:
                    return placed(answer, sequence)

                with suppress(AlreadySpooled):  # before a crash
                    await self._spool.add("response", response_id, build)
                await self._book.call(self._book.store.sent, response_id)

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
