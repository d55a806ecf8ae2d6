"""Every command of the laboratory's manual does what the manual says, in the order in which it stands there."""

from __future__ import annotations

import argparse
import re
import shlex
from contextlib import ExitStack
from pathlib import Path

import pytest

from metersim.cli import COMMANDS, main
from metersim.lab.command import ACTIONS
from metersim.lab.command import add_arguments as lab_arguments
from metersim.meter.command import add_arguments as meter_arguments
from tests.system.world import mrsp, simulator

MANUAL = (Path(__file__).parents[2] / "docs" / "laboratory.md").read_text("utf-8")
PASSWORD = "00000000"  # noqa: S105 - the simulated meter's


def commands() -> list[str]:
    """Return the commands that stand in lines of their own, without what is said of them."""
    return [re.split(r"\s+# ", line)[0] for line in re.findall(r"(?m)^ {4}((?:metersim|your-reader) .*)$", MANUAL)]


def read(address: str, folder: Path, *arguments: str) -> str:
    """Read the meter at a line by `mrsp read`, as a box whose clock nobody has proved; return what it prints."""
    password = folder / "password"
    password.touch(mode=0o600)
    password.write_text(PASSWORD)
    run = mrsp("read", address, "--format=json", "--no-clock-check", "--password-file", password, *arguments)
    assert run.returncode in {0, 1}, run.stderr
    return run.stdout


@pytest.mark.timeout(150)
def test_what_the_manual_says_can_be_done_from_the_first_line_to_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done, output, address = [], "", ""
    with ExitStack() as simulators:
        for command in commands():
            words, _, target = command.partition(" > ")
            program, *arguments = shlex.split(words)
            if program == "your-reader":
                output = read(address, tmp_path)
            elif arguments[0] == "meter":
                output = address = simulators.enter_context(simulator(*arguments))
            else:
                assert main(arguments) == 0, command
                output = capsys.readouterr().out
            if target:
                Path(target).write_text(output)
            done.append(" ".join([program, *arguments[:2]]))
    assert output == "as expected of the visit of 2026-02-01T17:00:00Z\n"
    assert done == [
        "metersim lab list", "metersim lab describe", "metersim lab new", "metersim lab check", "metersim lab expect",
        "metersim meter --scenario", "your-reader /dev/pts/7", "metersim lab compare",
    ]  # fmt: skip


def test_a_storm_in_the_night_of_the_change_of_time_is_read_over_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("spring.toml").write_text("""
        use = ["residential-tou"]
        title = "A storm in the night of the change of time"
        installed = 2026-02-25
        outages_per_year = 0
        visits = [2026-03-05T12:00:00Z, 2026-03-12T12:00:00Z]
        clock.offset_at = 2026-02-25T12:00:00Z
        outage = [{ at = 2026-03-08T06:50:00Z, seconds = 4000 }]
    """)
    arguments = ("--scenario", "spring.toml", "--freeze", "--now", "2026-03-12T12:00:00Z")
    with simulator("meter", *arguments) as address:
        since = ("--since", "2026-03-05T12:00:00Z", "--meter-id", "87654321", "--site-zone", "America/New_York")
        Path("reading.json").write_text(read(address, tmp_path, *since))
    assert main(["lab", "compare", "spring.toml", "reading.json"]) == 0
    assert capsys.readouterr().out == "as expected of the visit of 2026-03-12T12:00:00Z\n"


def test_the_mistake_that_the_manual_shows_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("parts").mkdir()
    Path("parts/house.toml").write_text('# A house.\n\n[[load]]\nname = "house"\nshape = "hill"\n')
    Path("mine.toml").write_text('use = ["residential-tou", "parts/house.toml"]\n')
    (shown,) = re.findall(r"(?m)^ {4}(metersim: .*)$", MANUAL)
    assert main(["lab", "check", "mine.toml"]) == 2
    assert capsys.readouterr().err == f"{shown}\n"


def test_the_manual_names_no_command_and_no_option_that_is_not_there() -> None:
    named = re.findall(r"`metersim ([a-z]+)(?: ([a-z]+))?", MANUAL)
    assert {command for command, _ in named} <= set(COMMANDS)
    assert {action for command, action in named if command == "lab" and action} <= set(ACTIONS)
    assert all(f"metersim lab {action}" in MANUAL for action in ACTIONS)
    parsers = argparse.ArgumentParser(), argparse.ArgumentParser()
    for parser, add_arguments in zip(parsers, (lab_arguments, meter_arguments), strict=True):
        add_arguments(parser)
    options = {option for parser in parsers for option in parser.format_help().split()}
    named_options = set(re.findall(r"--[a-z]+", MANUAL))
    assert {option for option in named_options if not any(one.startswith(option) for one in options)} == set()
