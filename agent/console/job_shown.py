"""What the page of a job says beyond the job itself: how it ended, its checks in order of use, its stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from starlette.requests import Request

from agent.console.choices import choices_of
from agent.console.profile_shown import zone_of
from agent.console.registers_shown import groups_of
from agent.console.request import person_of, texts_of, world_of
from agent.console.text import Texts
from agent.console.walk import Row, Walk, title_of
from agent.field.views import JobView
from agent.reading import EventPart, Reading
from agent.routes.errors import NoSuchRoute
from agent.routes.view import Stop

EVENTS_SHOWN = 20  # the newest; the earlier ones are folded away
SAID_EVERY_S = 20  # of a read that goes on, to who cannot see it


@dataclass(frozen=True, slots=True)
class OfRoute:
    """The stop that a job is for."""

    stop: Stop
    walk: Walk
    title: str
    next: Row | None

    @property
    def path(self) -> str:
        return f"/stops/{self.stop.stop_id}"

    def to_accept(self, job: JobView) -> bool:
        """Whether the reading of this job waits for somebody to accept it, or to read again."""
        return self.stop.to_decide and self.stop.reading_id == job.reading_id

    def taken_by_other(self) -> bool:
        return (self.stop.claimed_by or self.walk.by) != self.walk.by


async def of_route(request: Request, job: JobView) -> OfRoute | None:
    """Return the stop of a job; None for a meter that is on no route, or of a route that made room for newer ones."""
    book = world_of(request).routes
    if book is None or job.stop_id is None:
        return None
    try:
        stop = await book.stop(job.stop_id)
        view = await book.route(stop.route_id)
    except NoSuchRoute:
        return None
    walk = Walk(view, person_of(request).name, choices_of(request).backwards)
    return OfRoute(stop, walk, title_of(stop), walk.after(stop))


def live_context(job: JobView, texts: Texts) -> dict[str, Any]:
    """Return what the templates of a job that goes on need."""
    asked = job.asked
    return {
        "job": job,
        "stage": stage_of(job, texts),
        "elapsed": timedelta(seconds=job.elapsed_s),
        "left": None if job.progress.seconds_left is None else timedelta(seconds=job.progress.seconds_left),
        "answer_in": None if asked is None else timedelta(seconds=asked.seconds_left),
        "asked_number": 0 if asked is None else asked.number,
        "spoken": spoken(job, texts),
    }


async def ended_context(request: Request, job: JobView) -> dict[str, Any]:
    """Return what the templates of a job that has ended need."""
    reading, texts = job.reading(), texts_of(request)
    zone = world_of(request).zone
    return {
        "job": job,
        "of_route": await of_route(request, job),
        "outcome": outcome_of(job),
        "reading": reading,
        "there": _local_in(zone if reading is None else zone_of(reading, zone)),
        "failed": [check for check in job.checks if check.outcome == "fail"],
        "checks": [check for check in job.checks if check.outcome != "fail"],
        "groups": () if reading is None else groups_of(reading.registers, texts),
        "events": () if reading is None else newest_first(reading.events),
        "events_shown": EVENTS_SHOWN,
        "lost": _lost(reading),
        "profile": reading is not None and any(block.values for block in reading.interval_blocks),
        "probe": choices_of(request).probe,
    }


def outcome_of(job: JobView) -> str:
    """Return the key of the text that says how a job ended."""
    if job.state != "done":
        return job.state
    if job.error is not None:
        return "part"
    return "failed_checks" if job.failed_checks else "done"


def stage_of(job: JobView, texts: Texts) -> str:
    """Return what is done now, for a person: `Load profile (ST64)`."""
    name = job.progress.stage
    if not name:
        return ""
    key, is_table = f"job.stage.{name.split()[0]}", name[:2] in {"ST", "MT"}
    if is_table:
        return texts("job.stage_of", what=texts(key if key in texts else "job.stage.other"), name=name)
    return texts(key) if key in texts else name


def spoken(job: JobView, texts: Texts) -> str:
    """Return what is read aloud: another text when the state changes or a question comes, else now and then."""
    if job.ended:
        return texts(f"job.over_{outcome_of(job)}")
    what = job.asked.question.text if job.state == "asking" and job.asked is not None else stage_of(job, texts)
    return texts(f"job.said_{job.state}", what=what)


def newest_first(events: tuple[EventPart, ...]) -> tuple[EventPart, ...]:
    """Return the events as a person looks for them; those without a time keep their place at the end."""
    timed = [event for event in events if event.at is not None]
    timed.sort(key=lambda event: (event.at or "", event.sequence or 0), reverse=True)
    return (*timed, *(event for event in events if event.at is None))


def _local_in(zone: tzinfo) -> Callable[[datetime | str], str]:
    """Return what writes a time of the document as a clock at the meter shows it."""

    def there(at: datetime | str) -> str:
        moment = datetime.fromisoformat(at) if isinstance(at, str) else at
        here = moment.astimezone(zone)
        return f"{here:%Y-%m-%d %H:%M:%S}" if here.second else f"{here:%Y-%m-%d %H:%M}"

    return there


def _lost(reading: Reading | None) -> Mapping[str, str]:
    problems = () if reading is None else reading.problems or ()
    return {problem.what: problem.reason for problem in problems if problem.lost}
