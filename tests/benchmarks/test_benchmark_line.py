"""How well a full read uses the line: 35 days × 4 channels × 15 minutes, by the real command on a paced pty.

The simulated line is measured first, with a peer that does nothing but acknowledge: what it cannot do no reader can.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import termios
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from metersim.meter import load_scenario, running_meter
from metersim.precise_loop import precise_loop
from tests.benchmarks.figures import Figures
from tests.benchmarks.wire import BASE_BAUD, BITS, Session, counted
from tests.metersim.raw_client import IDENTIFY, LOGON, RawClient, connected, full_read, security, set_speed, table_data
from tests.system.world import DEFAULT_PASSWORD, password_file

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(400)]

SCENARIO = "profile-35d-4ch"
PROFILE_OCTETS = 36 * 1093  # of ST64: 35 full blocks and the open one
SPEEDS = {9600: (0x06, termios.B9600, 0.97), 57600: (0x0A, termios.B57600, 0.93)}
MOST_RUNS = 3  # other programs on this machine can only make a session longer
FIRST_VALUE_S = 5.0
CPU_S = 3.0


@dataclass(frozen=True, slots=True)
class Read:
    """One run of `mrsp read`: what its recording shows, and the CPU time of the process."""

    session: Session
    cpu_s: float


class Counted(RawClient):
    """Knows how many octets went each way since `octets` was set to 0."""

    octets = 0

    async def send(self, octets: bytes) -> None:
        self.octets += len(octets)
        await super().send(octets)

    async def take(self, count: int) -> bytes:
        self.octets += count
        return await super().take(count)


@pytest.mark.parametrize("baud", SPEEDS)
def test_the_simulated_line_is_as_fast_as_it_should_be(figures: Figures, baud: int) -> None:
    with asyncio.Runner(loop_factory=precise_loop) as runner:
        efficiency = max(runner.run(bare_efficiency(baud)) for _ in range(1 if baud == BASE_BAUD else MOST_RUNS))
    figures.assert_at_least(
        f"the simulated line itself at {baud} baud",
        efficiency,
        at_least=SPEEDS[baud][2] + 0.01,
        note="ST64 whole to a peer that only acknowledges",
    )
    assert efficiency < 1, "the line was not paced"


async def bare_efficiency(baud: int) -> float:
    """Read ST64 in one request and acknowledge at once; return wire time ÷ wall time."""
    code, speed, _ = SPEEDS[baud]
    async with (
        running_meter(SCENARIO, now=datetime.now(UTC), baud_pace=True) as meter,
        connected(meter.address) as raw,
    ):
        client = Counted(raw.reader, raw._write)
        await client.request(IDENTIFY)
        assert await client.request(bytes([0x61, 4, 0, 255, code])) == bytes([0, 4, 0, 255, code])
        assert isinstance(raw._write, int)
        set_speed(raw._write, speed)
        await client.request(LOGON)
        await client.request(security(DEFAULT_PASSWORD))
        loop = asyncio.get_running_loop()
        began, client.octets = loop.time(), 0
        assert len(table_data(await client.request(full_read(64)))) == PROFILE_OCTETS
        return client.octets * BITS / baud / (loop.time() - began)


def test_a_full_read_at_9600_baud_takes_little_longer_than_its_octets(figures: Figures, tmp_path: Path) -> None:
    best = best_read(tmp_path, 9600)
    session = best.session
    figures.tell("full read at 9600 baud, whole session", session.seconds, "s", note=f"{session.octets} octets")
    figures.tell(
        "  the same octets alone on the wire", session.wire_s, "s", note=f"packets of {session.largest_packet}"
    )
    figures.tell("  not sending, per turn of the line", session.idle_ms, "ms", note=f"{session.turns} turns")
    figures.assert_at_least("  line efficiency at 9600", session.efficiency, at_least=SPEEDS[9600][2])
    figures.assert_below(
        "  first register value after", session.first(23), "s", below=FIRST_VALUE_S, note="first octet to ST23"
    )
    figures.assert_below(
        "  CPU of the whole command", best.cpu_s, "s", below=CPU_S, note="start of Python and all checks included"
    )


def test_a_full_read_at_57600_baud_takes_little_longer_than_its_octets(figures: Figures, tmp_path: Path) -> None:
    best = best_read(tmp_path, 57600)
    session = best.session
    figures.tell("full read at 57600 baud, whole session", session.seconds, "s", note=f"{session.octets} octets")
    figures.tell("  not sending, per turn of the line", session.idle_ms, "ms", note=f"{session.turns} turns")
    figures.assert_at_least("  line efficiency at 57600", session.efficiency, at_least=SPEEDS[57600][2])
    figures.tell("  first register value after", session.first(23), "s", note="first octet to ST23")


def best_read(directory: Path, baud: int) -> Read:
    """Read until the bound is met, thrice at most; return the best."""
    reads: list[Read] = []
    with asyncio.Runner(loop_factory=precise_loop) as runner:
        while len(reads) < MOST_RUNS and all(read.session.efficiency < SPEEDS[baud][2] for read in reads):
            reads.append(runner.run(full_read_by_mrsp(directory / f"{baud}-{len(reads)}.rec", baud)))
    best = max(reads, key=lambda read: read.session.efficiency)
    assert best.session.largest_packet == load_scenario(SCENARIO).psem.packet_size == 1024
    assert best.session.table_octets > PROFILE_OCTETS
    assert best.session.efficiency < 1, "the line was not paced"
    return best


async def full_read_by_mrsp(recording: Path, baud: int) -> Read:
    """Read the paced meter with `mrsp read`, which may go as fast as `baud`."""
    profiles = recording.parent
    (profiles / "paced.toml").write_text(
        f'name = "paced"\ntitle = "Paced"\nstatus = "not tried on hardware"\n[psem]\nbauds = [{baud}]\n'
    )
    secret = password_file(recording.parent, SCENARIO)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    async with running_meter(SCENARIO, now=datetime.now(UTC), baud_pace=True) as meter:
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("mrsp"),
            *("read", meter.address, "--no-clock-check", "--format=json", "--profile=paced"),
            *(f"--profile-dir={profiles}", "--password-file", secret, "--record", recording),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, complaints = await process.communicate()
        assert process.returncode in {0, 1}, complaints.decode()  # checks may fail: nobody vouches for the clock
        session = counted(recording)
        assert session.octets == meter.line.bytes_received + meter.line.bytes_sent
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Read(session, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
