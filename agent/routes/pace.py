"""How far a route is, and whether it will be done in time. Pure; moments are aware, UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.routes.view import Progress

HOUR = timedelta(hours=1)
LEAST = timedelta(minutes=10)  # before that a pace says nothing


@dataclass(frozen=True, slots=True)
class Tally:
    """The stops of a route, counted. `total` to `skipped`: without those out of the route."""

    total: int
    read: int
    unread: int
    skipped: int
    out_of_route: int
    to_decide: int
    settled: int  # with those out of the route, as in what follows
    in_last_hour: int
    first_at: datetime | None
    last_at: datetime | None


def progress_of(tally: Tally, deadline: datetime | None, now: datetime) -> Progress:
    """Return how far a route is at `now`, with its end as the pace of the last hour of work lets expect."""
    left = tally.total - tally.read - tally.unread
    count, span = _pace(tally, now, over=left == 0)
    done_by = now + span * left / count if count > 0 and left else None
    late = deadline is not None and bool(left) and now > deadline
    return Progress(
        total=tally.total,
        read=tally.read,
        unread=tally.unread,
        skipped=tally.skipped,
        left=left,
        out_of_route=tally.out_of_route,
        to_decide=tally.to_decide,
        per_hour=None if span <= timedelta(0) else round(count * (HOUR / span)),
        deadline=deadline,
        seconds_left=None if deadline is None else (deadline - now) // timedelta(seconds=1),
        done_by=done_by,
        late=late,
        at_risk=not late and deadline is not None and done_by is not None and done_by > deadline,
    )


def _pace(tally: Tally, now: datetime, *, over: bool) -> tuple[int, timedelta]:
    """Return how many stops in which time; no time: that cannot be told yet, or the clock was set."""
    if tally.first_at is None or tally.last_at is None:
        return 0, timedelta(0)
    worked = (tally.last_at if over else now) - tally.first_at
    if worked < LEAST:
        return 0, timedelta(0)
    if over or worked < HOUR:
        return tally.settled - 1, worked  # the first one is where the time begins
    return tally.in_last_hour, HOUR
