"""Scenario files: those that ship are whole, and every mistake is named with file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.errors import UsageError
from metersim.meter import load_scenario, parse_faults, parse_scenario, scenario_names
from metersim.meter.faults import FAULTS, Faults, faults_help

FOLDER = Path(__file__).parents[2] / "hardware-sim" / "metersim" / "scenarios"
GOOD = (FOLDER / "residential-tou.toml").read_text()


def test_the_promised_scenarios_ship() -> None:
    assert {
        "residential-tou",
        "commercial-4ch",
        "big-endian-float-bcd",
        "minimal",
        "profile-35d",
        "descending-fifo-2008",
    } <= set(scenario_names())


@pytest.mark.parametrize("name", scenario_names())
def test_a_shipped_scenario_loads_by_name_and_as_a_file(name: str) -> None:
    assert load_scenario(name) == load_scenario(FOLDER / f"{name}.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[layout]", "[layout]\ncolour = 3", "layout: Object contains unknown field `colour`"),
        ("edition = 1997", "edition = 2001", "layout.edition"),
        ('"INT48"', '"INT49"', "layout.ni_format1"),
        ("time_format = 2", "time_format = 9", "layout.time_format"),
        ("time_format = 2", "time_format = 0", "layout.time_format: 0 stores no times"),
        ('at = "07:00"', 'at = "7:00"', "tou.seasons[0].weekday[1].at"),
        ('at = "07:00"', 'at = "07:05"', "07:05 is not at the end of a demand interval"),
        ('{ at = "14:00", tier = 2 }', '{ at = "14:00", tier = 3 }', "tier 3 at 14:00: there are only 3"),
        ('load = "house"', 'load = "barn"', "there is no load called barn"),
        ('demands = [{ source = "demand delivered" }]', 'demands = [{ source = "x" }]', "no source called x"),
        ('demands = [{ source = "demand delivered" }]', 'demands = [{ source = "volts" }]', "volts is no demand"),
        ('[{ source = "energy delivered" }, {', '[{ source = "volts" }, {', "is no energy with a load"),
        ("installed = 2025-01-01", "installed = 1970-01-01", "installed: before 1990"),
        ("installed = 2025-01-01", "installed = 'soon'", "installed"),
        ('meter_id = "87654321"', 'meter_id = ""', "identity.meter_id"),
        ('owner_name = "', 'colour = "', "identity.utility.colour: ST06 has"),
        ("interval_min = 15\nblocks", "interval_min = 7\nblocks", "profile.sets[0].interval_min"),
        ("[layout]", "[layout]\nid_form = 'bcd'", "identity.serial_number: BCD ids are digits only"),
        ("[log]", "[log\n", "residential.toml: "),
    ],
)
def test_a_mistake_is_named_with_file_and_key(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(UsageError) as caught:
        parse_scenario(GOOD.replace(old, new, 1), "residential.toml")
    assert message in str(caught.value)
    assert "residential.toml" in str(caught.value)
    assert caught.value.exit_code == 2


def test_numbers_that_cannot_be_exact_are_refused() -> None:
    text = GOOD.replace('load = "house"\n\n', 'load = "house"\npulse_value = 10\nmultiplier = 3\n\n', 1)
    with pytest.raises(UsageError, match="10 / 3 is not exact"):
        parse_scenario(text, "x.toml")
    text = GOOD.replace('load = "house"\n\n', 'load = "house"\npulse_value = 0.5\n\n', 1)
    with pytest.raises(UsageError, match="energy delivered"):
        parse_scenario(text, "x.toml")


def test_a_meter_without_a_clock_has_nothing_that_needs_one() -> None:
    text = GOOD.split("[clock]", 1)
    with pytest.raises(UsageError, match="clock"):
        parse_scenario(text[0] + text[1].split("\n\n", 1)[1], "x.toml")


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="residential-tou"):
        load_scenario("nothing-like-it")
    with pytest.raises(UsageError, match=r"not/there\.toml"):
        load_scenario("not/there.toml")


def test_faults_are_parsed_and_named() -> None:
    faults = parse_faults(
        [
            "garble=0.001",
            "silence_after=10",
            "busy",
            "refuse=ST12:ISC",
            "refuse=ST13",
            "truncate=ST64:100",
            "truncate=st23",
        ]
    )
    assert faults.garble == 0.001
    assert faults.silence_after == 10
    assert faults.busy == 3
    assert {table: code.name for table, code in faults.refuse.items()} == {12: "ISC", 13: "IAR"}
    assert faults.truncate == {64: 100, 23: None}
    assert parse_faults([]) == Faults()
    assert all(fault.name in faults_help() for fault in FAULTS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("noise", "no fault is called noise"),
        ("garble", "fault garble: needs =RATE"),
        ("garble=2", "fault garble: 2 is no RATE"),
        ("silence=1", "fault silence: takes no value"),
        ("refuse=64", None),
        ("refuse=ST64:NEVER", "NEVER is no STnn"),
        ("refuse=MT1", "is no STnn"),
        ("clock_offset=NaN", "is no SECONDS"),
        ("small_packets=10", "is no SIZE"),
    ],
)
def test_wrong_faults_are_refused(text: str, message: str | None) -> None:
    if message is None:
        assert parse_faults([text])
        return
    with pytest.raises(UsageError) as caught:
        parse_faults([text])
    assert message in str(caught.value)
