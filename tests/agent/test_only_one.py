"""One service for one state directory, whatever becomes of the one before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import LocalTrouble
from agent.only_one import LOCK, only_one, running


def test_a_second_one_is_refused_with_the_number_of_the_first(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    with only_one(directory):
        assert running(directory) == os.getpid()
        with pytest.raises(LocalTrouble, match=rf"another `mrsp run` \(process {os.getpid()}\)"), only_one(directory):
            pytest.fail("two at once")
        assert running(directory) == os.getpid()
    assert running(directory) is None
    with only_one(directory):
        assert (directory / LOCK).stat().st_mode & 0o777 == 0o600


def test_one_that_was_killed_leaves_the_place_free(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, agent.only_one as one\n"
        "with one.only_one(pathlib.Path(sys.argv[1])): print(1, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        assert running(tmp_path) == process.pid
        process.kill()
    assert running(tmp_path) is None
    with only_one(tmp_path):
        assert running(tmp_path) == os.getpid()


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalTrouble, match="cannot be used"), only_one(tmp_path / "file" / "state"):
        pytest.fail("no directory")
    assert running(tmp_path / "nowhere") is None
