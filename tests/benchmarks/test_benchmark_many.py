"""200 meters at once: one process reads them all over TCP, each line paced at 9600 baud, the simulators in another one.

An inter-character time-out would show as a NAK and a repeated packet. All meters hold tables of the same sizes and no
interval ends meanwhile, so besides counting retries it is enough that every session moved the same number of octets.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers.base import Task
from drivers.data import LineReport
from drivers.psem.driver import PsemDriver
from drivers.secret import Secret
from tests.benchmarks.figures import Figures
from tests.benchmarks.gateway import resident_mb
from tests.benchmarks.wire import BITS
from tests.system.world import DEFAULT_PASSWORD

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(400)]

METERS = 200
SCENARIO = Path(__file__).parents[2] / "hardware-sim" / "metersim" / "scenarios" / "profile-35d-4ch.toml"
INSTALLED, NOW = (
    datetime(2026, 11, 1, tzinfo=UTC),
    datetime(2026, 11, 21, 4, 7, 33, tzinfo=UTC),
)  # 20 days of profile; the next interval ends in 7 minutes
INTERVALS = 4 * 96 * 19  # at the least
LOOK_EVERY_S = 0.25
CPU_S, MEMORY_MB, SLOWER = 0.25, 1.0, 1.5
MOST_RUNS = 3


@contextmanager
def fleet(directory: Path, count: int, installed: datetime, now: datetime, *options: str) -> Iterator[list[str]]:
    """Serve meters with four channels of 15 minutes in a process of their own; yield their addresses."""
    scenario = directory / "fleet.toml"
    scenario.write_text(SCENARIO.read_text().replace("installed = 2025-01-01", f"installed = {installed:%F}"))
    command = [sys.executable, "-m", "metersim", "meter", "--tcp", "0", "--count", str(count), *options]
    command += ["--scenario", str(scenario), "--now", f"{now:%FT%TZ}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield [process.stdout.readline().strip() for _ in range(count)]
        finally:
            process.terminate()


async def read(url: str) -> LineReport:
    """Read one meter; keep of it how the line did, if all that it has came."""
    data = await PsemDriver().read(Task(url=url, password=Secret(DEFAULT_PASSWORD.encode())))
    assert data.broken is None
    assert not [problem for problem in data.problems if problem.lost]
    assert sum(len(block.values) for block in data.blocks) > INTERVALS
    assert data.line is not None
    return data.line


async def read_all(addresses: list[str]) -> tuple[list[LineReport], float]:
    """Read all of them at once; return how the lines did, and the most memory that this process had meanwhile."""
    reading = asyncio.ensure_future(asyncio.gather(*map(read, addresses)))
    peak_mb = 0.0
    while not reading.done():
        peak_mb = max(peak_mb, resident_mb(os.getpid()))
        await asyncio.wait({reading}, timeout=LOOK_EVERY_S)
    return await reading, peak_mb


@dataclass(frozen=True, slots=True)
class Round:
    """What reading all of them once took."""

    lines: list[LineReport]
    seconds: float
    cpu_s: float
    memory_mb: float  # more than before

    @property
    def octets(self) -> set[tuple[int, int]]:
        return {(line.bytes_sent, line.bytes_received) for line in self.lines}

    @property
    def disturbed(self) -> int:
        """Retries, and sessions in which a meter had to repeat something."""
        most_common = Counter((line.bytes_sent, line.bytes_received) for line in self.lines).most_common(1)[0][1]
        return sum(line.retries for line in self.lines) + len(self.lines) - most_common

    @property
    def wire_s(self) -> float:
        return sum(min(self.octets)) * BITS / 9600


def one_round(directory: Path) -> Round:
    """Read a fleet once."""
    with fleet(directory, METERS, INSTALLED, NOW, "--baud-pace") as addresses:
        asyncio.run(read_all(addresses[:1]))  # what the first reading imports and caches belongs to nobody
        before_mb, began, cpu_began = resident_mb(os.getpid()), time.perf_counter(), time.process_time()
        lines, peak_mb = asyncio.run(read_all(addresses))
        return Round(lines, time.perf_counter() - began, time.process_time() - cpu_began, peak_mb - before_mb)


def test_two_hundred_meters_at_once(figures: Figures, tmp_path: Path) -> None:
    rounds = [one_round(tmp_path)]
    while rounds[-1].disturbed and len(rounds) < MOST_RUNS:  # other programs can only make it worse
        rounds.append(one_round(tmp_path))
    best = min(rounds, key=lambda one: one.disturbed)
    wire = f"wire time of one: {best.wire_s:.4g} s, run {len(rounds)} of at most {MOST_RUNS}"
    figures.tell(f"{METERS} meters at once over TCP, 9600 baud", best.seconds, "s", note=wire)
    figures.assert_below(
        "  time-outs and retries, all sessions", best.disturbed, below=1, note="simulators in another process"
    )
    figures.assert_below("  wall time ÷ wire time of one", best.seconds / best.wire_s, below=SLOWER)
    cpu_s, memory_mb = best.cpu_s / METERS, best.memory_mb / METERS
    figures.assert_below("  CPU for a full read", cpu_s, "s", below=CPU_S, note=f"{sum(min(best.octets))} octets each")
    figures.assert_below("  memory for a session", memory_mb, "MB", below=MEMORY_MB, note="VmRSS at its peak")
