"""Where the schedule goes on after a start, a crash, or a clock that was set: what is kept becomes what is to be done.

    fixes = take_up(agenda, kept, now, stored=…)        pure; then the store carries out `fixes`

What is in the spool is done, whatever the schedule's file says; an attempt that a crash ended has failed; what is
older than the newest due time is given up or was missed. Settled due times that lie in the future were set down by a
clock that was wrong: they fall due again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agent.scheduling.agenda import Agenda, Tried
from agent.scheduling.reads import Request
from agent.scheduling.retry import LINE_WAITS_S, Failure
from agent.scheduling.store import Kept, Row

AHEAD = timedelta(minutes=10)  # more than a proven clock is ever set by
AFTER_CRASH = timedelta(seconds=LINE_WAITS_S[0])  # a meter that was left in the middle ends its session by itself
INTERRUPTED = Failure("interrupted", "the agent was stopped in the middle of the visit", retry=True)


@dataclass(slots=True)
class Fixes:
    """What the store has to be told. `cursors`: of new meters, and of those that the clock ran ahead of."""

    cursors: dict[str, datetime] = field(default_factory=dict)
    done: list[Row] = field(default_factory=list)
    given_up: list[tuple[Row, str]] = field(default_factory=list)  # with the reason: one of `WHYS`
    read: list[tuple[str, datetime, str]] = field(default_factory=list)  # meter, due time, reading
    unknown: list[Request] = field(default_factory=list)  # of meters that are not in the configuration any more


def take_up(
    agenda: Agenda,
    kept: Kept,
    now: datetime,
    stored: Collection[str],
    doubtful: Mapping[str, tuple[datetime, str]] | None = None,
) -> Fixes:
    """Set `agenda` to what is `kept`. `stored`: those of the readings on their way that the agent has in keeping.

    `doubtful`: meters that were read while the time was not known, when that was, and the reading.
    """
    fixes = Fixes()
    cursors = dict(kept.cursors)
    for meter in agenda.meters:
        if meter not in cursors or cursors[meter] > now + AHEAD:
            cursors[meter] = fixes.cursors[meter] = now
    for row in kept.open:
        if row.state == "came" and row.whole and row.reading_id in stored:
            fixes.done.append(row)
            if row.request_id is None:
                cursors[row.meter] = max(cursors.get(row.meter, row.due), row.due)
    for meter, (at, reading_id) in (doubtful or {}).items():
        newest = agenda.newest(meter, now)
        if newest is not None and cursors[meter] < newest <= at:
            cursors[meter] = newest
            fixes.read.append((meter, newest, reading_id))
    agenda.rebase(now, cursors)
    for number, calls in kept.calls.items():
        agenda.numbers.restore(number, calls, now)
    _take_up_open(agenda, kept, now, fixes)
    return fixes


def _take_up_open(agenda: Agenda, kept: Kept, now: datetime, fixes: Fixes) -> None:
    """Let reads that are not done go on, or find that they cannot."""
    open_rows = [row for row in kept.open if row not in fixes.done]
    for row in open_rows:
        if row.request_id is None and not _restored(agenda, row, now):
            fixes.given_up.append((row, "next_due" if agenda.knows(row.meter) else "not_configured"))
    tried = {row.request_id: row for row in open_rows}
    for request in kept.requests:
        if not agenda.knows(request.meter):
            fixes.unknown.append(request)
        elif (before := tried.get(request.request_id)) is not None:  # the others are taken up as new ones
            agenda.add(request, now, _tried(before, now))


def _restored(agenda: Agenda, row: Row, now: datetime) -> bool:
    """Take over a read of the cycle; return False for one that is not to be made any more."""
    if not agenda.knows(row.meter):
        return False
    if row.due > now + AHEAD:
        return True  # by a clock that was wrong: it is not due yet, and is forgotten with the cursor
    return agenda.restore(row.meter, row.due, row.until, _tried(row, now))


def _tried(row: Row, now: datetime) -> Tried:
    if row.state == "waiting":
        failure = Failure(row.reason, row.detail, retry=True) if row.reason else None
        return Tried(row.next_try or now, row.attempts, failure)
    return Tried(now + AFTER_CRASH, row.attempts, INTERRUPTED)
