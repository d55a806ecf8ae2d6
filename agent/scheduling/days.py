"""The days on which a meter is read: of the week, of the month, business days, or a list of dates. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

from agent.business_days import business_day_after, is_business_day
from agent.scheduling.local_time import weekdays_text

DAY = timedelta(days=1)
LAST = -1  # of the month


class Days(Protocol):
    """A rule that picks days."""

    def from_day(self, day: date) -> date | None:
        """Return the first such day that is not before `day`; None if there is none."""
        ...

    def until_day(self, day: date) -> date | None:
        """Return the last such day that is not after `day`; None if there is none."""
        ...

    def words(self) -> str:
        """Say which days, for `… at 06:00`."""
        ...


@dataclass(frozen=True, slots=True)
class Weekly:
    """Days of the week, Monday 0; at least one."""

    days: frozenset[int]

    def from_day(self, day: date) -> date:
        while day.weekday() not in self.days:
            day += DAY
        return day

    def until_day(self, day: date) -> date:
        while day.weekday() not in self.days:
            day -= DAY
        return day

    def words(self) -> str:
        return weekdays_text(self.days)


@dataclass(frozen=True, slots=True)
class BusinessDays:
    """Monday to Friday less federal holidays."""

    def from_day(self, day: date) -> date:
        while not is_business_day(day):
            day += DAY
        return day

    def until_day(self, day: date) -> date:
        while not is_business_day(day):
            day -= DAY
        return day

    def words(self) -> str:
        return "every business day"


@dataclass(frozen=True, slots=True)
class Monthly:
    """Days of the month, 1 to 31 or `LAST`; a day that a month lacks is its last. `business`: counted in those."""

    numbers: tuple[int, ...]
    business: bool = False

    def from_day(self, day: date) -> date:
        month = day.replace(day=1)
        while True:
            for found in self._of(month):
                if found >= day:
                    return found
            month = (month + 31 * DAY).replace(day=1)

    def until_day(self, day: date) -> date:
        month = day.replace(day=1)
        while True:
            for found in reversed(self._of(month)):
                if found <= day:
                    return found
            month = (month - DAY).replace(day=1)

    def words(self) -> str:
        kind = "business day" if self.business else "day"
        names = [f"the last {kind}" if number == LAST else f"{kind} {number}" for number in self.numbers]
        return f"{' and '.join(names)} of every month"

    def _of(self, month: date) -> list[date]:
        return sorted({self._day(month, number) for number in self.numbers})

    def _day(self, month: date, number: int) -> date:
        last = month.replace(day=monthrange(month.year, month.month)[1])
        if not self.business:
            return last if number == LAST else min(month + (number - 1) * DAY, last)
        if number == LAST:
            return BusinessDays().until_day(last)
        return min(business_day_after(month - DAY, number), BusinessDays().until_day(last))


@dataclass(frozen=True, slots=True)
class Listed:
    """The dates of a list, in order."""

    dates: tuple[date, ...]

    def from_day(self, day: date) -> date | None:
        found = bisect_left(self.dates, day)
        return self.dates[found] if found < len(self.dates) else None

    def until_day(self, day: date) -> date | None:
        found = bisect_right(self.dates, day)
        return self.dates[found - 1] if found else None

    def words(self) -> str:
        first, last = self.dates[0], self.dates[-1]
        return f"{first}" if first == last else f"{len(self.dates)} dates from {first} to {last}"
