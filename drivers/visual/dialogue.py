"""Asking the person, written down: the recording of a visual read shows what was asked and what was typed."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import msgspec

from drivers.base import Task
from drivers.errors import UsageError
from drivers.person import Answer, Ask, Question
from drivers.transport.base import Transport
from drivers.transport.recording import start_recording
from drivers.visual.entry import Entry

TRIES = 3  # of an answer that makes no sense


class PersonLine:
    """A person as a line: what is put in is what they say. There is nothing to open, and no speed."""

    name = "visual"
    baud = 0

    def __init__(self) -> None:
        self._said: deque[bytes] = deque()

    def put(self, said: bytes) -> None:
        """Let the next `read` return this."""
        self._said.append(said)

    async def read(self) -> bytes:
        return self._said.popleft()

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:
        """Nothing: the question goes to the person by other means."""

    def discard_input(self) -> int:
        return 0

    async def set_baud(self, baud: int) -> None:
        """Nothing: people have no speed."""

    async def close(self) -> None:
        """Nothing."""


class Dialogue:
    """The person of one visit: the entry that they brought, and their answers. `ask` is None if nobody is there."""

    def __init__(self, person: PersonLine, line: Transport, ask: Ask | None) -> None:
        self._person = person
        self._line = line
        self._ask = ask

    @property
    def possible(self) -> bool:
        """Whether there is somebody to ask."""
        return self._ask is not None

    async def brought(self, entry: Entry) -> None:
        """Write down what the person brought."""
        await self._hear(msgspec.json.encode(entry) + b"\n")

    async def ask(self, question: Question) -> Answer:
        """Ask once, and return what was said."""
        if self._ask is None:
            return Answer(None)
        await self._line.write(msgspec.json.encode(question) + b"\n")
        answer = await self._ask(question)
        await self._hear(msgspec.json.encode(answer) + b"\n")
        return answer

    async def ask_until(self, question: Question, wrong: Callable[[str], str]) -> Answer:
        """Ask until the answer makes sense: `wrong` says why it does not. Raises `UsageError` when it never does."""
        reason = ""
        for _ in range(TRIES):
            answer = await self.ask(replace(question, because=reason or question.because))
            if answer.text is None:
                return answer
            reason = wrong(answer.text)
            if not reason:
                return answer
        raise UsageError(f"no answer that makes sense in {TRIES}: {reason}")

    async def _hear(self, said: bytes) -> None:
        self._person.put(said)
        await self._line.read()


@asynccontextmanager
async def dialogue_of(task: Task) -> AsyncIterator[Dialogue]:
    """Talk to the person of a task, on the record if one is kept. Raises `UsageError` if it cannot be written."""
    person = PersonLine()
    line: Transport = person
    if task.record is not None:
        line = start_recording(person, task.record, monotonic_ns=task.monotonic_ns)
    try:
        yield Dialogue(person, line, task.ask)
    finally:
        await line.close()
