"""A process that holds secrets leaves no core dump, and nobody of the same user looks into its memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.cli import main
from agent.errors import LocalTrouble

PR_GET_DUMPABLE = 3  # <linux/prctl.h>
PROGRAM = f"""
import ctypes, resource
from agent.core_dumps import forbid_core_dumps
dumpable = lambda: ctypes.CDLL(None).prctl({PR_GET_DUMPABLE}, 0, 0, 0, 0)
print(dumpable())
forbid_core_dumps()
print(dumpable(), *resource.getrlimit(resource.RLIMIT_CORE))
"""
COMMAND = f"""
import ctypes, resource, sys
from agent.cli.main import entry
sys.argv = ["mrsp", "--version"]
try:
    entry()
except SystemExit as ended:
    print(ended.code, ctypes.CDLL(None).prctl({PR_GET_DUMPABLE}, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE))
"""
ROOT = Path(__file__).parents[2]


def said_by(program: str) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return run.stdout.split()


def test_neither_limit_nor_kernel_lets_a_core_out() -> None:
    assert said_by(PROGRAM) == ["1", "0", "0", "0"]


def test_every_command_forbids_them_before_it_begins() -> None:
    assert said_by(COMMAND)[-4:] == ["0", "0", "0", "0"]


def test_where_they_cannot_be_forbidden_no_command_begins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuses() -> None:
        raise LocalTrouble("core dumps cannot be switched off")

    monkeypatch.setattr(main, "forbid_core_dumps", refuses)
    with pytest.raises(SystemExit) as ended:
        main.entry()
    assert ended.value.code == 6
    assert capsys.readouterr().err == "mrsp: core dumps cannot be switched off\n"
