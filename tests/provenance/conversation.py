"""Recordings written by hand: what client and meter say, packet by packet."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from drivers.psem.packet import Packet, split_message
from drivers.psem.replies import encode_table_data
from drivers.psem.services import Request
from drivers.transport.recording_file import Octets, Record

ACK, NAK = b"\x06", b"\x15"


class Talk:
    """Collects what goes over the line; both toggles are kept."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._lines: Iterator[int] = count(2)
        self._toggles = {">": False, "<": False}
        self._t = 0

    def say(self, direction: str, octets: bytes | None, length: int = 0) -> None:
        """Put octets on the line; None for `length` masked ones."""
        self._t += 1_000_000
        size = len(octets) if octets is not None else length
        self.records.append(Octets(self._t, direction, octets, size, next(self._lines)))  # type: ignore[arg-type]

    def packets(self, direction: str, data: bytes, most: int = 56) -> list[bytes]:
        """Return the packets of a message, their toggles going on from before."""
        packets = split_message(data, most, toggle=self._toggles[direction])
        self._toggles[direction] = not packets[-1].toggle
        return [packet.to_bytes() for packet in packets]

    def ask(self, request: Request) -> None:
        """Send a request; the meter acknowledges it."""
        for packet in self.packets(">", request.encode()):
            self.say(">", packet)
            self.say("<", ACK)

    def answer(self, data: bytes, most: int = 56) -> None:
        """Send an answer, each packet acknowledged."""
        for packet in self.packets("<", data, most):
            self.say("<", packet)
            self.say(">", ACK)

    def table(self, data: bytes, most: int = 56) -> None:
        """Answer a read."""
        self.answer(b"\0" + encode_table_data(data), most)


def damaged(packet: bytes, at: int = 8) -> bytes:
    """Return a packet with one octet flipped."""
    return packet[:at] + bytes([packet[at] ^ 0xFF]) + packet[at + 1 :]


def as_packet(data: bytes) -> bytes:
    return Packet(data).to_bytes()
