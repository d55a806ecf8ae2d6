"""Deadlines: local times across midnight and the change of the clocks, and moments."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from agent.errors import UsageError
from agent.routes.loading import parse_route
from agent.routes.order import deadline_of
from tests.routes.routes_kit import octets, route

LA = "America/Los_Angeles"


@pytest.mark.parametrize(
    ("text", "day", "zone", "at"),
    [
        ("17:00", "2026-03-02", LA, "2026-03-03T01:00:00Z"),
        ("7:30", "2026-07-01", LA, "2026-07-01T14:30:00Z"),
        ("02:00 next day", "2026-03-02", LA, "2026-03-03T10:00:00Z"),
        ("00:00 next day", "2026-12-31", LA, "2027-01-01T08:00:00Z"),
        ("02:30", "2026-03-08", LA, "2026-03-08T10:00:00Z"),  # does not exist: when the clocks go forward
        ("02:30 next day", "2026-03-07", LA, "2026-03-08T10:00:00Z"),
        ("17:00", "2026-03-08", LA, "2026-03-09T00:00:00Z"),  # a day of 23 hours
        ("01:30", "2026-11-01", LA, "2026-11-01T08:30:00Z"),  # twice: the first
        ("17:00", "2026-11-01", LA, "2026-11-02T01:00:00Z"),
        ("00:30", "2026-03-29", "Asia/Beirut", "2026-03-28T22:00:00Z"),  # midnight itself does not exist
        ("02:15", "2026-04-05", "Australia/Lord_Howe", "2026-04-04T15:45:00Z"),  # half an hour goes back
        ("2026-03-03T01:00:00+00:00", "2026-03-02", LA, "2026-03-03T01:00:00Z"),
        ("2026-03-02T00:00:00-08:00", "2026-03-02", LA, "2026-03-02T08:00:00Z"),
        ("12:00", "2026-03-02", "Pacific/Kiritimati", "2026-03-01T22:00:00Z"),
    ],
)
def test_a_deadline_is_a_moment(text: str, day: str, zone: str, at: str) -> None:
    assert deadline_of(text, date.fromisoformat(day), zone) == datetime.fromisoformat(at)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("24:00", "is no time; write 17:00"),
        ("5 pm", "is no time; write 17:00"),
        ("17:00 next week", "is no time"),
        ("17:00\n", "control character"),
        ("2026-03-02T17:00:00", "does not say its zone"),
        ("2026-03-01T17:00:00-08:00", "is not on 2026-03-02 or in the 31 days after it"),
        ("2026-05-01T17:00:00-08:00", "31 days after"),
        ("0001-01-01T00:00:00+14:00", "31 days after"),
        ("9999-12-31T23:59:59-14:00", "31 days after"),
        ("٠٧:٣٠", "is no time"),
        ("", "length >= 1"),
        (1700, "Expected `str"),
    ],
)
def test_what_is_no_deadline_is_refused(text: object, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_route(octets(route(1, deadline=text)), "json")


def test_a_route_needs_none() -> None:
    tree = route(1)
    del tree["deadline"]
    assert parse_route(octets(tree), "json").route.deadline_at() is None
