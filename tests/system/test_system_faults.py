"""Bad input of every kind ends in a clear error with the right exit status, or in a reading that says what is wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.system.world import meter, mrsp, outcomes, password_file, reading_of

NOW = "2026-03-20T15:20:00Z"
SETUP = ("--scenario", "residential-tou", "--seed", "5", "--now", NOW, "--freeze")
BENCH = ("--no-clock-check", "--format=json")

# A meter that says nothing more is given up sooner than C12.18 has it.
BRISK = """\
name = "brisk"
title = "Soon given up"
status = "not tried on hardware"
[psem]
response_ms = 1000
retries = 1
inter_character_ms = 250
channel_traffic_ms = 2000
recoveries = 1
"""

pytestmark = [pytest.mark.system, pytest.mark.timeout(150)]


def read(tmp_path: Path, *faults: str, options: tuple[str, ...] = (), line: str = "--pty"):  # type: ignore[no-untyped-def]
    """Read the residential meter with faults."""
    with meter(line, *(["0"] if line == "--tcp" else []), *SETUP, *faults) as address:
        secret = password_file(tmp_path, "residential-tou")
        return mrsp("read", address, *BENCH, "--password-file", secret, *options)


def brisk(tmp_path: Path) -> tuple[str, ...]:
    """Options of a reading that does not wait long."""
    (tmp_path / "brisk.toml").write_text(BRISK)
    return "--profile=brisk", f"--profile-dir={tmp_path}"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The reading without a fault, over a pseudo-terminal."""
    return reading_of(read(tmp_path_factory.mktemp("plain")))


HARMLESS = {
    "echo": ("--echo",),
    "busy": ("--fault=busy=2",),
    "data not ready": ("--fault=dnr=2",),
    "small packets": ("--fault=small_packets=64",),
    "no negotiate": ("--fault=no_negotiate",),
    "bad table checksum": ("--fault=bad_checksum=2",),
    "session forgotten": ("--fault=isss_after=9",),
    "late": ("--fault=late=0.05",),
    "garbled": ("--fault=garble=0.0003",),
    "lossy": ("--fault=lose=0.0003",),
}


@pytest.mark.parametrize("faults", HARMLESS.values(), ids=HARMLESS)
def test_a_reading_comes_through_and_is_the_same(
    tmp_path: Path, plain: dict[str, Any], faults: tuple[str, ...]
) -> None:
    faulty = reading_of(read(tmp_path, *faults))
    for part in ("registers", "interval_blocks", "events", "meter_status"):
        assert faulty[part] == plain[part], part
    assert outcomes(faulty)["table_data"] == "pass"


def test_over_tcp_it_is_the_same_reading(tmp_path: Path, plain: dict[str, Any]) -> None:
    tcp = reading_of(read(tmp_path, line="--tcp"))
    assert tcp["registers"] == plain["registers"]
    assert tcp["interval_blocks"] == plain["interval_blocks"]


FAILING = {
    "test_mode": (("--fault=test_mode",), ()),
    "pulse_overflow": (("--fault=pulse_overflow",), ()),
    "missing_intervals": (("--fault=missing_intervals=2",), ()),
    "meter_id_internal": (("--fault=wrong_meter_id=12345678",), ("--meter-id=87654321",)),
    "meter_id_external": ((), ("--meter-id=87654321", "--nameplate-id=87654312")),
}


@pytest.mark.parametrize("check", FAILING)
def test_what_is_wrong_fails_its_check_and_the_reading_is_delivered(tmp_path: Path, check: str) -> None:
    faults, options = FAILING[check]
    run = read(tmp_path, *faults, options=options)
    assert run.returncode == 1, run.stderr
    document = reading_of(run)
    assert outcomes(document)[check] == "fail"
    assert document["registers"]
    assert document["interval_blocks"]


def test_a_power_outage_is_flagged_and_fails_nothing(tmp_path: Path) -> None:
    document = reading_of(read(tmp_path, "--fault=power_outage"))
    assert outcomes(document)["power_outage"] == "pass"
    assert any("power_outage" in words for block in document["interval_blocks"] for words in block["status"])


