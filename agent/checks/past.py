"""Which past periods the present one is compared with: the same a year ago, else the last (UBP A4 3.3.1.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from fractions import Fraction
from typing import Literal

from agent.checks.quantity import factor
from agent.checks.rules import Percent
from agent.checks.subject import Subject
from agent.history import PastPeriod

DAY = timedelta(days=1)
NO_HISTORY = "the order carries no history of this meter"

Periods = list[PastPeriod]


@dataclass(frozen=True, slots=True)
class Comparable:
    """The periods to compare with, at least one. Of several the highest figure counts."""

    periods: tuple[PastPeriod, ...]
    last_year: bool
    zone: tzinfo

    @property
    def text(self) -> str:
        """Return which they are, for people."""
        first, last = self.periods[0], self.periods[-1]
        span = f"{_day(first.start, self.zone)} to {_day(last.end, self.zone)}"
        which = "the same period last year" if self.last_year else "the last period"
        return f"{which if len(self.periods) == 1 else f'the highest of the last {len(self.periods)} periods'}, {span}"


def zone_of(subject: Subject) -> tzinfo:
    """Return the zone whose calendar counts the days."""
    return subject.site_zone or UTC


def days_between(start: datetime, end: datetime, zone: tzinfo) -> int:
    """Return the days between two reads by the calendar: 29 from June 1 to June 30."""
    return (_day(end, zone) - _day(start, zone)).days


def comparable(subject: Subject, periods: Periods, start: datetime, rule: Percent) -> Comparable | str:
    """Choose of `periods` those to compare the one with that began at `start`, or say why there are none.

    All of them are of one quantity. The same period last year is the one that holds the day that is, a year later, in
    the middle of the present one.
    """
    zone, least = zone_of(subject), rule.least_days
    if not periods:
        return "no past period is on record"
    present = _day(start, zone)
    if late := [period for period in periods if _day(period.end, zone) > present]:
        return (
            f"contradictory: a past period on record ends on {_day(late[0].end, zone)}, after the last read, {present}"
        )
    long = sorted((p for p in periods if days_between(p.start, p.end, zone) >= least), key=lambda period: period.start)
    if not long:
        return f"no past period on record has at least {least} days"
    inclusive = days_between(start, subject.read_at, zone) + 1
    wanted = _a_year_before(present + max(0, inclusive // 2) * DAY)
    for period in reversed(long):  # on the day of a read the period that begins with it is meant
        if _day(period.start, zone) <= wanted <= _day(period.end, zone):
            return Comparable((period,), last_year=True, zone=zone)
    return Comparable(tuple(long[-rule.last_periods :]), last_year=False, zone=zone)


def periods_of(subject: Subject, quantity: str, direction: str, figure: Literal["usage", "peak_demand"]) -> Periods:
    """Return the past periods on the order that have a figure of a quantity, in whatever unit."""
    periods = subject.history.periods if subject.history is not None else ()
    return [
        period
        for period in periods
        if period.direction == direction
        and factor(period.quantity, quantity) is not None
        and getattr(period, figure) is not None
    ]


def billing_start(subject: Subject) -> datetime | None:
    """Return when the present period began: at the last read on the order; None where that is not on record."""
    past = subject.history.registers if subject.history is not None else ()
    last = subject.last_read_at
    if times := [one.at for one in past if one.at <= subject.read_at]:
        return max(times)
    return last if last is not None and last.utcoffset() is not None and last <= subject.read_at else None


def average_daily(chosen: Comparable, quantity: str) -> Fraction:
    """Return the highest average daily usage of past periods, in the unit `quantity`."""
    return max(
        Fraction((period.usage or 0) * (factor(period.quantity, quantity) or 1))
        / days_between(period.start, period.end, chosen.zone)
        for period in chosen.periods
    )


def _day(moment: datetime, zone: tzinfo) -> date:
    return moment.astimezone(zone).date()


def _a_year_before(day: date) -> date:
    try:
        return day.replace(year=day.year - 1)
    except ValueError:  # February 29, or the year 1
        return day - 365 * DAY if day.year > 1 else day
