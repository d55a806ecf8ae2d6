"""`mrsp listen`: what it prints where, what it refuses, and how it ends."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.cli import listen
from agent.cli.listen_show import Watched
from agent.errors import LocalTrouble, UsageError
from agent.keys import create_device_key
from agent.listening.plan import ReadPlan
from tests.ert.ert_lines import idm, scm

PLAN = "meter_id,message,multiplier\n54585868,scm,0.1\n99,scm,\n"


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """Messages as rtl_433 printed them, and what else is found in such a file."""
    path = tmp_path / "lines"
    path.write_bytes(b"\n".join([scm(), b"not JSON", scm(time="@30.1s"), idm(), b"x" * 100_000, scm(7), b""]))
    return path


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.csv"
    path.write_text(PLAN)
    return path


def listened(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    listen.add_arguments(parser)
    return listen.run(parser.parse_args(list(map(str, arguments))))


def test_readings_go_to_standard_output_and_the_rest_to_standard_error(
    lines: Path, plan: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert listened("radio", "--replay", lines, "--plan", plan, "--no-clock-check") == 0
    told = capfd.readouterr()
    (reading,) = map(json.loads, told.out.splitlines())
    assert (reading["registers"][0]["value"], reading["heard"]["count"]) == ("56245.6", 2)
    assert told.err.splitlines() == [
        "4 messages, 1 of 2 meters read (50 %), 2 foreign meters",
        "2 lines were no messages of meters (not JSON: 1, line too long: 1)",
        "1 planned meters were not heard:",
        "unheard: 99 (scm)",
    ]


def test_a_table_for_people(lines: Path, plan: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert listened("radio", "--replay", lines, "--plan", plan, "--no-clock-check", "--format", "table") == 0
    header, row = capfd.readouterr().out.splitlines()
    assert header.split()[:3] == ["heard", "meter", "value"]
    assert row.split()[1:4] == ["54585868", "56245.6", "kWh"]
    assert row.endswith("in order")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("radio", "--audio", "x"), "--audio is not for radio"),
        (("pager", "--iq", "x"), "--iq is not for pager"),
        (("pager", "--audio", "x"), "no meter with the message `pager`"),
        (("radio", "--iq", "x", "--sample-rate", "250000"), "decode nothing"),
        (("radio", "--plan", "/none.csv"), "cannot be read"),
        (("radio", "--replay", "/none", "--gpsd", "a b"), "--gpsd"),
        (("radio", "--replay", "/none", "--rule-set", "none"), "none"),
        (("radio", "--replay", "/none"), "/none cannot be read"),
    ],
)
def test_what_is_wrong_is_said(arguments: tuple[str, ...], why: str) -> None:
    with pytest.raises(UsageError) as raised:
        listened(*arguments)
    assert why in str(raised.value)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("arguments", [("--seconds", "-1"), ("--frequency", "fm"), ("--iq", "a", "--replay", "b")])
def test_what_cannot_be_parsed_is_refused(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        listened("radio", *arguments)
    assert raised.value.code == 2
    assert "usage" in capsys.readouterr().err


def config(directory: Path) -> Path:
    path = directory / "mrsp.toml"
    path.write_text('[agent]\nagent_id = "gw-7"\nstate_directory = "state"\n')
    return path


def test_a_configured_agent_keeps_what_it_hears(
    lines: Path, plan: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    create_device_key(tmp_path / "state" / "keys")
    for sequence in (1, 2):
        arguments = ("--no-clock-check", "--config", config(tmp_path))
        assert listened("radio", "--replay", lines, "--plan", plan, *arguments) == 0
        (reading,) = map(json.loads, capfd.readouterr().out.splitlines())
        assert (reading["agent_id"], reading["sequence"]) == ("gw-7", sequence)
        assert reading["recording"]["sha256"] == reading["registers"][0]["provenance"]["recording"]


def test_a_spool_that_takes_nothing_still_prints_the_reading(
    lines: Path, plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from agent.listening.into_spool import IntoSpool

    async def refuse(*_: object) -> object:
        raise LocalTrouble("the disk is full")

    create_device_key(tmp_path / "state" / "keys")
    monkeypatch.setattr(IntoSpool, "keep", refuse)
    with pytest.raises(LocalTrouble):
        listened("radio", "--replay", lines, "--plan", plan, "--no-clock-check", "--config", config(tmp_path))
    assert json.loads(capfd.readouterr().out)["registers"]


def test_sigterm_ends_a_run_with_what_is_confirmed(plan: Path, tmp_path: Path) -> None:
    """Samples that never end: a FIFO that somebody holds open, in place of rtl_433 a stand-in that prints."""
    stand_in = tmp_path / "rtl_433"
    printed = "\n".join(line.decode() for line in (scm(), scm(time="@9s")))
    stand_in.write_text(f"#!/bin/sh\ncat <<'EOF'\n{printed}\nEOF\necho 'Current noise level' >&2\nexec sleep 600\n")
    stand_in.chmod(0o755)
    code = (
        "import argparse, sys; from agent.cli import listen; p = argparse.ArgumentParser(); listen.add_arguments(p); "
    )
    code += "sys.exit(listen.run(p.parse_args()))"
    command = [sys.executable, "-c", code, "radio", "--plan", str(plan), "--no-clock-check"]
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "the receiver receives samples\n"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate()
    assert process.returncode == 0
    assert json.loads(out)["registers"][0]["value"] == "56245.6"
    assert "unheard: 99 (scm)" in err


def test_progress_is_for_terminals_only(capsys: pytest.CaptureFixture[str]) -> None:
    watched = Watched(ReadPlan())
    watched.say("the receiver is plugged in")
    watched.close()
    assert capsys.readouterr().err == "the receiver is plugged in\n"


def test_radio_is_loaded_only_where_it_is_listened_to() -> None:
    code = "import sys, agent.service; print({'agent.listening.run', 'drivers.ert.receiver'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"
