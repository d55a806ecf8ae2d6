"""A person's reading through a whole visit: which checks apply, what they find, and what a second look makes of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agent.checks import ClockFacts, Subject, load_rule_set, run_checks
from agent.clock.system import SystemClock
from agent.document import encode
from agent.history import History, PastPeriod, PastRegister
from agent.order import Order
from agent.reading import CheckResult
from agent.second_look import verified, wants
from agent.visit import Box, Outcome, visit
from drivers.base import Task
from drivers.data import MeterData
from drivers.errors import UsageError
from drivers.person import Ask
from drivers.visual.driver import VisualDriver
from drivers.writes import ClockOrder
from tests.checks.good_subject import good_subject, with_data
from tests.visual.person import Person

READ_AT = datetime(2026, 11, 21, 20, tzinfo=UTC)
LAST_YEAR = datetime(2025, 10, 22, 20, tzinfo=UTC)
BOX = Box(agent_id="handheld-7", clock=SystemClock())
ENTRY: dict[str, Any] = {
    "nameplate_id": "00123456",
    "registers": [{"shown": "012345", "multiplier": "40"}, {"shown": "12.340", "quantity": "kW", "multiplier": "40"}],
}
RECORD: dict[str, Any] = {"expected_meter_id": "00123456", "dials": 6, "decimals": 3}


def filed(directory: Path, **changes: Any) -> str:
    path = directory / "reading.json"
    path.write_text(json.dumps({**ENTRY, **changes}))
    return f"visual://{path}"


async def visited(url: str, **order: Any) -> Outcome:
    return await visit(Order(url=url, clock_check=False, **order), BOX)


def check(outcome: Outcome, name: str) -> CheckResult:
    [found] = [one for one in outcome.reading.checks if one.check == name]
    return found


async def test_a_good_reading_passes_what_applies_to_a_person(tmp_path: Path) -> None:
    outcome = await visited(filed(tmp_path), **RECORD)
    found = {one.check: one.outcome for one in outcome.reading.checks}
    assert {name for name, result in found.items() if result != "skipped"} == {
        "meter_id_external",
        "dial_count",
        "demand_decimals",
        "table_data",
    }
    assert set(found.values()) == {"pass", "skipped"}
    assert "by a person" in (check(outcome, "meter_id_internal").reason or "")
    assert "by a person" in (check(outcome, "agent_clock").reason or "")


async def test_the_document_shows_what_the_display_showed(tmp_path: Path) -> None:
    outcome = await visited(filed(tmp_path), **RECORD)
    document = json.loads(encode(outcome.reading))
    assert (document["method"], document["meter"]["meter_id"]) == ("manual", "00123456")
    assert [(r["raw"], r["value"], r["decimals"]) for r in document["registers"]] == [
        ("012345", "493800", 0),
        ("12.340", "493.6", 3),
    ]
    assert "authenticated" not in document


@pytest.mark.parametrize(
    ("order", "entry", "failed"),
    [
        ({"expected_meter_id": "00123457"}, {}, "meter_id_external"),
        ({"dials": 5}, {}, "dial_count"),
        ({"decimals": 2}, {}, "demand_decimals"),
        ({}, {"registers": [{"shown": "12345"}]}, "dial_count"),
        ({}, {"nameplate_id": "0123456"}, "meter_id_external"),
    ],
)
async def test_what_differs_from_the_record_fails(
    tmp_path: Path, order: dict[str, Any], entry: dict[str, Any], failed: str
) -> None:
    outcome = await visited(filed(tmp_path, **entry), **{**RECORD, **order})
    assert [one.check for one in outcome.reading.checks if one.outcome == "fail"] == [failed]


async def test_without_a_nameplate_the_id_is_not_checked(tmp_path: Path) -> None:
    outcome = await visited(filed(tmp_path, nameplate_id=None), **RECORD)
    assert check(outcome, "meter_id_external").outcome == "skipped"


async def test_an_id_that_the_order_brings_serves_where_the_person_gave_none(tmp_path: Path) -> None:
    outcome = await visited(filed(tmp_path, nameplate_id=None), **RECORD, nameplate_id="00123456")
    assert check(outcome, "meter_id_external").outcome == "pass"


async def test_tiers_of_a_person_need_no_clock_proof() -> None:
    data = await VisualDriver().read(Task(url="visual://?reading=012345&tier=1"))
    subject = with_data(good_subject(), **{name: getattr(data, name) for name in ("method", "registers", "blocks")})
    [result] = [one for one in run_checks(subject, load_rule_set("ubp-2000")) if one.check == "agent_clock"]
    assert result.outcome == "skipped"


# -- second entries


async def judged(url: str, ask: Ask | None, **order: Any) -> dict[str, CheckResult]:
    """Judge as a visit does, with somebody to ask."""
    rules = load_rule_set("ubp-2000")

    def subject(data: MeterData) -> Subject:
        facts = ClockFacts(permits_interval=False, permits_tou=False, reason="", source="none", agent_checked=False)
        return Subject(data, facts, READ_AT, READ_AT, **order)

    task = Task(url=url, ask=ask, second_look=lambda data: wants(subject(data), rules))
    found = subject(await VisualDriver().read(task))
    return {one.check: one for one in verified(run_checks(found, rules), found, rules)}


async def test_the_same_again_verifies_a_number_of_dials(tmp_path: Path) -> None:
    person = Person("012345")
    results = await judged(filed(tmp_path), person, dials=5)
    assert results["dial_count"].outcome == "verified"
    assert [question.again for question in person.asked] == [True]


async def test_zeros_that_were_left_out_are_set_right_by_the_second_entry(tmp_path: Path) -> None:
    results = await judged(filed(tmp_path, registers=[{"shown": "12345"}]), Person("012345"), dials=6)
    assert results["dial_count"].outcome == "pass"
    assert "12345, then 012345" in (results["dial_count"].reason or "")


async def test_decimals_are_looked_up_again_too(tmp_path: Path) -> None:
    results = await judged(filed(tmp_path), Person("12.34"), decimals=2)
    assert results["demand_decimals"].outcome == "pass"


async def test_high_usage_is_verified_by_what_was_typed_twice(tmp_path: Path) -> None:
    before = READ_AT - timedelta(days=30)
    history = History(
        registers=(PastRegister(quantity="kWh", value=Decimal(400_000), at=before),),
        periods=(
            PastPeriod(start=before - timedelta(days=335), end=before - timedelta(days=305), usage=Decimal(3000)),
        ),
    )
    once = await judged(filed(tmp_path), None, history=history)
    assert once["high_low_usage"].outcome == "fail"
    entry = [{"shown": "012345", "multiplier": "40", "again": ["012345"]}]
    twice = await judged(filed(tmp_path, registers=entry), None, history=history)
    assert twice["high_low_usage"].outcome == "verified"
    entry[0]["again"] = ["010075"]
    other = await judged(filed(tmp_path, registers=entry), None, history=history)
    assert other["high_low_usage"].outcome == "pass"


async def test_nobody_to_ask_leaves_the_failure(tmp_path: Path) -> None:
    results = await judged(filed(tmp_path), None, dials=5)
    assert results["dial_count"].outcome == "fail"


async def test_a_persons_reading_sets_no_clock() -> None:
    order = ClockOrder(lambda _ns: READ_AT, None, over_s=Decimal(1), most_s=Decimal(2))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="cannot set the meter's clock"):
        await VisualDriver().read(Task(url="visual://?reading=1", clock_order=order))
