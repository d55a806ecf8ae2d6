"""A day of calls with everything that can go wrong on telephone lines: none lost, none twice, no value wrong."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from metersim.modem import CallFaults, Network
from tests.system.telephone_town import BEGINS, Plan, Town, run_town

FAULTS = CallFaults(
    busy=0.15,
    no_answer=0.06,
    no_carrier=0.08,
    no_dialtone=0.04,
    drop=0.15,
    noise=0.0005,
    delayed=0.03,
    error=0.01,
)


def judge(town: Town, plan: Plan) -> None:
    """Whatever went wrong: every read that fell due has one end, and every value is right."""
    _each_has_one_end(town, plan)
    _each_reading_is_right_and_there_once(town, plan)
    assert town.on_hook
    assert all(call.ended for call in town.bank.exchange.calls)


def _each_has_one_end(town: Town, plan: Plan) -> None:
    dues: Counter[tuple[str, datetime]] = Counter()
    for row in town.rows:
        assert row.state in {"done", "given_up", "missed"}, row
        if row.state == "given_up":
            assert row.why, row
            assert row.reason, row
            assert row.detail, row
        dues[row.meter, row.due] += 1
        if row.state == "missed":  # the newest of so many
            assert row.first_due is not None
            for number in range(1, row.missed):
                dues[row.meter, row.due - number * timedelta(hours=plan.every_h)] += 1
    expected = {
        (meter, BEGINS + number * timedelta(hours=plan.every_h))
        for meter in town.ids
        for number in range(1, plan.times + 1)
    }
    assert dues == Counter(expected)


def _each_reading_is_right_and_there_once(town: Town, plan: Plan) -> None:
    by_id = {reading["reading_id"]: reading for reading in town.readings}
    assert len(by_id) == len(town.readings)
    names = {meter_id: name for name, meter_id in town.ids.items()}
    for reading in town.readings:
        name = names[reading["meter"]["meter_id"]]
        assert [register["value"] for register in reading["registers"]] == [town.truth[name]]
        assert reading["method"] == "modem"
    done = [row for row in town.rows if row.state == "done"]
    used = [row.reading_id or "" for row in done]
    assert len(set(used)) == len(used)
    for row in done:
        assert by_id[row.reading_id or ""]["meter"]["meter_id"] == town.ids[row.meter]
    for reading_id in by_id.keys() - set(used):  # of a call that was cut, and says so; or of a read that fell due later
        reading = by_id[reading_id]
        assert _was_cut(reading) or datetime.fromisoformat(reading["read_started_at"]) > plan.last_due
    assert not any(_was_cut(by_id[reading_id]) for reading_id in used)


def _was_cut(reading: dict[str, Any]) -> bool:
    return any(
        check["check"] == "table_data" and check["outcome"] == "fail" and "broke off" in check["reason"]
        for check in reading["checks"]
    )


@pytest.mark.system
@pytest.mark.timeout(300)
def test_hundreds_of_calls_with_every_fault(tmp_path: Path) -> None:
    plan = Plan(sites=24, modems=6, network=Network(FAULTS, seed=11))
    town = run_town(plan, tmp_path)
    judge(town, plan)
    assert town.calls > 250
    ends = Counter(row.state for row in town.rows)
    assert ends["done"] > 0.8 * len(town.rows)


@pytest.mark.system
@pytest.mark.timeout(300)
def test_a_network_on_which_hardly_a_call_comes_through(tmp_path: Path) -> None:
    faults = CallFaults(busy=0.4, no_answer=0.2, no_carrier=0.3, no_dialtone=0.2, drop=0.6, error=0.1, blacklisted=0.1)
    plan = Plan(sites=10, modems=3, times=4, network=Network(faults, seed=3))
    town = run_town(plan, tmp_path)
    judge(town, plan)
    ends = Counter(row.state for row in town.rows)
    assert ends["given_up"] > 0.3 * len(town.rows)
    assert len({row.reason for row in town.rows if row.state == "given_up"}) > 1
