"""Errors for programs, `application/problem+json` (RFC 9457): what happened, what to do, and what a conflict is about.

`type` is "about:blank" where the HTTP status says it all; else it names one of `kinds()`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Literal

import msgspec
from starlette.responses import Response

from agent.console.logging_in import LoginRefused, TooManyTries
from agent.console.refusals import BeingRead, NotConfirmed
from agent.errors import ClockForbids, LocalTrouble, MrspError, UsageError
from drivers.errors import TransportError

MEDIA_TYPE = "application/problem+json"
PROBLEMS = "/api/v1/problems"  # where the kinds are listed; each is `#name` of it
BLANK = "about:blank"

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of error of the agent, and which HTTP status it is."""

    error: type[MrspError]
    status: int
    name: str

    @property
    def type(self) -> str:
        """What `Problem.type` says."""
        return f"{PROBLEMS}#{self.name}"

    @property
    def meaning(self) -> str:
        return " ".join((self.error.__doc__ or "").partition("\n\n")[0].split())


class StopThere(msgspec.Struct, frozen=True, kw_only=True):
    """A stop as it stands now: who brought it to that state, and who is there."""

    stop_id: str
    version: int
    state: Literal["pending", "claimed", "read", "unread", "skipped"]
    by: str | None
    at: Moment | None
    claimed_by: str | None
    claimed_until: Moment | None


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error. `detail` says what happened, `advice` what a person can do; `stop`: the one that others changed."""

    type: str
    title: str
    status: int
    detail: str = ""
    advice: str = ""
    stop: StopThere | None = None


@cache
def kinds() -> tuple[Kind, ...]:
    """Return every kind; the first that fits an error counts."""
    from agent.field import errors as field  # noqa: PLC0415 - the rooms need no console
    from agent.inspections import errors as inspections  # noqa: PLC0415
    from agent.listening import van  # noqa: PLC0415
    from agent.routes import errors as routes  # noqa: PLC0415

    return (
        Kind(LoginRefused, 401, "login-refused"),
        Kind(TooManyTries, 429, "too-many-tries"),
        Kind(field.NoSuchJob, 404, "no-such-job"),
        Kind(field.NotAsked, 409, "not-asked"),
        Kind(field.TooManyJobs, 429, "too-many-jobs"),
        Kind(routes.NoSuchRoute, 404, "no-such-route"),
        Kind(routes.Conflict, 409, "stop-changed"),
        Kind(NotConfirmed, 409, "hazards-not-confirmed"),
        Kind(BeingRead, 409, "being-read"),
        Kind(inspections.NotThere, 404, "no-such-inspection"),
        Kind(inspections.Conflict, 409, "inspection-changed"),
        Kind(inspections.NotComplete, 422, "inspection-not-complete"),
        Kind(van.NotPlanned, 404, "meter-not-planned"),
        Kind(van.HeardMeanwhile, 409, "meter-heard"),
        Kind(UsageError, 400, "makes-no-sense"),
        Kind(ClockForbids, 409, "clock-forbids"),
        Kind(LocalTrouble, 503, "box-trouble"),
        Kind(TransportError, 502, "line-trouble"),
        Kind(MrspError, 500, "failed"),
    )


def kind_of(error: MrspError) -> Kind:
    """Return which kind an error is."""
    return next(kind for kind in kinds() if isinstance(error, kind.error))


def problem_of(error: Exception, *, status: int, title: str, detail: str, advice: str) -> Problem:
    """Return an error as programs are told of it."""
    from agent.routes.errors import Conflict  # noqa: PLC0415 - as above

    return Problem(
        type=kind_of(error).type if isinstance(error, MrspError) else BLANK,
        title=title,
        status=status,
        detail=detail,
        advice=advice,
        stop=msgspec.convert(error.stop, StopThere, from_attributes=True) if isinstance(error, Conflict) else None,
    )


def problem_answer(problem: Problem, headers: dict[str, str]) -> Response:
    """Answer with an error."""
    return Response(msgspec.json.encode(problem), problem.status, headers=headers, media_type=MEDIA_TYPE)
