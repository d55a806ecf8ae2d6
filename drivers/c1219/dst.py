"""Whether daylight saving was in effect at an instant: by the meter's calendar, the site's zone, or a rule."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from drivers.c1219.context import Context
from drivers.c1219.decade5 import Calendar

#: Says whether daylight saving is in effect at an aware UTC instant.
DstRule = Callable[[datetime], bool]

_ON, _OFF = 1, 2  # CALENDAR_CTRL of ST54
_YEAR = timedelta(days=366)
_SUNDAY = 6


def never(_instant: datetime) -> bool:
    """Say that daylight saving is never in effect."""
    return False


def zone_rule(zone: tzinfo) -> DstRule:
    """Return the rule of a time zone."""

    def rule(instant: datetime) -> bool:
        return bool(instant.astimezone(zone).dst())

    return rule


def united_states_rule(offset: timedelta, amount: timedelta, effective: timedelta) -> DstRule:
    """Return the rule since 2007: second Sunday of March to first Sunday of November, at `effective` by the clock.

    `offset` is the zone's distance from UTC (west negative), `amount` the shift, `effective` normally 02:00.
    """

    def rule(instant: datetime) -> bool:
        year = (instant + offset).year
        start = _at(_sunday(year, 3, 2), effective - offset)
        end = _at(_sunday(year, 11, 1), effective - offset - amount)
        return start <= instant < end

    return rule


def _sunday(year: int, month: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(_SUNDAY - first.weekday()) % 7 + 7 * (nth - 1))


def _at(day: date, utc_time: timedelta) -> datetime:
    return datetime.combine(day, time(), UTC) + utc_time


def calendar_rule(
    context: Context, offset: timedelta, amount: timedelta, effective: timedelta, otherwise: DstRule
) -> DstRule | None:
    """Return the rule of ST54's own dates; None when it has none that can be read.

    An instant more than a year away from any date of the calendar is left to `otherwise`.
    """
    calendar = context.find(Calendar)
    days = sorted(_changes(calendar)) if calendar is not None else []
    if not days:
        return None
    changes = [
        (_at(day, effective - offset - (amount if action == _OFF else timedelta())), action) for day, action in days
    ]
    instants = [instant for instant, _action in changes]

    def rule(instant: datetime) -> bool:
        index = bisect_right(instants, instant)
        if index and instant - instants[index - 1] < _YEAR:
            return changes[index - 1][1] == _ON
        if index < len(changes) and instants[index] - instant < _YEAR:
            return changes[index][1] == _OFF
        return otherwise(instant)

    return rule


def _changes(calendar: Calendar) -> Iterator[tuple[date, int]]:
    """Yield (day, on or off): listed days, and yearly ones on a fixed day of a month (2000–2089)."""
    for listed in calendar.non_recurring:
        if listed.on is not None and listed.action.calendar_ctrl in {_ON, _OFF}:
            yield listed.on, listed.action.calendar_ctrl
    for yearly in calendar.recurring:
        if yearly.action.calendar_ctrl not in {_ON, _OFF} or yearly.offset or not 1 <= yearly.month <= 12:
            continue  # "the n-th weekday" has no open definition
        for year in range(2000, 2090):
            try:
                yield date(year, yearly.month, yearly.day), yearly.action.calendar_ctrl
            except ValueError:  # no such day in this month
                continue
