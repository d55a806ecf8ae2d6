"""What the service asks of a small box: processor time while nothing is due, and what it writes to the SD card.

Octets written are those of /proc/PID/io: pages that the process made dirty, which the kernel writes, without the file
system's own journal. A day is put together from one round of reads, times the rounds of a day, and the idle hours.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.benchmarks.figures import Figures
from tests.benchmarks.gateway import DAY_S, Gateway, Meter, wait_for
from tests.benchmarks.test_benchmark_many import fleet
from tests.forwarding.forwarding_kit import AGENT
from tests.system.world import simulator

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

METERS = 100
IDLE_S = 120
CPU_PERCENT, WRITTEN_MB = 0.5, 20
READS_FROM_NOW_S = 30
SETTLES_S = 20  # until all has begun, and what was acknowledged is removed
INTERVAL = timedelta(minutes=15)
TICKS = os.sysconf("SC_CLK_TCK")


def made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def cpu_s(pid: int) -> float:
    """Return the processor time of a process and of the children that it waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def written(pid: int) -> int:
    """Return the octets that a process has had written to disks."""
    io = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(io["write_bytes"]) - int(io["cancelled_write_bytes"])


@pytest.fixture(scope="module")
def disk() -> Iterator[Path]:
    """A directory on a disk: those of pytest are in memory."""
    place = Path("build")
    place.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=place, prefix="benchmark-") as directory:
        yield Path(directory).absolute()


@pytest.fixture(scope="module")
def idle_mb(disk: Path, figures: Figures) -> float:
    """What an idle service writes, MB a day."""
    with simulator("ntp") as ntp:
        gateway = Gateway.create(made(disk / "idle"), ntp=ntp, meters=[Meter("/dev/ttyUSB0")])
        with gateway.broker() as log, gateway.agent() as agent:
            wait_for(log, f"Received PUBLISH from {AGENT}")
            time.sleep(SETTLES_S)
            before, octets, began = cpu_s(agent.pid), written(agent.pid), time.monotonic()
            time.sleep(IDLE_S)
            share = (cpu_s(agent.pid) - before) / (time.monotonic() - began)
            idle = (written(agent.pid) - octets) * DAY_S / IDLE_S / 1e6
    figures.tell("written while nothing is due", idle, "MB a day", note=f"{IDLE_S} s")
    figures.assert_below("processor time while nothing is due", share * 100, "%", below=CPU_PERCENT, note=f"{IDLE_S} s")
    return idle


@pytest.mark.parametrize(
    ("since", "rounds", "below"),
    [
        pytest.param(timedelta(days=1), 1, WRITTEN_MB, id="once-a-day"),
        pytest.param(INTERVAL, 96, None, id="each-interval"),
    ],
)
def test_what_a_hundred_meters_have_written(
    figures: Figures, disk: Path, idle_mb: float, since: timedelta, rounds: int, below: float | None
) -> None:
    place = made(disk / str(rounds))
    now = datetime.now(UTC)
    last = f"last_read_at = {now - since:%FT%TZ}"
    with simulator("ntp") as ntp, fleet(place, METERS, now - timedelta(days=10), now) as addresses:
        meters = [Meter(url, READS_FROM_NOW_S, last) for url in addresses]
        gateway = Gateway.create(place, ntp=ntp, meters=meters)
        with gateway.broker() as log, gateway.mdsp() as events, gateway.agent() as agent:
            wait_for(log, f"Received PUBLISH from {AGENT}")
            before = written(agent.pid)
            verified = (one for one in events if one.get("verdict") == "new" and one.get("kind") == "readings")
            assert len({next(verified)["id"] for _ in range(METERS)}) == METERS
            time.sleep(SETTLES_S)
            octets = written(agent.pid) - before
    name = f"written: {METERS} meters, 4 channels of 15 min, {rounds} reads a day"
    note = f"{octets / METERS / 1000:.1f} kB a read, {idle_mb:.2g} MB idle"
    mb = octets * rounds / 1e6 + idle_mb
    if below is None:
        figures.tell(name, mb, "MB a day", note=note)
    else:
        figures.assert_below(name, mb, "MB a day", below=below, note=note)
