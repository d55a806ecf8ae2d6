"""The agent is killed at sixty-odd instants of the whole way; `scripts/crash` does it ten thousand times."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.file_layer import library

KILLS = 64


@pytest.mark.system
@pytest.mark.timeout(170)
@pytest.mark.skipif(library() is None, reason="this Python has SQLite built in")
def test_kill_9_at_any_step_of_the_whole_way_loses_and_doubles_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.crash", "--kills", str(KILLS), "--seed", "gate"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=160, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{KILLS} kills" in done.stdout
    assert "0 faults" in done.stdout
    hit = dict(re.findall(r"^  (\S.*?) +(\d+)$", done.stdout, re.MULTILINE))
    assert sum(int(count) > 0 for count in hit.values()) >= 8, done.stdout
