"""What programs are sent of jobs."""

from __future__ import annotations

from agent.console.api.endpoint import Given
from agent.console.api.shapes import shaped
from agent.console.problem import Moment
from agent.field.views import JobView, State, Way
from agent.reading import Outcome
from drivers.person import Topic
from drivers.visual.trouble import Trouble


class ProgressOfJob(Given, frozen=True):
    """How far the driver is. `done` and `total` are octets of the stage; `total` 0: not known."""

    stage: str
    done: int
    total: int
    bytes_on_line: int
    tables: int
    intervals: int
    seconds_left: int | None
    line_rate: int


class QuestionNow(Given, frozen=True):
    """What the person is to look at, and to type or scan."""

    topic: Topic
    text: str
    because: str
    example: str
    again: bool


class AskedNow(Given, frozen=True):
    """The question that waits for an answer; its `number` goes back with it."""

    number: int
    question: QuestionNow
    seconds_left: int


class FailureNow(Given, frozen=True):
    """Why there is no reading, or why it is not whole: in words, and what to do."""

    message: str
    advice: str
    trouble: tuple[Trouble, ...]


class CheckNow(Given, frozen=True):
    """One check in plain words."""

    check: str
    title: str
    outcome: Outcome
    says: str
    advice: str
    clause: str
    channel: int | None


class JobNow(Given, frozen=True):
    """One job at one moment. A later picture of the same job has a higher `version`.

    `reading_id`: of what was read, which is safe on the box from then on, whatever becomes of the stop (`stop_error`).
    """

    job_id: str
    version: int
    way: Way
    state: State
    ended: bool
    by: str
    stop_id: str | None
    started_at: Moment
    ended_at: Moment | None
    elapsed_s: int
    progress: ProgressOfJob
    asked: AskedNow | None
    reading_id: str | None
    sequence: int | None
    failed_checks: tuple[str, ...]
    error: FailureNow | None
    stop_error: str


class JobWhole(JobNow, frozen=True):
    """One job with the checks of its reading, the failed ones first."""

    checks: tuple[CheckNow, ...]


def job_now(view: JobView) -> JobNow:
    """Return a job for a list, or an event."""
    return shaped(JobNow, view)


def job_whole(view: JobView) -> JobWhole:
    """Return a job with all but its reading."""
    return shaped(JobWhole, view)
