"""Read cycles: the moments at which the reads of a meter fall due. Pure.

A due time is a moment in UTC, so that a restart neither shifts nor doubles it. `Grid` counts from 1970 in UTC;
`Calendar` goes by the clock on the wall where the meter stands, on the days that a rule picks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Protocol

from agent.schedule import EPOCH, next_due
from agent.scheduling.days import DAY, Days
from agent.scheduling.local_time import moment_of

MOST_COUNTED = 10_000  # due times of a calendar that are counted one by one; after that "at least so many"


class Cycle(Protocol):
    """When reads fall due."""

    def after(self, moment: datetime) -> datetime | None:
        """Return the first due time strictly after `moment`; None if there is none any more."""
        ...

    def up_to(self, moment: datetime) -> datetime | None:
        """Return the last due time at or before `moment`; None if there was none."""
        ...

    def count(self, begin: datetime, end: datetime) -> int:
        """Count the due times after `begin` up to and including `end`."""
        ...

    def words(self) -> str:
        """Say when, for a person."""
        ...


@dataclass(frozen=True, slots=True)
class Grid:
    """Multiples of `every` since 1970 UTC, plus `offset`."""

    every: timedelta
    offset: timedelta = timedelta(0)

    def after(self, moment: datetime) -> datetime:
        return next_due(moment, self.every, self.offset)

    def up_to(self, moment: datetime) -> datetime:
        return next_due(moment, self.every, self.offset) - self.every

    def count(self, begin: datetime, end: datetime) -> int:
        return max((end - EPOCH - self.offset) // self.every - (begin - EPOCH - self.offset) // self.every, 0)

    def words(self) -> str:
        return f"every {_span(self.every)}" + (f" at {_span(self.offset)} (UTC)" if self.offset else "")


@dataclass(frozen=True, slots=True)
class Calendar:
    """Times of day in `zone`, in order, on the days that `days` picks. `text`: as it was written."""

    days: Days
    times: tuple[time, ...]
    zone: tzinfo
    text: str = ""

    def after(self, moment: datetime) -> datetime | None:
        day = self.days.from_day(moment.astimezone(self.zone).date() - DAY)
        while day is not None:
            for at in self.times:
                if (due := moment_of(day, at, self.zone)) > moment:
                    return due
            day = self.days.from_day(day + DAY)
        return None

    def up_to(self, moment: datetime) -> datetime | None:
        day = self.days.until_day(moment.astimezone(self.zone).date() + DAY)
        while day is not None:
            for at in reversed(self.times):
                if (due := moment_of(day, at, self.zone)) <= moment:
                    return due
            day = self.days.until_day(day - DAY)
        return None

    def count(self, begin: datetime, end: datetime) -> int:
        counted, due = 0, self.after(begin)
        while due is not None and due <= end and counted < MOST_COUNTED:
            counted, due = counted + 1, self.after(due)
        return counted

    def words(self) -> str:
        times = " and ".join(f"{at:%H:%M}" for at in self.times)
        return f"{self.days.words()} at {times} ({'UTC' if self.zone is UTC else self.zone})"


def _span(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
