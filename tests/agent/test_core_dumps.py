"""A process that holds secrets leaves no core dump, and nobody of the same user looks into its memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PR_GET_DUMPABLE = 3  # <linux/prctl.h>
PROGRAM = f"""
import ctypes, resource
from agent.core_dumps import forbid_core_dumps
dumpable = lambda: ctypes.CDLL(None).prctl({PR_GET_DUMPABLE}, 0, 0, 0, 0)
print(dumpable())
forbid_core_dumps()
print(dumpable(), *resource.getrlimit(resource.RLIMIT_CORE))
"""
ROOT = Path(__file__).parents[2]


def test_neither_limit_nor_kernel_lets_a_core_out() -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert run.stdout.split() == ["1", "0", "0", "0"]
