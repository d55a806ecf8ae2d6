"""What `mrsp schedule show` tells of each meter: what became of its newest read, and what comes next. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from agent.scheduling.reads import WHYS, Request, Standing
from agent.scheduling.store import Row

Told = Literal["late", "given up", "visiting", "trying", "due", "done", "waiting"]
#: What a person has to look at comes first.
ORDER: tuple[Told, ...] = ("late", "given up", "trying", "due", "visiting", "waiting", "done")


@dataclass(frozen=True, slots=True)
class Shown:
    """One read of one meter. `state`: late: its deadline passed, and it is still tried; waiting: none is due yet."""

    standing: Standing
    state: Told
    due: datetime | None  # of the read that `state` tells of
    deadline: datetime | None
    following: datetime | None  # the next due time of the cycle
    attempts: int = 0
    reason: str = ""  # in words: why it failed, or was given up
    next_try: datetime | None = None
    at: datetime | None = None  # of the last change
    reading_id: str | None = None
    request: Request | None = None


def overview(
    standings: Iterable[Standing],
    rows: Sequence[Row],
    cursors: Mapping[str, datetime],
    requests: Iterable[Request],
    now: datetime,
) -> list[Shown]:
    """Return the reads to be shown, late ones first, then by deadline and name."""
    known = {standing.meter: standing for standing in standings}
    newest: dict[str, Row] = {}
    for row in rows:
        if row.request_id is None and (row.meter not in newest or row.due > newest[row.meter].due):
            newest[row.meter] = row
    asked: dict[str | None, Row] = {row.request_id: row for row in rows if row.request_id is not None}
    found = [_cycle(standing, newest.get(standing.meter), cursors, now) for standing in known.values()]
    found += _requests(known, asked, requests, now)
    return sorted(found, key=lambda one: (ORDER.index(one.state), one.deadline or now, one.standing.meter))


def dues(standings: Iterable[Standing], begin: datetime, end: datetime) -> Iterator[tuple[datetime, Standing]]:
    """Yield the due times after `begin` up to `end` of each meter, meter by meter."""
    for standing in standings:
        due = standing.cycle.after(begin)
        while due is not None and due <= end:
            yield due, standing
            due = standing.cycle.after(due)


def _cycle(standing: Standing, row: Row | None, cursors: Mapping[str, datetime], now: datetime) -> Shown:
    following, due = standing.cycle.after(now), standing.cycle.up_to(now)
    begun = cursors.get(standing.meter)
    if due is not None and begun is not None and due > begun and (row is None or row.due < due):
        deadline = standing.deadline_of(due)
        return Shown(standing, "late" if now >= deadline else "due", due, deadline, following)
    if row is None:
        return Shown(standing, "waiting", None, None, following)
    return _told(standing, row, standing.deadline_of(row.due), following, now)


def _requests(
    known: Mapping[str, Standing], asked: Mapping[str | None, Row], requests: Iterable[Request], now: datetime
) -> Iterator[Shown]:
    for request in requests:
        if (standing := known.get(request.meter)) is None:
            continue
        row = asked.get(request.request_id)
        if row is None:
            state: Told = "late" if now >= request.deadline else "due"
            yield Shown(standing, state, request.requested_at, request.deadline, None, request=request)
        else:
            yield _told(standing, row, request.deadline, None, now, request)


def _told(
    standing: Standing,
    row: Row,
    deadline: datetime,
    following: datetime | None,
    now: datetime,
    request: Request | None = None,
) -> Shown:
    states: dict[str, Told] = {
        "done": "done", "missed": "given up", "given_up": "given up", "visiting": "visiting", "came": "visiting"
    }  # fmt: skip
    state = states.get(row.state, "late" if now >= deadline else "trying")
    reason = row.detail or WHYS.get(row.why, row.reason)
    return Shown(
        standing,
        state,
        row.due,
        deadline,
        following,
        row.attempts,
        reason,
        row.next_try,
        row.at,
        row.reading_id,
        request,
    )
