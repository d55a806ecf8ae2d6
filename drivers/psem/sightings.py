"""Packets in the octets of a recording, with their places in it: found by their CRC, without any timing."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from drivers.errors import MeterProtocolError
from drivers.psem.packet import LARGEST_SIZE, OVERHEAD, START, Packet
from drivers.transport.recording_file import Octets

_MOST_SEARCHED = 4 * LARGEST_SIZE
_MOST_STARTS = 64  # places where a packet is looked for in octets that begin with a damaged one


@dataclass(frozen=True, slots=True)
class Sighting:
    """One packet in the recording. `t_ns`: nanoseconds from the start of the session to its last octet."""

    packet: Packet
    raw: bytes
    first_line: int
    last_line: int
    t_ns: int


@dataclass(frozen=True, slots=True)
class Carrier:
    """Where some octets of a table are on the wire: `sighting.raw[start:end]`."""

    sighting: Sighting
    start: int
    end: int


class Turn:
    """What one side sent before the other side sent something."""

    def __init__(self, records: list[Octets]) -> None:
        self.masked = any(record.octets is None for record in records)
        self.octets = b"".join(record.octets or bytes(record.length) for record in records)
        self._records = records
        self._starts: list[int] = []
        at = 0
        for record in records:
            self._starts.append(at)
            at += record.length

    def sighting(self, packet: Packet, start: int, end: int) -> Sighting:
        """Return a packet with its place in the recording."""
        first, last = (self._records[bisect_right(self._starts, at) - 1] for at in (start, end - 1))
        return Sighting(packet, self.octets[start:end], first.line_number, last.line_number, last.t)


def packets_in(octets: bytes) -> tuple[list[tuple[int, Packet]], int]:
    """Return the good packets with where they begin, and how many damaged ones there are.

    Octets inside a damaged packet are not searched, for data may look like a packet, unless nothing else is good.
    """
    found, damaged = _scan(octets, 0)
    if not found and damaged and len(octets) <= _MOST_SEARCHED:
        for start in list(_starts(octets))[1:]:
            found, _ = _scan(octets, start)
            if found:
                break
    return found, damaged


def _starts(octets: bytes) -> Iterator[int]:
    at = -1
    for _ in range(_MOST_STARTS):
        at = octets.find(START, at + 1)
        if at < 0:
            return
        yield at


def _scan(octets: bytes, at: int) -> tuple[list[tuple[int, Packet]], int]:
    found: list[tuple[int, Packet]] = []
    damaged = 0
    while (at := octets.find(START, at)) >= 0:
        packet = packet_at(octets, at)
        if packet is not None:
            found.append((at, packet))
            at += len(packet.data) + OVERHEAD
            continue
        damaged += 1
        length = int.from_bytes(octets[at + 4 : at + 6], "big")
        at += length + OVERHEAD if 1 <= length <= LARGEST_SIZE - OVERHEAD else 1
    return found, damaged


def packet_at(octets: bytes, at: int) -> Packet | None:
    """Return the packet that begins here, if one does."""
    length = int.from_bytes(octets[at + 4 : at + 6], "big")
    if not 1 <= length <= LARGEST_SIZE - OVERHEAD:
        return None
    try:
        return Packet.parse(octets[at : at + length + OVERHEAD])
    except MeterProtocolError:
        return None
