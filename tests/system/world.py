"""Whole programs for the system tests: simulators and the agent, each a process of its own, on real lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from metersim.meter import scenario_names
from tests.young_meters import young_file

READ_PASSWORD = {"commercial-4ch": "READ-ONLY"}
DEFAULT_PASSWORD = "00000000"  # noqa: S105 - the simulated meters'


@contextmanager
def simulator(*arguments: str) -> Iterator[str]:
    """Run `metersim …`; yield the first line that it prints. A meter of a scenario that ships is a young one."""
    command, scenario = _with_young_meter(arguments)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(scenario)
            process.stdin.close()
            line = process.stdout.readline().strip()
            assert line, f"metersim {arguments[0]} printed nothing"
            yield line
        finally:
            process.terminate()


def metersim(*arguments: str) -> str:
    """Run `metersim …` to its end; return what it printed."""
    command, scenario = _with_young_meter(arguments)
    return subprocess.run(command, input=scenario, capture_output=True, text=True, check=True, timeout=60).stdout


def _with_young_meter(arguments: tuple[str, ...]) -> tuple[list[str], str]:
    """Return the command, and what it is to be given as its input: the scenario that it is told to run, made young."""
    told = dict(pairwise(arguments))
    name = told.get("--scenario", "")
    command = [sys.executable, "-m", "metersim", *arguments]
    if name not in scenario_names():
        return command, ""
    command[command.index(name)] = "/dev/stdin"
    return command, young_file(name, datetime.fromisoformat(told["--now"]) if "--now" in told else datetime.now(UTC))


@contextmanager
def meter(*arguments: str) -> Iterator[str]:
    """Run a simulated meter; yield its address."""
    with simulator("meter", *arguments) as address:
        yield address


def password_file(directory: Path, scenario: str) -> Path:
    path = directory / f"{scenario}.password"
    path.touch(mode=0o600)
    path.write_text(READ_PASSWORD.get(scenario, DEFAULT_PASSWORD))
    return path


def mrsp(*arguments: str | Path, timeout_s: float = 100) -> subprocess.CompletedProcess[str]:
    """Run one command of the agent to its end."""
    return subprocess.run(
        [sys.executable, "-m", "agent.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env={**os.environ, "TZ": "UTC"},
    )


def reading_of(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the document that `mrsp read --format json` printed; nothing else may be on standard output."""
    assert run.stdout, run.stderr
    document: dict[str, Any] = json.loads(run.stdout)
    return document


def outcomes(document: dict[str, Any]) -> dict[str, str]:
    """Return the outcome of every check; of several channels the worst."""
    worst = {"pass": 0, "skipped": 1, "verified": 2, "fail": 3}
    found: dict[str, str] = {}
    for check in document["checks"]:
        name, outcome = check["check"], check["outcome"]
        if name not in found or worst[outcome] > worst[found[name]]:
            found[name] = outcome
    return found
