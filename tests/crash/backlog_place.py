"""A backlog with everything that it takes: a real mosquitto, and what signs for the documents."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.benchmarks import acker
from tests.crash.backlog import Drained, drain_backlog
from tests.crash.place import running_mosquitto, started
from tests.forwarding.forwarding_kit import AGENT, free_port
from tests.system.world import metersim


def drained_backlog(directory: Path, documents: int, *, limit_s: float) -> tuple[Drained, str]:
    """Drain a backlog of so many documents; return what it took, and what the other end complained of."""
    port = free_port()
    metersim("pki", str(directory / "pki"), "--agent", AGENT)
    command = [sys.executable, "-m", acker.__name__, str(directory / "pki"), str(port)]
    with running_mosquitto(directory, port), started(command, "ready", stdout=subprocess.PIPE) as complaints:
        drained = asyncio.run(drain_backlog(directory, port, documents, limit_s=limit_s))
        return drained, (complaints.read() or b"").decode()
