"""How soon `mrsp read` speaks: from starting the process to the first octet on the line."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
import tty
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.benchmarks.figures import Figures, median_of
from tests.system.world import simulator

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(120)]

RUNS = 9
BOUND_S = 0.6
START = b"\xee"


def first_octet_s(*options: str, python: Mapping[str, str]) -> float:
    """Start `mrsp read` on a pty of our own; return the seconds until a packet begins there."""
    master, slave = os.openpty()
    try:
        tty.setraw(slave)
        command = [str(Path(sys.executable).with_name("mrsp")), "read", os.ttyname(slave), *options]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment |= python
        began = time.perf_counter()
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
        ) as process:
            ready, _, _ = select.select([master], [], [], 20)
            took = time.perf_counter() - began
            process.kill()
            assert ready, process.stderr and process.stderr.read()
        assert os.read(master, 64).startswith(START)
    finally:
        os.close(master)
        os.close(slave)
    return took


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """How Python finds an installed program: compiled, which here the warming up sees to."""
    return {"PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("bytecode"))}


def test_read_starts_at_once(figures: Figures, installed: dict[str, str]) -> None:
    took, note = median_of(RUNS, lambda: first_octet_s("--no-clock-check", python=installed))
    figures.assert_below("`mrsp read` to first octet on the line", took, "s", below=BOUND_S, note=note)


def test_the_clock_proof_delays_a_read_little(figures: Figures, installed: dict[str, str]) -> None:
    with simulator("ntp") as server:
        took, note = median_of(RUNS, lambda: first_octet_s("--ntp", server, python=installed))
    figures.assert_below("  with a clock proof by NTP, server near by", took, "s", below=BOUND_S, note=note)
