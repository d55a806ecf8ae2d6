"""Whatever a reader has otherwise than it must is found, and said in words."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest

from metersim.lab import differences
from metersim.lab.compare import NotComparable
from tests.metersim.lab_kit import expectation, laboratory, read

Document = dict[str, Any]
EXPECTED = "full-counters"


@cache
def _read() -> Document:
    with TemporaryDirectory() as directory:
        return read(laboratory(EXPECTED), expectation(EXPECTED).visits[0], Path(directory))


def found() -> Document:
    """What the agent found at the first visit, to be spoilt."""
    return copy.deepcopy(_read())


def compared(document: Document) -> list[str]:
    return differences(expectation(EXPECTED).visits[0], document)


def change(*keys: str | int, to: Any) -> Callable[[Document], None]:
    def changed(document: Document) -> None:
        place: Any = document
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = to

    return changed


def drop(*keys: str | int) -> Callable[[Document], None]:
    def dropped(document: Document) -> None:
        place: Any = document
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]

    return dropped


def outcome(check: str, outcome: str) -> Callable[[Document], None]:
    def judged(document: Document) -> None:
        for one in document["checks"]:
            if one["check"] == check:
                one["outcome"] = outcome

    return judged


def test_a_right_reading_differs_in_nothing() -> None:
    assert compared(found()) == []


def test_zeros_and_order_are_no_difference() -> None:
    document = found()
    document["registers"].reverse()
    register = document["registers"][0]
    register["value"] = f"{register['value']}.000" if "." not in register["value"] else register["value"] + "0"
    document["interval_blocks"].reverse()
    assert [one for one in compared(document) if not one.startswith("check")] == []


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (change("meter", "meter_id", to="1"), "meter.meter_id: '1' instead of '87654321'"),
        (change("clock", "meter_time", to="2026-01-19T17:00:00Z"), "clock.meter_time: 2026-01-19T17:00:00Z instead of"),
        (change("meter_status", "flags", to=["low_battery"]), "meter_status.flags: ['low_battery'] instead of []"),
        (change("registers", 0, "value", to="1"), "register not found: 0 Wh delivered cumulative current present"),
        (drop("registers", 3), "register not found"),
        (change("registers", 1, "tier", to=5), "register that is not there"),
        (change("interval_blocks", 0, "pulses", 7, to=999), "interval channel 1 to 2026-01-10T07:00:00Z: 999 = "),
        (change("interval_blocks", 1, "status", 0, to=["partial"]), "(partial) instead of"),
        (change("interval_blocks", 1, "values", 0, to=None), "= None Wh received"),
        (drop("interval_blocks", 2), "interval not found: channel 1 to 2026-01-11T05:15:00Z"),
        (change("interval_blocks", 0, "first_interval_end", to="2026-01-09T05:15:00Z"), "that the meter does not hold"),
        (drop("events", 0), "entry not found: event 1 11 2 at 2026-01-10T05:00:00Z"),
        (change("events", 0, "code", to=12), "entry that is not there"),
        (change("events", 0, "at", to="2026-01-10T06:00:00Z"), "entry event 1 11 2 at 2026-01-10T06:00:00Z instead of"),
        (outcome("pulse_overflow", "pass"), "check pulse_overflow must fail (4 intervals): pass"),
        (outcome("meter_clock", "fail"), "check meter_clock must pass"),
        (outcome("meter_clock", "skipped"), ""),
        (outcome("pulse_overflow", "verified"), ""),
    ],
)
def test_whatever_is_otherwise_is_said(spoil: Callable[[Document], None], says: str) -> None:
    document = found()
    spoil(document)
    wrong = compared(document)
    assert any(says in one for one in wrong) if says else wrong == []


def test_intervals_that_a_check_must_name_are_compared() -> None:
    document = found()
    (overflow,) = (one for one in document["checks"] if one["check"] == "pulse_overflow")
    named = overflow["intervals"]
    overflow["intervals"] = [named[0] + 1, *named[1:-1]]
    assert compared(document) == [
        "check pulse_overflow must name the interval of channel 1 to 2026-01-14T23:15:00Z",
        "check pulse_overflow must name the interval of channel 1 to 2026-01-15T00:00:00Z",
    ]
    overflow["intervals"] = [*named, 0]
    assert compared(document) == [
        "check pulse_overflow must not name the interval of channel 1 to 2026-01-10T05:15:00Z"
    ]


def test_intervals_that_a_check_may_name_are_named_or_not() -> None:
    expected = expectation(EXPECTED).visits[0]
    (overflow,) = (one for one in expected.checks if one.check == "pulse_overflow")
    loose = msgspec.structs.replace(overflow, intervals=None, may_name=overflow.intervals)
    visit = msgspec.structs.replace(expected, checks=(loose,))
    document = found()
    assert differences(visit, document) == []
    for one in document["checks"]:
        one["intervals"] = []
    assert differences(visit, document) == []


def test_a_document_without_checks_and_events_is_compared_in_the_rest() -> None:
    document = found()
    del document["checks"], document["events"]
    assert compared(document) == []


def test_a_reader_that_lives_at_another_time_is_not_held_to_its_judgement_of_the_clock() -> None:
    document = found()
    outcome("meter_clock", "fail")(document)
    assert len(compared(document)) == 1
    document["read_finished_at"] = "2027-01-01T00:00:00Z"
    assert compared(document) == []
    del document["read_finished_at"]
    assert compared(document) == []


def test_either_pass_of_the_repeated_hour_will_do() -> None:
    expected = expectation(EXPECTED).visits[0]
    first = msgspec.structs.replace(expected.events[0], ambiguous=True)
    doubtful = msgspec.structs.replace(expected, events=(first, *expected.events[1:]))
    document = found()
    document["events"][0]["at"] = "2026-01-10T06:00:00Z"
    assert differences(doubtful, document) == []
    document["events"][0]["at"] = "2026-01-10T04:00:00Z"
    assert len(differences(doubtful, document)) == 1


def test_many_differences_of_a_kind_are_counted() -> None:
    document = found()
    document["interval_blocks"] = []
    wrong = compared(document)
    assert sum(one.startswith("interval not found") for one in wrong) == 8
    held = sum(len(block.pulses) for block in expectation(EXPECTED).visits[0].interval_blocks)
    assert f"and {held - 8} more of the kind" in wrong
    assert sum("check pulse_overflow names interval" in one and "which is not there" in one for one in wrong) == 4


@pytest.mark.parametrize(
    "spoil",
    [
        drop("registers"),
        drop("interval_blocks", 0, "status"),
        change("interval_blocks", 0, "status", to=[]),
        change("interval_blocks", 0, "pulses", 0, to={}),
        change("registers", 0, "value", to="many"),
        change("registers", to=3),
        change("checks", 0, to="fail"),
        change("interval_blocks", 0, "interval_s", to="900"),
        change("interval_blocks", 0, "interval_s", to=10**30),
        change("registers", 0, "value", to="sNaN"),
    ],
)
def test_what_is_no_reading_is_said_to_be_none(spoil: Callable[[Document], None]) -> None:
    document = found()
    spoil(document)
    with pytest.raises(NotComparable, match=r"mrsp\.reading/1"):
        compared(document)
