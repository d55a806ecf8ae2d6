"""One job while it goes on: what is known of it, and the picture of that for whoever looks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from agent.errors import MrspError
from agent.field.asking import AskedPerson
from agent.field.bell import Bell
from agent.field.pace import NS, Pace
from agent.field.results import document_for_person, told
from agent.field.task import Task
from agent.field.views import ENDED, CheckView, ErrorView, JobView, State
from agent.reading import Reading
from agent.visit import Outcome
from drivers.base import Progress
from drivers.visual.trouble import NotRead

TOLD_EVERY_S = 0.25  # of progress: as often as an eye follows it, and fifty watchers cost little
BUG = "this visit met a bug of the program, which is written to its log"


@dataclass(slots=True)
class _Result:
    """What came of it. `document` as the person may see it."""

    document: bytes | None = None
    reading_id: str | None = None
    sequence: int | None = None
    checks: tuple[CheckView, ...] = ()
    error: ErrorView | None = None
    stop_error: str = ""


@dataclass(slots=True)
class Clocks:
    """What a job takes its times from: the time of the day, and a monotonic clock."""

    now: Callable[[], datetime]
    monotonic_ns: Callable[[], int]


class Job:
    """One job. Rings its own bell, and the desk's, at each change."""

    def __init__(self, task: Task, clocks: Clocks, desk_bell: Bell, patience_s: float) -> None:
        self.task = task
        self.bell = Bell()
        self.person = AskedPerson(patience_s, self.changed)
        self.visiting: asyncio.Task[Outcome] | None = None
        self.living: asyncio.Task[None] | None = None
        self.given_up = False  # somebody ended it
        self.taken_up = False  # it was begun by an earlier life of the agent: nobody may be there
        self.version = 0
        self._clocks = clocks
        self._desk_bell = desk_bell
        self._pace = Pace()
        self._state: State = "waiting_for_line" if task.line is not None else "reading"
        self._result = _Result()
        self._started_at, self._started_ns = clocks.now(), clocks.monotonic_ns()
        self._ended_at: datetime | None = None
        self._ended_ns = 0
        self._told_at = float("-inf")
        self._teller: asyncio.TimerHandle | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self._state in ENDED

    @property
    def octets(self) -> int:
        """What is held of its document."""
        return len(self._result.document or b"")

    def view(self) -> JobView:
        """Return the picture of this moment."""
        result = self._result
        asked = None if self.ended else self.person.asked
        state: State = "asking" if self._state == "reading" and self.person.waited_for else self._state
        until_ns = self._ended_ns if self.ended else self._clocks.monotonic_ns()
        return JobView(
            job_id=self.task.job_id,
            version=self.version,
            way=self.task.way,
            state=state,
            by=self.task.by,
            stop_id=self.task.stop_id,
            started_at=self._started_at,
            ended_at=self._ended_at,
            elapsed_s=max(0, until_ns - self._started_ns) // NS,
            progress=self._pace.view(),
            asked=asked,
            document=result.document,
            reading_id=result.reading_id,
            sequence=result.sequence,
            checks=result.checks,
            error=result.error,
            stop_error=result.stop_error,
        )

    def changed(self) -> None:
        """Let everybody who looks know that there is something new."""
        if self._teller is not None:
            self._teller.cancel()
            self._teller = None
        self._told_at = asyncio.get_running_loop().time()
        self.version = self._desk_bell.ring()
        self.bell.ring()

    def came_to(self, state: State) -> None:
        """Go on to `state`."""
        self._state = state
        self.changed()

    def progressed(self, progress: Progress) -> None:
        """Take what the driver tells; it is shown at most every quarter of a second."""
        self._pace.feed(progress, self._clocks.monotonic_ns())
        loop = asyncio.get_running_loop()
        if self._teller is not None:
            return
        wait_s = self._told_at + TOLD_EVERY_S - loop.time()
        if wait_s <= 0:
            self.changed()
        else:
            self._teller = loop.call_later(wait_s, self._tell)

    def read(self, reading: Reading, broken: Exception | None, *, sequence: int | None, stop_error: str) -> None:
        """End it with a reading that is kept; `broken`: what ended the visit early."""
        typed = self.task.way == "visual"
        self._result = _Result(
            document=document_for_person(reading, typed=typed),
            reading_id=reading.reading_id,
            sequence=sequence,
            checks=told(reading, typed=typed),
            error=None if broken is None else error_view(broken),
            stop_error=stop_error,
        )
        self._end("done")

    def failed(self, error: Exception) -> None:
        """End it without a reading."""
        self._result.error = error_view(error)
        self._end("failed")

    def cancelled(self) -> None:
        """End it because somebody wanted that."""
        self._end("cancelled")

    def _end(self, state: State) -> None:
        self._ended_at, self._ended_ns = self._clocks.now(), self._clocks.monotonic_ns()
        self.came_to(state)

    def _tell(self) -> None:
        self._teller = None
        self.changed()


def error_view(error: Exception) -> ErrorView:
    """Return an error for a person; what is no error of ours may quote anything, and is not shown."""
    if not isinstance(error, MrspError):
        return ErrorView(BUG)
    trouble = error.trouble if isinstance(error, NotRead) else ()
    return ErrorView(error.message, error.advice, trouble)