REFUSED = {
    "a silent line": (("--fault=silence",), 3, r"no answer to Identify.*turn the probe"),
    "a line that falls silent early": (("--fault=silence_after=60",), 3, "no answer|nothing"),
    "a wrong password": (("--fault=wrong_password",), 4, "the password is wrong.*not tried again"),
    "no usable ST00": (("--fault=truncate=ST00:10",), 3, r"ST00 has 10 octets.*read it again"),
    "refused registers": (("--fault=refuse=ST23:ISC", "--fault=refuse=ST64"), 1, ""),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_ends_clearly(tmp_path: Path, case: str) -> None:
    faults, status, message = REFUSED[case]
    run = read(tmp_path, *faults, options=brisk(tmp_path))
    assert run.returncode == status, run.stderr
    assert re.search(message, run.stderr, re.DOTALL), run.stderr
    assert "Traceback" not in run.stderr


def test_a_meter_that_answers_nonsense_ends_clearly(tmp_path: Path) -> None:
    run = read(tmp_path, "--fault=nonsense")
    assert run.returncode in {3, 4}, run.stderr  # nonsense may happen to be a refusal
    assert run.stdout == ""
    assert "mrsp: " in run.stderr
    assert "Traceback" not in run.stderr


def test_a_meter_that_does_not_toggle_is_read_with_a_profile_that_says_so(
    tmp_path: Path, plain: dict[str, Any]
) -> None:
    profile = tmp_path / "stubborn.toml"
    profile.write_text(
        'name = "stubborn"\ntitle = "Stubborn"\nstatus = "not tried on hardware"\n[psem]\ntoggles = false\n'
    )
    options = ("--profile=stubborn", f"--profile-dir={tmp_path}")
    document = reading_of(read(tmp_path, "--fault=no_toggle", options=options))
    assert document["meter"]["profile"] == "stubborn"
    assert document["registers"] == plain["registers"]


@pytest.mark.parametrize(
    ("fault", "table"),
    [("truncate=ST64:900", "ST64"), ("wrong_size=ST23", "ST23"), ("wrong_size=ST61", "ST61"), ("refuse=ST76", "ST76")],
)
def test_one_bad_table_costs_that_table_and_is_named(tmp_path: Path, fault: str, table: str) -> None:
    run = read(tmp_path, f"--fault={fault}")
    assert run.returncode == 1, run.stderr
    document = reading_of(run)
    assert outcomes(document)["table_data"] == "fail"
    assert any(problem["lost"] and problem["what"].startswith(table) for problem in document["problems"])
    assert document["registers"] or document["interval_blocks"]


def test_a_line_that_breaks_in_the_profile_keeps_the_registers(tmp_path: Path, plain: dict[str, Any]) -> None:
    run = read(tmp_path, "--fault=silence_after=6000", options=brisk(tmp_path))
    assert run.returncode == 3, run.stderr
    document = reading_of(run)
    assert [r["value"] for r in document["registers"]] == [r["value"] for r in plain["registers"]]
    assert outcomes(document)["table_data"] == "fail"
    assert "ended early" in run.stderr


def test_a_line_that_breaks_late_keeps_the_blocks_that_were_whole(tmp_path: Path) -> None:
    setup = ("--scenario", "commercial-4ch", "--now", NOW, "--freeze")
    secret = password_file(tmp_path, "commercial-4ch")
    with meter("--pty", *setup) as address:
        whole = reading_of(mrsp("read", address, *BENCH, "--password-file", secret))["interval_blocks"]
    with meter("--pty", *setup, "--fault=silence_after=30000") as address:
        run = mrsp("read", address, *BENCH, "--password-file", secret, *brisk(tmp_path))
    assert run.returncode == 3, run.stderr
    kept = reading_of(run)["interval_blocks"]
    assert 0 < len(kept) < len(whole)
    right = {(block["channel"], block["first_interval_end"]): block["values"] for block in whole}
    assert all(right[block["channel"], block["first_interval_end"]] == block["values"] for block in kept)


def test_a_wrong_baud_rate_is_a_silent_or_noisy_line(tmp_path: Path) -> None:
    with meter("--pty", "--baud-pace", *SETUP) as address:
        run = mrsp("read", f"serial://{address}?baud=2400", *BENCH, *brisk(tmp_path))
    assert run.returncode == 3, run.stderr
    assert "baud" in run.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("/dev/nowhere",), 3, "there is no /dev/nowhere.*plugged in"),
        (("tcp://127.0.0.1:1",), 3, "refuses the connection"),
        (("ftp://x",), 2, "no driver for ftp"),
        (("ttyUSB0",), 2, "not a meter URL"),
        (("serial:///dev/null?parity=e",), 2, "no option 'parity'"),
        (("/dev/null", "--profile=kv2"), 2, "did you mean ge-kv2c"),
        (("/dev/null", "--rule-set=none"), 2, "ubp-2000"),
        (("/dev/null", "--dials=0"), 2, "dials"),
        (("/dev/null", "--since=yesterday"), 2, "is not a time"),
        (("/dev/null", "--password-file=/nowhere"), 6, "there is no /nowhere.*chmod 600"),
        ((), 2, "usage"),
    ],
)
def test_wrong_arguments_say_what_is_right(arguments: tuple[str, ...], status: int, message: str) -> None:
    run = mrsp("read", *arguments, "--no-clock-check")
    assert run.returncode == status, run.stderr
    assert re.search(message, run.stderr), run.stderr
    assert run.stdout == ""


def test_the_password_shows_nowhere(tmp_path: Path) -> None:
    recording = tmp_path / "session.rec"
    run = read(tmp_path, options=("--record", str(recording), "-vv"))
    assert run.returncode in {0, 1}, run.stderr
    everything = run.stdout + run.stderr + recording.read_text()
    assert "00000000" not in re.sub(r'"(octets|raw|argument|hex)":"[^"]*"', "", everything)
    secret = b"00000000"
    sent = [json.loads(line).get("hex") for line in recording.read_text().splitlines()[1:]]
    assert not any(text and secret in bytes.fromhex(text) for text in sent if text and "*" not in text)


def test_a_recording_replays_to_the_same_reading(tmp_path: Path) -> None:
    recording = tmp_path / "session.rec"
    live = reading_of(read(tmp_path, options=("--record", str(recording))))
    secret = password_file(tmp_path, "residential-tou")
    again = reading_of(mrsp("read", f"replay://{recording}", *BENCH, "--password-file", secret))
    for part in ("registers", "interval_blocks"):
        for value in live[part]:
            del value["provenance"]["recording"]  # of the live visit; the replay makes none
    for part in ("meter", "registers", "interval_blocks", "events", "meter_status"):
        assert again[part] == live[part], part


def test_a_meter_that_does_not_say_its_zone_needs_the_sites(tmp_path: Path, plain: dict[str, Any]) -> None:
    right = plain["interval_blocks"]
    told = reading_of(read(tmp_path, "--fault=refuse=ST53", options=("--site-zone=America/New_York",)))
    assert told["interval_blocks"] == right
    untold = reading_of(read(tmp_path, "--fault=refuse=ST53"))
    assert untold["registers"]
    assert untold["interval_blocks"] == [], "a time that nobody knows is not invented"
    assert any("give the site's zone" in problem["reason"] for problem in untold["problems"])
    assert outcomes(untold)["table_data"] == "fail"
