"""What the schedule is made of: how a meter is read again and again, one read that is due, what becomes of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import Enum

from agent.figures import EVENING
from agent.lines import Way
from agent.order import Order, Purpose
from agent.scheduling.cycle import Cycle
from agent.scheduling.local_time import moment_of
from agent.scheduling.retry import Failure
from agent.scheduling.window import CallWindow

DAY = timedelta(days=1)
LATE = timedelta(days=1)  # how long a read is tried that was found only after its deadline
FIRST_OF_ALL = 0  # priority of what was asked for
OF_THE_CYCLE = 1

#: Why a read is given up, in words.
WHYS = {
    "deadline": "the deadline has passed",
    "next_due": "the next read of this meter is due",
    "tries": "it was tried as often as it may be",
    "no_retry": "trying again would not help",
    "no_window": "no call window is left before the deadline",
    "no_line": "no line was free before the deadline",
    "did_not_call": "the meter did not call",
    "calls_used_up": "the number was called as often as it may be in a day",
    "not_configured": "the meter is not in the configuration any more",
    "cancelled": "it was taken back by whoever asked for it",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How one meter is read. `longest`: of a visit; it is begun only where so much is left of the window."""

    meter: str
    cycle: Cycle
    way: Way
    zone: tzinfo = UTC
    window: CallWindow | None = None
    deadline: time = EVENING  # local
    longest: timedelta | None = None
    waits: timedelta = timedelta(0)  # for a meter that calls by itself, from when its call is due
    only_calls: bool = False  # it cannot be called

    def deadline_of(self, due: datetime) -> datetime:
        """Return when a read that falls due at `due` is late: the evening of that day, or the next if it has passed."""
        day = due.astimezone(self.zone).date()
        evening = moment_of(day, self.deadline, self.zone)
        return evening if due < evening else moment_of(day + DAY, self.deadline, self.zone)

    def until(self, due: datetime, found: datetime) -> datetime:
        """Return when a read of the cycle is given up. One that is `found` after its deadline is read late."""
        deadline, following = self.deadline_of(due), self.cycle.after(due)
        last = deadline if found < deadline else found + LATE
        return last if following is None else min(last, following)


@dataclass(frozen=True, slots=True)
class Request:
    """A read out of the cycle that was asked for. `request_id`: of the transaction; asked twice it is read once."""

    request_id: str
    meter: str
    purpose: Purpose
    requested_at: datetime
    requested_by: str
    deadline: datetime
    order: Order


class Stage(Enum):
    """Where a read stands."""

    WAITING = "waiting"  # for its time: spread, back-off, window, number
    READY = "ready"  # for a line
    VISITING = "visiting"
    SETTLED = "settled"


@dataclass(slots=True, eq=False)
class Read:
    """One read that is to be made."""

    standing: Standing
    due: datetime  # of a request: when it was made
    deadline: datetime
    until: datetime  # when it is given up
    most_tries: int
    request: Request | None = None
    attempts: int = 0
    failure: Failure | None = None  # the last one
    next_try: datetime | None = None
    stage: Stage = Stage.WAITING
    held_by: str = ""  # what keeps it from being tried: one of `WHYS`
    line: str = ""  # while visiting
    ends_by: datetime | None = None  # while visiting: then the visit must be over
    brought: bool = False  # a reading, if not a whole one
    ticket: int = field(default=0)  # of the last time that it was scheduled: what is older is void

    @property
    def meter(self) -> str:
        return self.standing.meter

    @property
    def rank(self) -> tuple[int, float]:
        """What goes first: what was asked for, then the nearest deadline."""
        return (OF_THE_CYCLE if self.request is None else FIRST_OF_ALL, self.deadline.timestamp())


@dataclass(frozen=True, slots=True)
class Done:
    """A reading of it is kept."""

    read: Read
    at: datetime
    reading_id: str


@dataclass(frozen=True, slots=True)
class GivenUp:
    """It is not tried again. `why`: one of `WHYS`; `reason` in one word: the last failure, else what held it back."""

    read: Read
    at: datetime
    why: str

    @property
    def reason(self) -> str:
        return self.read.failure.reason if self.read.failure is not None else self.why

    @property
    def detail(self) -> str:
        """In words."""
        what = WHYS[self.why]
        return f"{self.read.failure.detail}; {what}" if self.read.failure is not None else what


@dataclass(frozen=True, slots=True)
class Missed:
    """Due times that passed unseen, and that a newer one stands in for: the meter's memory has their intervals."""

    meter: str
    first: datetime
    last: datetime
    count: int
    at: datetime


Settled = Done | GivenUp | Missed
