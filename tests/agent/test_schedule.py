"""Due times lie on a grid that does not depend on when the agent was started."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.schedule import next_due, parse_duration


@pytest.mark.parametrize(("text", "seconds"), [("15m", 900), ("1h", 3600), (" 1 d ", 86_400), ("90s", 90)])
def test_durations_a_person_writes(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "15", "0m", "-1h", "1w", "1.5h", "9999999d"])
def test_other_durations_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="for example 15m"):
        parse_duration(text)


@given(
    st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(1, 10**6),
    st.integers(0, 10**6),
)
def test_the_next_due_time_is_the_first_after_now_on_the_grid(now: datetime, every_s: int, offset_s: int) -> None:
    every, offset = timedelta(seconds=every_s), timedelta(seconds=offset_s)
    due = next_due(now, every, offset)
    assert now < due <= now + every
    assert next_due(due - timedelta(microseconds=1), every, offset) == due
    assert next_due(due, every, offset) == due + every


def test_a_quarter_hour_grid_is_aligned_to_the_hour() -> None:
    now = datetime(2026, 3, 1, 12, 7, 3, tzinfo=UTC)
    assert next_due(now, timedelta(minutes=15), timedelta(minutes=2)) == datetime(2026, 3, 1, 12, 17, tzinfo=UTC)
