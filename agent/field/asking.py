"""The person of one job: what is asked waits for their answer, for so long and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from agent.field.views import Asked
from drivers.person import Answer, Question, Topic

UNANSWERED = "nobody answered in time"
LEFT = "the person broke off"


@dataclass(slots=True)
class _Pending:
    """One question. `ends_at`: by the loop's clock, once the visit waits for the answer."""

    number: int
    question: Question
    answer: asyncio.Future[Answer]
    ends_at: float | None = None


class AskedPerson:
    """Asks one question at a time. Who does not answer one in time is not asked another: the job is to end."""

    def __init__(self, patience_s: float, changed: Callable[[], None]) -> None:
        self._patience_s = patience_s
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._number = 0
        self._pending: _Pending | None = None
        self._early: dict[Topic, _Pending] = {}
        self._gone = ""  # why nobody is there any more

    @property
    def waited_for(self) -> bool:
        """Whether the visit waits for the person."""
        return self._pending is not None and self._pending.ends_at is not None

    @property
    def asked(self) -> Asked | None:
        """The question that waits for an answer."""
        pending = self._pending
        if pending is None:
            return None
        left_s = self._patience_s if pending.ends_at is None else pending.ends_at - self._loop.time()
        return Asked(pending.number, pending.question, max(0, round(left_s)))

    def expect(self, question: Question) -> None:
        """Ask what the visit will ask later: the person can answer while the meter is read."""
        self._early[question.topic] = self._pose(question)

    async def ask(self, question: Question) -> Answer:
        """Ask, and wait; `Answer(None)` with the reason if nobody answers."""
        early = None if question.again else self._early.pop(question.topic, None)
        if self._gone:
            self._drop()
            return Answer(None, self._gone)
        pending = early or self._pose(question)
        if pending.answer.done():
            return pending.answer.result()
        pending.ends_at = self._loop.time() + self._patience_s
        self._pending = pending
        self._changed()
        try:
            await asyncio.wait({pending.answer}, timeout=self._patience_s)
            if pending.answer.done():
                return pending.answer.result()
            self._gone = UNANSWERED
            return Answer(None, UNANSWERED)
        finally:
            self._drop()

    def answer(self, number: int, answer: Answer) -> bool:
        """Take the answer to the question of that number; False if that question does not wait."""
        pending = self._pending
        if pending is None or pending.number != number or pending.answer.done():
            return False
        pending.answer.set_result(answer)
        self._drop()
        return True

    def leave(self) -> None:
        """Answer what is asked, and will be, with nothing."""
        self._gone = LEFT
        if self._pending is not None:
            self.answer(self._pending.number, Answer(None, LEFT))

    def _pose(self, question: Question) -> _Pending:
        self._number += 1
        self._pending = _Pending(self._number, question, self._loop.create_future())
        self._changed()
        return self._pending

    def _drop(self) -> None:
        if self._pending is not None:
            self._pending = None
            self._changed()
