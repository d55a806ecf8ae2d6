"""Every recording is replayed by the real driver to the reading, or to the error, that was there when it was made.

A client that says something else, or in another order, than the recording shows, ends with `ReplayDiverged`: if that is
meant, `python -m tests.recordings.make` makes the recordings anew, and the difference in the expectations is reviewed.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from metersim.meter import scenario_names
from tests.recordings.cases import ALL_FAULTS, CASES, DATA, NOT_IN_A_READING, RECORDED_FAULTS
from tests.recordings.make import make
from tests.recordings.visiting import replayed, unpacked

MOST_OCTETS = 2_000_000
MADE_AGAIN = ("residential-tou", "big-endian-float-bcd", "minimal", "garble", "slow-answers", "drop-after", "echo")


@pytest.mark.parametrize("name", CASES)
def test_a_recording_gives_the_reading_that_it_gave(name: str, tmp_path: Path) -> None:
    """Answers come as late as they came then, in virtual time."""
    expected = json.loads((DATA / f"{name}.json").read_text())
    assert replayed(CASES[name], unpacked(DATA / f"{name}.rec.gz", tmp_path), pace="real") == expected


@pytest.mark.parametrize("name", scenario_names())
def test_it_also_does_when_every_answer_is_there_at_once(name: str, tmp_path: Path) -> None:
    expected = json.loads((DATA / f"{name}.json").read_text())
    assert replayed(CASES[name], unpacked(DATA / f"{name}.rec.gz", tmp_path)) == expected


@pytest.mark.parametrize("name", MADE_AGAIN)
def test_a_recording_made_anew_is_the_same_to_the_octet(name: str, tmp_path: Path) -> None:
    again = tmp_path / "again.rec"
    expected = (DATA / f"{name}.json").read_text()
    assert make(CASES[name], again) == expected, "run python -m tests.recordings.make"
    assert again.read_bytes() == unpacked(DATA / f"{name}.rec.gz", tmp_path).read_bytes()


def test_every_layout_and_every_fault_is_recorded() -> None:
    assert set(scenario_names()) <= set(CASES)
    assert RECORDED_FAULTS == ALL_FAULTS - NOT_IN_A_READING


def test_there_is_nothing_else_and_not_too_much_of_it() -> None:
    files = {path.name: path.stat().st_size for path in DATA.iterdir()}
    assert set(files) == {f"{name}{end}" for name in CASES for end in (".json", ".rec.gz")}
    assert sum(files.values()) < MOST_OCTETS
