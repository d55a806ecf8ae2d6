"""Business days over many years against the law written out here, and at the edges of days and of summer time."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.business_days import (
    business_day_after,
    business_days_between,
    end_of_day,
    is_business_day,
    next_business_day,
    within_business_days,
)

EASTERN, PACIFIC = ZoneInfo("America/New_York"), ZoneInfo("America/Los_Angeles")
DAY = timedelta(days=1)

days = st.dates(date(2012, 1, 1), date(2044, 12, 31))


def nth(year: int, month: int, weekday: int, count: int) -> date:
    """Return the `count`-th weekday of a month; -1: the last one."""
    found = [
        day for k in range(31) if (day := date(year, month, 1) + k * DAY).month == month and day.weekday() == weekday
    ]
    return found[count - 1 if count > 0 else count]


def by_law(year: int) -> set[date]:
    """Return the legal public holidays of 5 U.S.C. 6103 as observed from Monday to Friday, of one year."""
    fixed = [(1, 1), (7, 4), (11, 11), (12, 25)] + ([(6, 19)] if year >= 2021 else [])
    found = {date(year, month, day) for month, day in fixed} | {date(year + 1, 1, 1)}
    found |= {nth(year, 1, 0, 3), nth(year, 2, 0, 3), nth(year, 5, 0, -1), nth(year, 9, 0, 1), nth(year, 10, 0, 2)}
    found.add(nth(year, 11, 3, 4))
    shift = {5: -DAY, 6: DAY}
    return {day for holiday in found if (day := holiday + shift.get(holiday.weekday(), timedelta(0))).year == year}


@pytest.mark.parametrize("year", range(2012, 2045))
def test_every_day_of_a_year_is_as_the_law_says(year: int) -> None:
    holidays = by_law(year)
    first = date(year, 1, 1)
    for k in range((date(year + 1, 1, 1) - first).days):
        day = first + k * DAY
        assert is_business_day(day) == (day.weekday() < 5 and day not in holidays), day


@pytest.mark.parametrize(
    ("holiday", "name"),
    [
        (date(2021, 6, 18), "Juneteenth, on a Saturday, on the Friday"),
        (date(2022, 6, 20), "Juneteenth, on a Sunday, on the Monday"),
        (date(2021, 12, 31), "New Year's Day of 2022, in the year before"),
        (date(2026, 7, 3), "Independence Day, on a Saturday"),
        (date(2023, 11, 10), "Veterans Day, on a Saturday"),
        (date(2022, 12, 26), "Christmas, on a Sunday"),
    ],
)
def test_what_falls_on_a_weekend_is_observed_beside_it(holiday: date, name: str) -> None:
    assert not is_business_day(holiday), name


def test_juneteenth_is_none_before_it_was_made_one() -> None:
    assert is_business_day(date(2020, 6, 19))


@pytest.mark.parametrize("day", [date(2013, 1, 22), date(2021, 1, 20), date(2029, 1, 22), date(2024, 12, 24)])
def test_inauguration_day_and_days_granted_by_order_are_business_days(day: date) -> None:
    assert is_business_day(day)


@given(days)
def test_the_next_one_is_one_and_there_is_none_between(day: date) -> None:
    after = business_day_after(day)
    assert is_business_day(after)
    assert day < after <= day + 5 * DAY
    assert business_days_between(day, after) == 1
    assert business_days_between(day, after - DAY) == 0


@given(days, st.integers(1, 30))
def test_counting_on_and_counting_between_agree(day: date, count: int) -> None:
    last = business_day_after(day, count)
    assert business_days_between(day, last) == count
    assert business_days_between(last, day) == -count
    assert business_day_after(business_day_after(day), count) == business_day_after(day, count + 1)


@pytest.mark.parametrize("count", [0, -1, 367])
def test_a_count_that_makes_no_sense_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="business days are counted"):
        business_day_after(date(2026, 3, 2), count)


def test_the_day_is_that_of_the_place() -> None:
    at = datetime(2026, 3, 6, 5, 30, tzinfo=UTC)  # Thursday evening in Los Angeles, Friday in New York
    assert next_business_day(at, PACIFIC) == date(2026, 3, 6)
    assert next_business_day(at, EASTERN) == date(2026, 3, 9)


@pytest.mark.parametrize(
    ("at", "until"),
    [
        # detected on the Friday before summer time begins: Monday, 23:59:59 EDT
        (datetime(2026, 3, 6, 20, tzinfo=UTC), datetime(2026, 3, 10, 3, 59, 59, tzinfo=UTC)),
        # before winter time begins: Monday, 23:59:59 EST
        (datetime(2026, 10, 30, 20, tzinfo=UTC), datetime(2026, 11, 3, 4, 59, 59, tzinfo=UTC)),
        # in the hour that there is twice, at both times a Sunday
        (datetime(2026, 11, 1, 5, 30, tzinfo=UTC), datetime(2026, 11, 3, 4, 59, 59, tzinfo=UTC)),
        (datetime(2026, 11, 1, 6, 30, tzinfo=UTC), datetime(2026, 11, 3, 4, 59, 59, tzinfo=UTC)),
        # over Independence Day, observed on the Friday, and the weekend
        (datetime(2026, 7, 2, 16, tzinfo=UTC), datetime(2026, 7, 7, 3, 59, 59, tzinfo=UTC)),
    ],
)
def test_within_a_business_day_is_until_the_end_of_the_next(at: datetime, until: datetime) -> None:
    assert within_business_days(at, 1, EASTERN) == until


def test_an_evening_that_there_is_twice_ends_the_second_time() -> None:
    havana = ZoneInfo("America/Havana")  # the clocks go back from 01:00 to 00:00
    assert end_of_day(date(2026, 10, 31), havana) < end_of_day(date(2026, 11, 1), havana)
    azores = ZoneInfo("Atlantic/Azores")
    assert end_of_day(date(2026, 10, 25), azores).astimezone(azores).time().isoformat() == "23:59:59"


def test_the_library_is_loaded_with_the_first_question_and_not_before() -> None:
    code = (
        "import sys; from datetime import date; import agent.business_days as b; loaded = 'holidays' in sys.modules\n"
        "b.is_business_day(date(2026, 3, 1)); weekend = 'holidays' in sys.modules\n"
        "b.is_business_day(date(2026, 3, 2)); print(loaded, weekend, 'holidays' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False", "True"]
