"""Every value that a reading has is the value that the simulated meter's model says it holds, layout by layout.

The model's figures come from its pulses, not from its tables: a shared mistake of encoder and decoder cannot hide as
easily. `tests/c1219` holds the decoder against tables made by hand from the fact sheets.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.system.world import meter, metersim, mrsp, password_file, reading_of

SCENARIOS = (
    "residential-tou",
    "commercial-4ch",
    "big-endian-float-bcd",
    "minimal",
    "profile-35d",
    "descending-fifo-2008",
    "closure-1997",
)
MOMENTS = ("2026-03-09T17:22:31Z", "2026-11-02T03:07:00Z")  # just after each change of daylight saving

pytestmark = [pytest.mark.system, pytest.mark.timeout(150)]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_value_is_what_the_meter_holds(scenario: str, moment: str, tmp_path: Path) -> None:
    setup = ("--scenario", scenario, "--seed", "11", "--now", moment)
    with meter("--pty", "--freeze", *setup) as address:
        run = mrsp(
            "read",
            address,
            "--no-clock-check",
            "--format=json",
            "--password-file",
            password_file(tmp_path, scenario),
        )
    assert run.returncode in {0, 1}, run.stderr
    document = reading_of(run)
    truth = truth_of(*setup)
    assert lost(document) == []
    assert document["meter"]["meter_id"].lstrip("0") == truth["meter_id"].lstrip("0")
    assert document["meter"]["serial_number"].lstrip("0") == truth["serial_number"].lstrip("0")
    assert (document["meter"]["manufacturer"], document["meter"]["model"]) == (truth["manufacturer"], truth["model"])
    assert document["clock"].get("meter_time") == truth["meter_time"]
    assert document["meter_status"]["mode"] == truth["mode"]
    assert sorted(document["meter_status"]["flags"]) == sorted(truth["flags"])
    assert registers_read(document) == registers_true(truth)
    assert intervals_read(document) == intervals_true(truth)
    assert events_read(document) == events_true(truth)


def truth_of(*arguments: str) -> dict[str, Any]:
    truth: dict[str, Any] = json.loads(metersim("truth", *arguments))
    return truth


def lost(document: dict[str, Any]) -> list[str]:
    return [f"{p['what']}: {p['reason']}" for p in document.get("problems", ()) if p["lost"]]


def exact(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def registers_read(document: dict[str, Any]) -> Counter[tuple[Any, ...]]:
    return Counter(
        (
            r["quantity"],
            r["direction"],
            r["kind"],
            r["tier"],
            r["period"],
            r["season"],
            r.get("occurrence", 0),
            r.get("self_read", 0),
            r.get("extreme") == "minimum",
            r.get("continuous", False),
            r.get("phase", ""),
            r["unit"],
            exact(r["raw"]),
            exact(r.get("value")),
            r.get("occurred_at"),
            r.get("period_end"),
        )
        for r in document["registers"]
    )


def registers_true(truth: dict[str, Any]) -> Counter[tuple[Any, ...]]:
    return Counter(
        (
            r["quantity"],
            r["direction"],
            r["kind"],
            r["tier"],
            r["period"],
            r["season"],
            r["occurrence"],
            r["self_read"],
            r["minimum"],
            r["continuous"],
            r["phase"],
            r["unit"],
            exact(r["raw"]),
            exact(r["value"]),
            r["occurred_at"],
            r["period_end"],
        )
        for r in truth["registers"]
    )


Interval = tuple[Decimal | None, Decimal | None, frozenset[str], str, str]


def intervals_read(document: dict[str, Any]) -> dict[tuple[int, int, datetime], Interval]:
    found: dict[tuple[int, int, datetime], Interval] = {}
    for block in document["interval_blocks"]:
        first = datetime.fromisoformat(block["first_interval_end"])
        for k, (count, value, words) in enumerate(zip(block["pulses"], block["values"], block["status"], strict=True)):
            end = first + timedelta(seconds=k * block["interval_s"])
            key = (block.get("data_set", 1), block["channel"], end)
            assert key not in found, "one interval reported twice"
            number = None if count is None else Decimal(count)
            found[key] = (number, exact(value), frozenset(words), block["unit"], block["direction"])
    return found


def intervals_true(truth: dict[str, Any]) -> dict[tuple[int, int, datetime], Interval]:
    return {
        (block["data_set"], block["channel"], datetime.fromisoformat(end)): (
            None if count is None else Decimal(str(count)),
            exact(value),
            frozenset(words),
            block["unit"],
            block["direction"],
        )
        for block in truth["blocks"]
        for end, count, value, words in zip(
            block["ends"], block["counts"], block["values"], block["status"], strict=True
        )
    }


def events_read(document: dict[str, Any]) -> list[tuple[Any, ...]]:
    return sorted((e.get("log", "event"), e["sequence"], e["at"], e["code"], e["user_id"]) for e in document["events"])


def events_true(truth: dict[str, Any]) -> list[tuple[Any, ...]]:
    return sorted((e["log"], e["sequence"], e["at"], e["code"], e["user_id"]) for e in truth["events"])
