"""Whole programs for the system tests: simulators and the agent, each a process of its own, on real lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

READ_PASSWORD = {"commercial-4ch": "READ-ONLY"}
DEFAULT_PASSWORD = "00000000"  # noqa: S105 - the simulated meters'


@contextmanager
def simulator(*arguments: str) -> Iterator[str]:
    """Run `metersim …`; yield the first line that it prints."""
    with subprocess.Popen([sys.executable, "-m", "metersim", *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline().strip()
            assert line, f"metersim {arguments[0]} printed nothing"
            yield line
        finally:
            process.terminate()


def metersim(*arguments: str) -> str:
    """Run `metersim …` to its end; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "metersim", *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


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
