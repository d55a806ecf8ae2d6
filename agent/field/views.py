"""What a person is asked for and shown of one job: frozen pictures that may be kept, sent and forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from agent.order import Order
from agent.reading import Outcome, Reading
from drivers.person import Question
from drivers.visual.entry import Entry
from drivers.visual.trouble import Trouble

Way = Literal["probe", "visual"]
State = Literal["waiting_for_line", "reading", "asking", "checking", "done", "failed", "cancelled"]
ENDED: frozenset[State] = frozenset({"done", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Work:
    """What to do at one meter. `url`: of the probe that the person chose; `entry`: what a person typed (`visual`).

    `stop_id`: the stop of a route that the reading settles; None for a meter that is on no route. The photographs of a
    visual read are in `entry.photos`, by the names of `PhotoStore`; those of a probe read belong to the stop.
    """

    way: Way
    order: Order
    url: str = ""  # probe: required; visual: unused
    entry: Entry | None = None  # visual: required
    stop_id: str | None = None


@dataclass(frozen=True, slots=True)
class ProgressView:
    """How far the driver is. Octets are those of the line, or of the stage."""

    stage: str = ""  # "identify", "logon", "ST23", "ST64" …
    done: int = 0  # octets of this stage
    total: int = 0  # 0: not known
    bytes_on_line: int = 0
    tables: int = 0  # stages so far, this one included
    intervals: int = 0
    seconds_left: int | None = None  # of this stage at the rate of the line; the load profile is one stage
    line_rate: int = 0  # octets a second, lately


@dataclass(frozen=True, slots=True)
class Asked:
    """The question that waits for an answer. `number` goes back with the answer, which is taken for no other one."""

    number: int
    question: Question
    seconds_left: int  # until the job goes on without an answer


@dataclass(frozen=True, slots=True)
class CheckView:
    """One check in plain words. `says` has no figure of the record where a person typed the reading."""

    check: str
    title: str
    outcome: Outcome
    says: str
    advice: str = ""  # what to do about it; only of a failed one
    clause: str = ""
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class ErrorView:
    """Why there is no reading, or why it is not whole: in words, and what to do."""

    message: str
    advice: str = ""
    trouble: tuple[Trouble, ...] = ()  # of a reasoned non-reading


@dataclass(frozen=True, slots=True)
class JobView:
    """One job at one moment. A later picture of the same job has a higher `version`."""

    job_id: str  # opaque, random: fit for a URL
    version: int
    way: Way
    state: State
    by: str
    stop_id: str | None
    started_at: datetime
    ended_at: datetime | None = None
    elapsed_s: int = 0
    progress: ProgressView = ProgressView()
    asked: Asked | None = None  # may be there while the meter is still being read
    document: bytes | None = None  # JSON, `mrsp.reading/1`: as stored, or as a person who typed it may see it
    reading_id: str | None = None
    sequence: int | None = None  # its place in the spool; None while it waits for the time to be known
    checks: tuple[CheckView, ...] = ()  # the failed ones first
    error: ErrorView | None = None  # of a failed job; of one that is done: what ended the visit early
    stop_error: str = ""  # why the stop could not be settled with this reading, which is safe all the same

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED

    @property
    def failed_checks(self) -> tuple[str, ...]:
        """The names of the failed checks, each once."""
        return tuple(dict.fromkeys(check.check for check in self.checks if check.outcome == "fail"))

    def reading(self) -> Reading | None:
        """Return the document decoded; None where there is none."""
        return None if self.document is None else msgspec.json.decode(self.document, type=Reading)
