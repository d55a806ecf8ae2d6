"""`mrsp read` looks twice where a rule asks for it, in one session, and `mrsp explain` proves both looks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.system.world import meter, mrsp, outcomes, password_file, reading_of

SCENARIO, NOW = "closure-1997", "2026-03-09T17:22:31Z"
pytestmark = [pytest.mark.system, pytest.mark.timeout(150)]


def test_a_wrong_number_of_dials_on_record_is_verified_and_counts_as_passed(tmp_path: Path) -> None:
    secret = password_file(tmp_path, SCENARIO)
    recording, document = tmp_path / "visit.rec", tmp_path / "reading.json"
    with meter("--pty", "--freeze", "--scenario", SCENARIO, "--seed", "3", "--now", NOW) as address:
        how = (address, "--no-clock-check", "--format=json", "--dials=1", "--password-file", secret)
        run = mrsp("read", *how, "--record", recording)
    reading = reading_of(run)
    assert outcomes(reading)["dial_count"] == "verified", reading["checks"]
    assert run.returncode == (1 if "fail" in outcomes(reading).values() else 0)
    (check,) = (check for check in reading["checks"] if check["check"] == "dial_count")
    assert "read again" in check["reason"]
    (look,) = reading["verification"]["looks"]
    assert look["tables"] == sorted({register["provenance"]["table"] for register in look["registers"]})
    assert "ST23" in look["tables"]
    first = [r for r in reading["registers"] if r["provenance"]["table"] in look["tables"]]
    assert [r["provenance"]["offset"] for r in first] == [r["provenance"]["offset"] for r in look["registers"]]
    document.write_text(json.dumps(reading))
    explained = mrsp("explain", document, "--recording", recording)
    assert explained.returncode == 0, explained.stdout + explained.stderr
    assert "registers read again" in explained.stdout
