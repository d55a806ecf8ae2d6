"""A daily reading over a real line brings exactly what the meter recorded since, and passes its interval count."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.system.test_system_truth import events_true, intervals_read, intervals_true, lost, registers_read, truth_of
from tests.system.world import meter, mrsp, outcomes, password_file, reading_of

NOW = "2026-06-15T17:22:31Z"
SINCE = "2026-06-14T17:22:31Z"

pytestmark = [pytest.mark.system, pytest.mark.timeout(150)]


@pytest.mark.parametrize("scenario", ["commercial-4ch", "descending-fifo-2008", "closure-1997"])
def test_a_daily_reading_is_what_the_meter_recorded_since(scenario: str, tmp_path: Path) -> None:
    setup = ("--scenario", scenario, "--seed", "11", "--now", NOW)
    password = password_file(tmp_path, scenario)
    arguments = ("--no-clock-check", "--format=json", "--password-file", password)
    with meter("--pty", "--freeze", *setup) as address:
        daily = reading_of(mrsp("read", address, "--since", SINCE, *arguments))
        whole = reading_of(mrsp("read", address, *arguments))
    truth = truth_of(*setup)
    since = datetime.fromisoformat(SINCE)
    recorded = intervals_true(truth)
    overlap = {
        key: max(end for *of, end in recorded if (*of,) == key and end <= since)
        for key in {(number, channel) for number, channel, _ in recorded}
    }
    read = intervals_read(daily)
    assert read == {key: value for key, value in recorded.items() if key[2] >= overlap[key[:2]]}
    assert len(read) < len(recorded)
    assert all(since - end < timedelta(hours=1) for end in overlap.values())
    assert lost(daily) == []
    assert not [problem for problem in daily.get("problems", ()) if "read in full" in problem["reason"]]
    assert outcomes(daily)["interval_count"] == "pass"
    assert outcomes(daily)["missing_intervals"] == outcomes(whole)["missing_intervals"]
    new = [event for event in events_true(truth) if event[2] > SINCE]
    assert sorted((e.get("log", "event"), e["sequence"]) for e in daily["events"]) == [event[:2] for event in new]
    assert {one for one in registers_read(daily) if one[4] != "self_read"} == {
        one for one in registers_read(whole) if one[4] != "self_read"
    }
