"""The clock proof decides what may be read, with real time servers on real sockets."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.system.world import meter, mrsp, outcomes, password_file, reading_of, simulator

pytestmark = [pytest.mark.system, pytest.mark.timeout(150)]

GOOD: tuple[str, ...] = ()
SLOW = ("--offset", "90")
FORBIDDEN = {
    "one server, 90 s off": (SLOW,),
    "a kiss-o'-death": (("--kiss", "RATE"),),
    "unsynchronised": (("--leap", "3"),),
    "stratum 16": (("--stratum", "16"),),
    "a reply that is not ours": (("--wrong-origin",),),
    "silence": (("--silent",),),
    "two that contradict each other": (GOOD, SLOW),
}


def servers(stack: ExitStack, *behaviours: tuple[str, ...]) -> list[str]:
    """Start a time server for each behaviour; return the `--ntp` options."""
    addresses = [stack.enter_context(simulator("ntp", *behaviour)).split()[0] for behaviour in behaviours]
    return [f"--ntp={address}" for address in addresses]


def test_three_good_servers_permit_everything() -> None:
    with ExitStack() as stack:
        run = mrsp("clock", "--json", *servers(stack, GOOD, GOOD, GOOD))
    assert run.returncode == 0, run.stdout
    proof = json.loads(run.stdout)
    assert proof["synchronized"] is True
    assert proof["source"] == "ntp"
    assert proof["permits"] == {"cumulative": True, "tou": True, "interval": True}
    assert re.fullmatch(r"-?\d+(\.\d+)?", proof["offset_s"])
    assert re.fullmatch(r"\d+(\.\d+)?", proof["uncertainty_s"])
    assert proof["synchronized_at"].endswith("Z")
    assert proof["explanation"]


def test_one_liar_among_three_is_outvoted_and_named() -> None:
    with ExitStack() as stack:
        run = mrsp("clock", *servers(stack, GOOD, SLOW, GOOD))
    assert run.returncode == 0, run.stdout
    assert "disagree" in run.stdout or "not believed" in run.stdout or "outvoted" in run.stdout, run.stdout


@pytest.mark.parametrize("case", FORBIDDEN)
def test_a_clock_that_is_not_proven_forbids_interval_reads(case: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        options = servers(stack, *FORBIDDEN[case])
        clock = mrsp("clock", "--json", *options)
        read = mrsp("read", "/dev/null", "--format=json", *options)
    assert clock.returncode == 5, clock.stdout
    assert json.loads(clock.stdout)["permits"] == {"cumulative": True, "tou": False, "interval": False}
    assert read.returncode == 5, read.stderr
    assert read.stdout == ""
    assert "the clock proof does not permit this read" in read.stderr


def test_without_any_source_the_explanation_says_what_to_do() -> None:
    with ExitStack() as stack:
        run = mrsp("clock", *servers(stack, ("--silent",)))
    assert run.returncode == 5
    assert "no source" in run.stdout.lower() or "no answer" in run.stdout.lower(), run.stdout


def test_with_the_proof_a_reading_passes_its_clock_checks(tmp_path: Path) -> None:
    scenario = "residential-tou"
    with ExitStack() as stack:
        options = servers(stack, GOOD, GOOD, GOOD)
        address = stack.enter_context(meter("--pty", "--scenario", scenario, "--seed", "3"))
        run = mrsp("read", address, "--format=json", "--password-file", password_file(tmp_path, scenario), *options)
    document = reading_of(run)
    assert outcomes(document)["agent_clock"] == outcomes(document)["meter_clock"] == "pass"
    assert document["clock"]["agent_source"] == "ntp"
    assert abs(float(document["clock"]["meter_offset_s"])) < 5


@pytest.mark.parametrize(("offset", "outcome"), [("170", "pass"), ("190", "fail"), ("-190", "fail")])
def test_the_meters_clock_is_held_against_the_proof(tmp_path: Path, offset: str, outcome: str) -> None:
    scenario = "residential-tou"
    with ExitStack() as stack:
        options = servers(stack, GOOD)
        address = stack.enter_context(meter("--pty", "--scenario", scenario, f"--fault=clock_offset={offset}"))
        run = mrsp("read", address, "--format=json", "--password-file", password_file(tmp_path, scenario), *options)
    document = reading_of(run)
    assert outcomes(document)["meter_clock"] == outcome
    assert run.returncode == 1 if outcome == "fail" else run.returncode in {0, 1}


def test_registers_only_takes_cumulative_totals_without_the_proof_and_says_so(tmp_path: Path) -> None:
    scenario = "residential-tou"
    with ExitStack() as stack:
        options = servers(stack, SLOW)
        address = stack.enter_context(meter("--pty", "--scenario", scenario))
        secret = password_file(tmp_path, scenario)
        run = mrsp("read", address, "--registers-only", "--format=json", "--password-file", secret, *options)
    assert run.returncode == 1, run.stderr
    document = reading_of(run)
    assert outcomes(document)["agent_clock"] == "fail"
    assert {(r["kind"], r["tier"]) for r in document["registers"]} == {("cumulative", 0)}
    assert document["interval_blocks"] == []
