"""500 calls at once: one process dials and reads them all over modems on TCP ports, paced at 1200 to 9600 baud.

Modems, telephone network and meters run in processes of their own, one for each speed. Reads are sized so that every
call is up while all others are: what is measured is a box with 500 sessions in it, not one after the other.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers.base import Progress, Task
from drivers.data import LineReport
from drivers.psem.driver import PsemDriver
from drivers.secret import Secret
from tests.benchmarks.figures import Figures
from tests.benchmarks.gateway import resident_mb
from tests.system.world import DEFAULT_PASSWORD

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

SCENARIOS = Path(__file__).parents[2] / "hardware-sim" / "metersim" / "scenarios"
NOW = "2026-11-21T04:07:33Z"
LOOK_EVERY_S = 0.5
CPU_S, MEMORY_MB = 0.5, 0.5


@dataclass(frozen=True, slots=True)
class Group:
    """So many meters at one speed. `installed` decides how long their profile is."""

    rate: int
    meters: int
    scenario: str
    installed: str


GROUPS = (
    Group(1200, 150, "residential-tou", "2026-11-19"),
    Group(2400, 150, "profile-35d", "2026-11-14"),
    Group(9600, 200, "profile-35d-4ch", "2026-10-27"),
)
SESSIONS = sum(group.meters for group in GROUPS)


@contextmanager
def served(group: Group, directory: Path) -> Iterator[list[str]]:
    """Serve the modems and meters of a group; yield one URL for each meter, on a modem of its own."""
    text = (SCENARIOS / f"{group.scenario}.toml").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("installed = "))
    scenario = directory / f"{group.scenario}.toml"
    scenario.write_text(text.replace(line, f"installed = {group.installed}"))
    command = [sys.executable, "-m", "metersim", "modem", "--tcp", "0", "--now", NOW, "--freeze"]
    command += ["--modems", str(group.meters), "--meters", str(group.meters), "--scenario", str(scenario)]
    command += ["--rate", str(group.rate), "--ring-time", "1", "--seed", str(group.rate)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ports = [process.stdout.readline().strip().removeprefix("tcp://") for _ in range(group.meters)]
            numbers = [process.stdout.readline().split()[0] for _ in range(group.meters)]
            yield [f"modem+tcp://{port}?dial={number}&init=%5CN0" for port, number in zip(ports, numbers, strict=True)]
        finally:
            process.terminate()


class Crowd:
    """Counts who is in a session."""

    def __init__(self) -> None:
        self.inside = self.peak = 0

    async def read(self, url: str) -> LineReport:
        """Read one meter whole; keep of it how the line did."""
        begun = False

        def progress(_told: Progress) -> None:
            nonlocal begun
            if not begun:
                begun = True
                self.inside += 1
                self.peak = max(self.peak, self.inside)

        password = Secret(DEFAULT_PASSWORD.encode())
        try:
            data = await PsemDriver().read(Task(url=url, password=password, progress=progress))
        finally:
            self.inside -= begun
        assert data.broken is None
        assert not [problem for problem in data.problems if problem.lost]
        assert data.registers
        assert data.line is not None
        return data.line


async def read_all(urls: list[str], crowd: Crowd) -> tuple[list[LineReport], float]:
    """Read all of them at once; return how the lines did, and the most memory that this process had meanwhile."""
    reading = asyncio.ensure_future(asyncio.gather(*map(crowd.read, urls)))
    peak_mb = 0.0
    while not reading.done():
        peak_mb = max(peak_mb, resident_mb(os.getpid()))
        await asyncio.wait({reading}, timeout=LOOK_EVERY_S)
    return await reading, peak_mb


def test_five_hundred_modem_sessions_at_once(figures: Figures, tmp_path: Path) -> None:
    with ExitStack() as stack:
        served_groups = [stack.enter_context(served(group, tmp_path)) for group in GROUPS]
        urls = [url for group in served_groups for url in group]
        asyncio.run(read_all(urls[-1:], Crowd()))  # what the first reading imports and caches belongs to nobody
        crowd, before_mb = Crowd(), resident_mb(os.getpid())
        began, cpu_began = time.perf_counter(), time.process_time()
        lines, peak_mb = asyncio.run(read_all(urls, crowd))
        seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
    octets = sum(line.bytes_sent + line.bytes_received for line in lines)
    speeds = ", ".join(f"{group.meters} at {group.rate}" for group in GROUPS)
    figures.tell(f"{SESSIONS} modem sessions in one process", seconds, "s", note=f"{speeds}; {octets} octets in all")
    figures.assert_at_least("  in a session at the same time", crowd.peak, at_least=SESSIONS)
    retries = sum(line.retries for line in lines)
    figures.tell("  time-outs and retries, all sessions", retries, note="other programs on this machine cause them")
    figures.tell("  of one core, while they ran", 100 * cpu_s / seconds, "%")
    figures.assert_below("  CPU for a call and a full read", cpu_s / SESSIONS, "s", below=CPU_S)
    figures.tell("  memory of the process at its peak", peak_mb, "MB", note=f"VmRSS; {before_mb:.0f} MB before")
    figures.assert_below("  memory for a session", (peak_mb - before_mb) / SESSIONS, "MB", below=MEMORY_MB)
