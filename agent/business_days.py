"""Business days: Monday to Friday less the federal holidays of the United States, on the days that these are observed.

Days are those of a place, so an instant is looked at in its time zone. The holidays are taken from the library
`holidays` (5 U.S.C. 6103: a holiday on a Saturday is observed on the Friday before it, one on a Sunday on the Monday
after it). Inauguration Day is one in and around Washington only, and not counted. The library takes long to load, so
that happens with the first question.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

DAY = timedelta(days=1)
SATURDAY = 5
LAST_SECOND = time(23, 59, 59)
FARTHEST = 366  # business days that are counted on; an agent's deadlines are a few


def is_business_day(day: date) -> bool:
    """Tell whether `day` is a business day."""
    return day.weekday() < SATURDAY and day not in _federal_holidays(day.year)


def business_day_after(day: date, count: int = 1) -> date:
    """Return the business day that is the `count`-th after `day`, itself not counted; `count` is from 1 to 366."""
    if not 1 <= count <= FARTHEST:
        raise ValueError(f"from 1 to {FARTHEST} business days are counted, not {count}")
    while count:
        day += DAY
        count -= is_business_day(day)
    return day


def next_business_day(at: datetime, zone: tzinfo) -> date:
    """Return the first business day after the day on which the instant `at` (aware) falls in `zone`."""
    return business_day_after(at.astimezone(zone).date())


def business_days_between(first: date, last: date) -> int:
    """Count the business days after `first` up to and including `last`; negative if `last` is before `first`."""
    if last < first:
        return -business_days_between(last, first)
    return sum(is_business_day(first + k * DAY) for k in range(1, (last - first).days + 1))


def end_of_day(day: date, zone: tzinfo) -> datetime:
    """Return the last second of `day` in `zone`, as UTC; the later one where the clocks are put back over it."""
    return datetime.combine(day, LAST_SECOND, zone).replace(fold=1).astimezone(UTC)


def within_business_days(at: datetime, count: int, zone: tzinfo) -> datetime:
    """Return the last second (UTC) that is within `count` business days of the instant `at` in `zone`.

    The day of `at` is not counted, as where UBP gives the hour: until 11:59 PM of the first business day following.
    """
    return end_of_day(business_day_after(at.astimezone(zone).date(), count), zone)


@lru_cache(maxsize=32)
def _federal_holidays(year: int) -> frozenset[date]:
    """Return the days of `year` on which a federal holiday falls or is observed, a New Year's Day to come included."""
    from holidays import country_holidays  # noqa: PLC0415 - 0.2 s and 19 MB: only where days are counted

    return frozenset(country_holidays("US", years=year))
