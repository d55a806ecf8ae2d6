"""Wall-clock times of a place as moments, also on the days on which its clocks are changed. Pure.

A time that does not exist (the clocks are put forward over it) is the moment at which they are put forward: 02:30
becomes 03:00, the first moment of that day that is not before 02:30. A time that comes twice (they are put back over
it) is its first pass, so that nothing is done twice.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

SECOND = timedelta(seconds=1)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def moment_of(day: date, at: time, zone: tzinfo, *, second_pass: bool = False) -> datetime:
    """Return the moment (UTC) of `at` on `day` in `zone`; `second_pass`: of a time that comes twice, the later one."""
    wall = datetime.combine(day, at).replace(tzinfo=zone, fold=int(second_pass))
    found = wall.astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return found
    before, after = sorted(wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    offset = after.astimezone(zone).utcoffset()
    while after - before > SECOND:  # the change lies between them
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after


def parse_time(text: str) -> time:
    """Return `06:00` as a time of day. Raises `ValueError` saying what is accepted."""
    found = re.fullmatch(r"\s*([01]?[0-9]|2[0-3]):([0-5][0-9])\s*", text)
    if not found:
        msg = f"{text.strip()!r} is not a time of day; write for example 06:00 or 21:30"
        raise ValueError(msg)
    return time(int(found[1]), int(found[2]))


def parse_weekdays(text: str) -> frozenset[int]:
    """Return `mon-fri`, `sat, sun` or `mon, wed-fri` as numbers of days, Monday 0. Raises `ValueError`."""
    days: set[int] = set()
    for part in text.lower().split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        ends = [first, last] if dash else [first]
        if not all(end in WEEKDAYS for end in ends):
            msg = f"{part.strip()!r} is no day of the week; write for example mon-fri or sat, sun"
            raise ValueError(msg)
        begin, length = WEEKDAYS.index(ends[0]), (WEEKDAYS.index(ends[-1]) - WEEKDAYS.index(ends[0])) % 7
        days.update((begin + step) % 7 for step in range(length + 1))
    return frozenset(days)


def weekdays_text(days: frozenset[int]) -> str:
    """Return days of the week in words: `every day`, `mon-fri`, `tue, thu`."""
    if len(days) == len(WEEKDAYS):
        return "every day"
    ordered = sorted(days)
    if len(ordered) > 2 and ordered[-1] - ordered[0] == len(ordered) - 1:
        return f"{WEEKDAYS[ordered[0]]}-{WEEKDAYS[ordered[-1]]}"
    return ", ".join(WEEKDAYS[day] for day in ordered)
