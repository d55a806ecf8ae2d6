"""Answers to requests, and what carries them out: a kind of `Errand` for each kind of thing that can be asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from agent.requests.answer import LONGEST_DETAIL, Answer, Outcome, compose
from agent.requests.book import RequestBook
from agent.requests.intake import refused
from agent.requests.judging import Refusal
from agent.requests.message import Action, Message
from agent.requests.store import Kept
from agent.scheduling.scheduler import Moment


class Errand(Protocol):
    """Carries out requests of some actions. Every step can be made again; raises `LocalTrouble`, and is tried again."""

    @property
    def actions(self) -> frozenset[Action]:
        """What it is asked for."""
        ...

    @property
    def called(self) -> str:
        """What one of them is, in words."""
        ...

    @property
    def under_way(self) -> str:
        """Why one that has begun is not taken back, in words."""
        ...

    async def begin(self, kept: Kept, message: Message) -> None:
        """Carry out a request that was taken, as far as it goes at once, and answer."""
        ...

    async def resume(self, kept: Kept, message: Message) -> None:
        """After a start: go on with one that is open."""
        ...

    async def follow(self, kept: Kept, message: Message) -> None:
        """See what became of one that is open, and answer if it is over."""
        ...

    async def take_back(self, kept: Kept, message: Message) -> None:
        """Take back one that is open, and answer, if it has not begun."""
        ...


class Desk:
    """Answers the requests of one agent: each answer is on the disk with what it answers."""

    def __init__(self, book: RequestBook, now: Callable[[], Moment]) -> None:
        self.book = book
        self.now = now
        self._agent_id = book.mandate.agent_id

    def answer(self, kept: Kept, message: Message, outcome: Outcome, **facts: Any) -> Answer:
        """Compose an answer; `facts`: further fields of it."""
        at = self.now().at
        composed = compose(self._agent_id, kept.jti, outcome, at=at, stamp=at, message=message)
        return msgspec.structs.replace(composed, **facts)

    async def settle(self, kept: Kept, answer: Answer) -> None:
        """It is over, with this answer."""
        await self.book.call(self.book.store.settle, kept, answer)

    async def give_up(self, kept: Kept, message: Message, reason: str, detail: str, **facts: Any) -> None:
        """It is over without what was asked for."""
        told = self.answer(kept, message, "given_up", reason=reason, detail=detail[:LONGEST_DETAIL], **facts)
        await self.settle(kept, told)

    async def refuse(self, kept: Kept, message: Message, refusal: Refusal) -> None:
        """It was not done, and its transaction does not count as asked for."""
        answer = refused(self._agent_id, kept.jti, refusal, message, self.now())
        await self.book.call(self.book.store.settle, kept, answer, disowned=True)
