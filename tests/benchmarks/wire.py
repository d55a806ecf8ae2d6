"""What a recorded session put on the wire, and how long the wire needs for that alone.

Every octet of both directions counts (packet headers, CRCs, ACKs, logon and logoff included), masked ones by their
number, each at 10 bits and at the speed that the line had then. The session's time is that between the recording's
first octet and its last, plus the time that the last octets need to get out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from drivers.psem.packet import LARGEST_SIZE, OVERHEAD, Control, Framer, Received
from drivers.transport.recording_file import Octets, Record, read_sessions

BITS = 10  # of one octet: start, eight data, stop
BASE_BAUD = 9600
READS = (0x30, 0x3F)


@dataclass(frozen=True, slots=True)
class Answer:
    """A table, or a part of one, as it came: `at` is when its last octet was in, from the session's first octet on."""

    table: int
    octets: int  # of the table
    at_s: float


@dataclass(frozen=True, slots=True)
class Session:
    """One recorded session, counted."""

    seconds: float
    wire_s: float
    octets: int
    largest_packet: int
    turns: int  # times that the line changed its direction
    answers: tuple[Answer, ...]

    @property
    def efficiency(self) -> float:
        """Wire time of the octets ÷ wall time."""
        return self.wire_s / self.seconds

    @property
    def idle_ms(self) -> float:
        """What was not used for sending, for each turn of the line."""
        return 1000 * (self.seconds - self.wire_s) / self.turns

    @property
    def table_octets(self) -> int:
        return sum(answer.octets for answer in self.answers)

    def first(self, table: int) -> float:
        """When the first answer of this table was in, in seconds."""
        return next(answer.at_s for answer in self.answers if answer.table == table)


def counted(recording: Path) -> Session:
    """Count one session that went without a hitch."""
    (session,) = read_sessions(recording)
    at_speed = list(_with_baud(session.records))
    records = [record for record, _ in at_speed]
    first, last = records[0], records[-1]
    rest_s = last.length * BITS / at_speed[-1][1] if last.direction == ">" else 0.0
    largest, answers = _answers(records)
    return Session(
        seconds=(last.t - first.t) / 1e9 + rest_s,
        wire_s=sum(record.length * BITS / baud for record, baud in at_speed),
        octets=sum(record.length for record in records),
        largest_packet=largest,
        turns=sum(one.direction != other.direction for one, other in pairwise(records)),
        answers=answers,
    )


def _with_baud(records: tuple[Record, ...]) -> Iterator[tuple[Octets, int]]:
    baud = BASE_BAUD
    for record in records:
        if isinstance(record, Octets):
            yield record, baud
        elif record.name == "baud":
            baud = int(record.value)


def _answers(records: list[Octets]) -> tuple[int, tuple[Answer, ...]]:
    """Return the octets of the largest packet, and what came of each table."""
    packets = {direction: Framer(LARGEST_SIZE - OVERHEAD) for direction in "<>"}
    asked = answer = b""
    largest = 0
    found: list[Answer] = []
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
                octets = int.from_bytes(answer[1:3], "big")
                found.append(Answer(int.from_bytes(asked[1:3], "big"), octets, (record.t - records[0].t) / 1e9))
            answer = b""
    return largest, tuple(found)
