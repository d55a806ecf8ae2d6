"""The `cycle` of a configuration, as a person writes it. Pure.

    daily at 00:15                        monthly on day 1 at 06:00
    daily at 00:15, 12:15                 monthly on day 1, 15 at 06:00
    mon-fri at 06:00                      monthly on last day at 23:45
    business days at 06:00                monthly on business day 3 at 06:00
    on 2026-01-05, 2026-02-04 at 06:00    monthly on last business day at 06:00

Times are those of the clock on the wall where the meter stands. Day 31 is the last day of a shorter month.
"""

from __future__ import annotations

import re
from datetime import date, tzinfo

from agent.scheduling.cycle import Calendar
from agent.scheduling.days import LAST, BusinessDays, Days, Listed, Monthly, Weekly
from agent.scheduling.local_time import WEEKDAYS, parse_time, parse_weekdays

LONGEST = 8_000  # characters: a list of read dates for decades
MOST_TIMES = 96
MOST_BUSINESS_DAYS = 15  # every month has as many

FORMS = "`daily at 00:15`, `mon-fri at 06:00`, `business days at 06:00`, `monthly on day 1 at 06:00`, " + (
    "`monthly on business day 3 at 06:00`, `on 2026-01-05, 2026-02-04 at 06:00`"
)


def parse_cycle(text: str, zone: tzinfo) -> Calendar:
    """Return a cycle in the site's `zone`. Raises `ValueError` saying what is wrong and what is accepted."""
    found = re.fullmatch(r"\s*(\S.*?)\s+at\s+([0-9:,\s]+?)\s*", text.lower())
    if not found or len(text) > LONGEST:
        msg = f"{text[:80]!r} is not a read cycle; write {FORMS}"
        raise ValueError(msg)
    times = tuple(sorted({parse_time(part) for part in found[2].split(",")}))
    if len(times) > MOST_TIMES:
        msg = f"at most {MOST_TIMES} times a day can be given"
        raise ValueError(msg)
    return Calendar(_days(found[1]), times, zone, " ".join(text.split()))


def _days(text: str) -> Days:
    words = " ".join(text.split())
    if words == "daily":
        return Weekly(frozenset(range(7)))
    if words == "business days":
        return BusinessDays()
    if words.startswith("monthly on "):
        return _monthly(words.removeprefix("monthly on "))
    if words.startswith("on "):
        return _listed(words.removeprefix("on "))
    if words[:3] in WEEKDAYS:
        return Weekly(parse_weekdays(words))
    msg = f"{words[:80]!r} names no days; write {FORMS}"
    raise ValueError(msg)


def _monthly(text: str) -> Monthly:
    found = re.fullmatch(r"(last )?(business )?day(?: ([0-9]{1,2}(?:\s*,\s*[0-9]{1,2})*))?", text)
    if not found or bool(found[1]) == bool(found[3]):
        msg = (
            f"{text[:80]!r} is no day of the month; write `day 1`, `last day`, `business day 3` or `last business day`"
        )
        raise ValueError(msg)
    business = bool(found[2])
    numbers = (LAST,) if found[1] else tuple(sorted({int(number) for number in found[3].split(",")}))
    most = MOST_BUSINESS_DAYS if business else 31
    if wrong := [number for number in numbers if number != LAST and not 1 <= number <= most]:
        kind = "business days" if business else "days"
        msg = f"{kind} of the month go from 1 to {most}, not {wrong[0]}"
        raise ValueError(msg)
    return Monthly(numbers, business)


def _listed(text: str) -> Listed:
    dates: set[date] = set()
    for part in text.split(","):
        try:
            dates.add(date.fromisoformat(part.strip()))
        except ValueError:
            msg = f"{part.strip()[:40]!r} is no date; write for example 2026-03-31"
            raise ValueError(msg) from None
    return Listed(tuple(sorted(dates)))
