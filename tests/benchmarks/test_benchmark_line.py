"""How well a full read uses the line: 35 days × 2 channels × 15 minutes at 9600 baud, by the real command on a pty.

What the bytes alone need is counted, not computed: every octet of both directions (packet headers, CRCs, ACKs, logon
and logoff included) stands in the recording, masked ones by their number, and must be what the meter counted at its
end. At 10 bits each they take octets × 10 ÷ 9600 seconds. The session's time is that between the recording's first
octet and its last, plus the time that the last octets need to get out.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from drivers.psem.packet import LARGEST_SIZE, OVERHEAD, Control, Framer, Received
from drivers.transport.recording_file import Octets, read_sessions
from metersim.meter import load_scenario, running_meter
from tests.benchmarks.figures import Figures
from tests.system.world import password_file

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(240)]

SCENARIO = "profile-35d"
PROFILE_OCTETS = 36 * 413  # of ST64: 35 full blocks and the open one
CHARACTER_S = 10 / 9600
BOUND = 1.08
MOST_RUNS = 3  # other programs on this machine can only make a session longer
READS = (0x30, 0x3F)


@dataclass(frozen=True, slots=True)
class Session:
    """One recorded session, counted."""

    seconds: float
    octets: int
    table_octets: int  # of them, data of tables
    largest_packet: int
    turns: int  # times that the line changed its direction

    @property
    def ratio(self) -> float:
        return self.seconds / (self.octets * CHARACTER_S)


async def test_a_full_read_takes_little_longer_than_its_bytes(figures: Figures, tmp_path: Path) -> None:
    sessions: list[Session] = []
    while len(sessions) < MOST_RUNS and min((one.ratio for one in sessions), default=BOUND) >= BOUND:
        sessions.append(await full_read(tmp_path, number=len(sessions)))
    best = min(sessions, key=lambda session: session.ratio)
    psem = load_scenario(SCENARIO).psem
    assert best.largest_packet == psem.packet_size == 1024
    assert best.table_octets > PROFILE_OCTETS
    assert best.ratio > 1, "the line was not paced"
    wire_s, tables_s = best.octets * CHARACTER_S, best.table_octets * CHARACTER_S
    figures.tell("full read at 9600 baud, whole session", best.seconds, "s", note=f"{best.octets} octets exchanged")
    figures.tell("  the same octets alone on the wire", wire_s, "s", note=f"packets of {best.largest_packet}")
    figures.tell("  not sending, per turn of the line", 1000 * (best.seconds - wire_s) / best.turns, "ms")
    note = f"{best.table_octets} octets of tables, {PROFILE_OCTETS} of them ST64"
    figures.tell("  session ÷ table data alone", best.seconds / tables_s, note=note)
    figures.judge("  session ÷ octets alone", best.ratio, below=BOUND, note=f"run {len(sessions)} of at most 3")


async def full_read(directory: Path, *, number: int) -> Session:
    """Read the paced meter with `mrsp read`; return the session as the recording has it."""
    recording = directory / f"{number}.rec"
    secret = password_file(directory, SCENARIO)
    async with running_meter(SCENARIO, now=datetime.now(UTC), baud_pace=True) as meter:
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("mrsp"),
            *("read", meter.address, "--no-clock-check", "--format=json"),
            *("--password-file", secret, "--record", recording),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, complaints = await process.communicate()
        assert process.returncode in {0, 1}, complaints.decode()  # checks may fail: nobody vouches for the clock
        session = counted(recording)
        assert session.octets == meter.line.bytes_received + meter.line.bytes_sent
    return session


def counted(recording: Path) -> Session:
    """Count one session that went without a hitch."""
    (session,) = read_sessions(recording)
    records = [record for record in session.records if isinstance(record, Octets)]
    first, last = records[0], records[-1]
    rest_s = last.length * CHARACTER_S if last.direction == ">" else 0.0
    packets = {direction: Framer(LARGEST_SIZE - OVERHEAD) for direction in "<>"}
    asked = b""
    answer = b""
    tables = largest = 0
    for record in records:
        if record.octets is None:  # the password
            asked = b""
            continue
        for item in packets[record.direction].feed(record.octets):
            if isinstance(item, Control):
                assert item is Control.ACK
                continue
            assert isinstance(item, Received), item
            largest = max(largest, len(item.raw))
            if record.direction == ">":
                asked = item.packet.data
                continue
            answer += item.packet.data
            if item.packet.seq:
                continue
            if asked and asked[0] in READS and answer[0] == 0:
                tables += int.from_bytes(answer[1:3], "big")
            answer = b""
    return Session(
        seconds=(last.t - first.t) / 1e9 + rest_s,
        octets=sum(record.length for record in records),
        table_octets=tables,
        largest_packet=largest,
        turns=sum(one.direction != other.direction for one, other in pairwise(records)),
    )
