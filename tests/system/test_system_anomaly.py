"""What a person must act on reaches the MDSP as a report of its own: once, sealed, beside the readings that show it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.system.test_system_service import METER, Place, place
from tests.system.world import meter, password_file

__all__ = ["place"]  # the fixture

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


def stored(place: Place, kind: str) -> list[dict[str, Any]]:
    """Return what the MDSP has of one kind, in the agent's order."""
    with sqlite3.connect(place.directory / "mdsp.db") as db:
        rows = db.execute("SELECT document FROM document WHERE kind = ? ORDER BY seq", (kind,)).fetchall()
    return [json.loads(document) for (document,) in rows]


def test_a_clock_that_stays_wrong_is_reported_and_then_calls_for_an_inspection(place: Place, tmp_path: Path) -> None:
    with meter("--pty", "--scenario", "residential-tou", "--fault=clock-offset=400") as address:
        secret = password_file(tmp_path, "residential-tou").name
        text = place.config.read_text().partition("[[meters]]")[0]
        text += METER.format(name="slow", url=address, meter_id="87654321", password=secret) + "dials = 4\n"
        place.config.write_text(text)
        readings = anomalies = 0
        with place.broker(), place.mdsp() as events, place.agent():
            for event in events:
                assert "refused" not in event, event
                readings += event.get("kind") == "readings" and event.get("verdict") == "new"
                anomalies += event.get("kind") == "anomalies" and event.get("verdict") == "new"
                if readings >= 4 and anomalies >= 3:
                    break
    reports = stored(place, "anomalies")
    assert sorted(report["anomaly"] for report in reports) == [
        "clock_must_be_set",
        "dial_count_differs",
        "physical_inspection_required",
    ]
    assert [report["sequence"] for report in reports] == [1, 2, 3]
    seen = stored(place, "readings")
    inspection = next(report for report in reports if report["anomaly"] == "physical_inspection_required")
    assert inspection["reading_id"] == seen[2]["reading_id"]
    first, later = seen[0], seen[-1]
    assert len(later["interval_blocks"]) < len(first["interval_blocks"])  # only what is new
    outcomes = {check["check"]: check["outcome"] for check in later["checks"]}
    assert outcomes["dial_count"] == "verified"
    assert outcomes["meter_clock"] == "fail"
    # Compared with what the agent itself remembers.
    assert outcomes["register_advance"] == "pass"
