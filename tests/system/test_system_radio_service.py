"""`mrsp run` with a fixed radio receiver: the real rtl_433 on a stand-in dongle, readings in the spool, a restart."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.system.world import mrsp, simulator

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(180),
    pytest.mark.skipif(shutil.which("rtl_433") is None, reason="rtl_433 is not installed"),
]
CONFIG = """\
[agent]
agent_id = "gw-0009"
state_directory = "state"
[clock]
ntp = ["{ntp}"]
[radio]
plan = "plan.csv"
device = "{device}"
sample_rate = 1024000
hold = "1s"
"""
PLAN = "meter_id,message,multiplier\n54585868,scm,0.1\n11278109,idm,0.01\n99,scm,\n"


@contextmanager
def agent(config: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "agent.cli.main", "run", "--config", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[str], words: str, times: int = 1) -> list[str]:
    """Read its log until these words came so often."""
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if sum(words in one for one in lines) == times:
            return lines
    pytest.fail("".join(lines))


def depth(config: Path) -> Any:
    return json.loads(mrsp("spool", "status", "--json", "--config", config).stdout)["depth"]


def test_planned_meters_reach_the_spool_once_a_cycle(tmp_path: Path) -> None:
    config = tmp_path / "mrsp.toml"
    (tmp_path / "plan.csv").write_text(PLAN)
    air = ("radio", "--rtl-tcp", "0", "--seconds", "2", "--every", "1", "--foreign", "20")
    with simulator("ntp") as ntp, simulator(*air) as device:
        config.write_text(CONFIG.format(ntp=ntp.split()[0], device=device))
        assert mrsp("keys", "init", "--config", config).returncode == 0
        for restart in range(2):
            with agent(config) as running:
                wait_for(running, "the receiver receives samples") if restart else wait_for(
                    running, "is in the spool", 2
                )
                running.send_signal(signal.SIGTERM)
                assert running.wait() == 0
            assert depth(config) == 2
    assert mrsp("spool", "verify", "--config", config).returncode == 0


def test_an_agent_without_the_program_goes_on(tmp_path: Path) -> None:
    config = tmp_path / "mrsp.toml"
    (tmp_path / "plan.csv").write_text(PLAN)
    text = CONFIG.format(ntp="127.0.0.1:1", device="0") + 'program = "/nowhere/rtl_433"\n'
    config.write_text(text)
    assert mrsp("keys", "init", "--config", config).returncode == 0
    with agent(config) as running:
        wait_for(running, "apt-get install rtl-433")
        assert running.poll() is None
        running.send_signal(signal.SIGTERM)
        assert running.wait() == 0
