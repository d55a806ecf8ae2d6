"""What a call that came in is, by its time: the one that was due, or an alarm. Pure.

Times are moments (UTC); the cycle knows the wall clock where the meter stands. A call more than an hour early is an
alarm: it does not use up the call that is due. Exactly an hour early is in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from agent.scheduling.cycle import Cycle

EARLY = timedelta(hours=1)
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class CallTime:
    """What a call is. `due` is the call of the cycle that it uses up; None for an alarm."""

    kind: Literal["scheduled", "alarm"]
    due: datetime | None
    next_at: datetime | None  # when the meter is to call next; None: the cycle has come to its end
    missed: int = 0  # calls of the cycle that were due before it and never came
    early: timedelta = timedelta(0)  # before the call that is due next, of an alarm


def call_time(now: datetime, booked: datetime | None, cycle: Cycle, *, early: timedelta = EARLY) -> CallTime:
    """Judge a call that came at `now`, where `booked` is the first call of the cycle that has not come yet.

    Without `booked` (a meter that never called before) the call is the one that was due last, or is due within
    `early`.
    """
    limit = now + early
    if booked is not None and booked > limit:
        return CallTime("alarm", None, booked, early=booked - now)
    used = cycle.up_to(limit)
    if booked is None:
        used = used or now
        return CallTime("scheduled", used, cycle.after(max(used, now)))
    if used is None or used < booked:  # the cycle was changed since
        used = booked
    missed = cycle.count(booked - _INSTANT, used - _INSTANT)
    return CallTime("scheduled", used, cycle.after(max(used, now)), missed)
