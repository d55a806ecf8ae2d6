"""What the laboratory expects is what the agent finds: every scenario that ships, register by register, to the word."""

from __future__ import annotations

from pathlib import Path

import pytest

from metersim.lab import differences
from metersim.meter.library import names_of
from tests.metersim.lab_kit import expectation, laboratory, read

NAMES = names_of("laboratory")
#: Scenario → the checks that fail at its last visit, by the agent's own judgement.
FAIL_LAST = {
    "dead-battery": {"meter_clock", "meter_diagnostics"},
    "drifting-clock": set(),
    "full-counters": {"interval_count", "pulse_overflow", "table_data"},
    "load-shapes": {"spike"},
    "odd-firmware": {"missing_intervals"},
    "odd-firmware-bcd": {"missing_intervals"},
    "outages": {"missing_intervals"},
    "rollover": set(),
    "tamper-bypass": set(),
    "tamper-constants": {"configuration_change", "phase_loss"},
    "tamper-turned": set(),
    "tariff": set(),
    "year-4ch": {"missing_intervals"},
}


def test_every_scenario_is_here() -> None:
    assert sorted(FAIL_LAST) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_agent_finds_what_must_be_found(name: str, tmp_path: Path) -> None:
    lab, expected = laboratory(name), expectation(name)
    found = read(lab, expected.visits[-1], tmp_path)
    assert differences(expected.visits[-1], found) == []
    failed = {check["check"] for check in found["checks"] if check["outcome"] in {"fail", "verified"}}
    assert failed == FAIL_LAST[name]


@pytest.mark.parametrize(
    ("name", "visit", "fails"),
    [
        ("drifting-clock", 1, {"meter_clock"}),
        ("drifting-clock", 2, {"meter_clock"}),  # set back a little, with a long interval to show for it
        ("tamper-constants", 1, {"configuration_change", "register_advance"}),
        ("full-counters", 0, {"pulse_overflow"}),
    ],
)
def test_so_it_is_at_earlier_visits(name: str, visit: int, fails: set[str], tmp_path: Path) -> None:
    expected = expectation(name).visits[visit]
    found = read(laboratory(name), expected, tmp_path)
    assert differences(expected, found) == []
    assert {check.check for check in expected.checks if check.outcome == "fail"} == fails
    assert {check["check"] for check in found["checks"] if check["outcome"] in {"fail", "verified"}} == fails


def test_a_reader_that_is_not_told_of_the_quirks_is_wrong(tmp_path: Path) -> None:
    expected = expectation("odd-firmware-bcd").visits[0]
    wrong = differences(expected, read(laboratory("odd-firmware-bcd"), expected, tmp_path, knows_quirks=False))
    assert any(one.startswith("register not found") for one in wrong)
    assert any(one.startswith("interval channel 1") for one in wrong)


def test_another_seed_is_another_story_and_found_as_well(tmp_path: Path) -> None:
    expected = expectation("rollover", 2).visits[-1]
    assert expected.registers != expectation("rollover").visits[-1].registers
    assert differences(expected, read(laboratory("rollover", 2), expected, tmp_path)) == []
