"""What is remembered of a route that the MDSP sent, and when it is over. Pure."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import msgspec

from agent.routes.order import deadline_of, zone_of
from agent.scheduling.local_time import moment_of

QUIET = timedelta(minutes=30)  # nothing is done any more: who closes a stop may have a word to add
AFTER_END = timedelta(hours=12)  # so long after its deadline a route may still be walked


class Walk(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A route that is in the book. `digest`: of what was loaded, whatever is under its id by now."""

    route_id: str
    digest: str
    stops: int  # that were ordered
    report_id: str | None = None  # of the result, before it goes into the spool
    taken_back: bool = False  # it is being taken back


class _Head(msgspec.Struct, frozen=True):
    """As much of a route as says when it is over."""

    day: date
    zone: str
    deadline: str | None = None


def end_of(day: date, zone: str, deadline: datetime | None) -> datetime:
    """Return when a route should be done: by its deadline, else by the end of its day. Raises `ValueError`."""
    return moment_of(day + timedelta(days=1), time(0), zone_of(zone)) if deadline is None else deadline


def is_past(route: bytes, now: datetime) -> bool:
    """Return whether nobody can walk this route (JSON) any more. What cannot be read is not past: it is wrong."""
    try:
        head = msgspec.json.decode(route, type=_Head)
        end = end_of(head.day, head.zone, deadline_of(head.deadline, head.day, head.zone))
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError):
        return False
    return now - end >= AFTER_END


def is_over(end: datetime, *, finished: bool, changed_at: datetime, now: datetime) -> bool:
    """Return whether a route is done, or given up. `finished`: nothing is left; `changed_at`: the last act."""
    return now - changed_at >= QUIET and (finished or now - end >= AFTER_END)
