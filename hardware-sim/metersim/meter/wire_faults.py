"""Faults of the line: bytes damaged and lost, packets rewritten. Seeded, so that a run can be repeated."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from drivers.errors import MeterProtocolError
from drivers.psem.packet import ACK, NAK, Packet
from metersim.meter.faults import Faults


class ByteFaults:
    """Damages and loses single bytes, in the one direction that it is made for."""

    def __init__(self, faults: Faults, seed: str) -> None:
        self._garble, self._lose = faults.garble, faults.lose
        self._random = Random(seed)

    def through(self, chunk: bytes, *, wrong_speed: bool = False) -> bytes:
        """Return what arrives of `chunk`; at the wrong speed nothing of it means anything."""
        if wrong_speed:
            return self._random.randbytes(len(chunk))
        if not self._garble and not self._lose:
            return chunk
        return bytes(self._hit(octet) for octet in chunk if self._random.random() >= self._lose)

    def _hit(self, octet: int) -> int:
        return octet ^ (1 << self._random.randrange(8)) if self._random.random() < self._garble else octet


class PacketFaults:
    """Rewrites packets that the meter sends, with good CRCs."""

    def __init__(self, faults: Faults, seed: str) -> None:
        self._faults = faults
        self._random = Random(seed)
        self._replies = 0
        self._spoiled: Packet | None = None

    def rewrite(self, output: bytes, *, table_reply: bool) -> bytes:
        """Return what leaves in place of `output`: control bytes, and perhaps one packet."""
        rest = output.lstrip(ACK + NAK)
        if not rest:
            return output
        try:
            packet = Packet.parse(rest)
        except MeterProtocolError:
            return output
        if self._faults.nonsense:
            packet = replace(packet, data=self._random.randbytes(len(packet.data)))
        if self._faults.no_toggle:
            packet = replace(packet, toggle=False)
        if table_reply and packet.seq == 0 and len(packet.data) > 1:
            packet = self._spoil(packet)
        return output[: len(output) - len(rest)] + packet.to_bytes()

    def _spoil(self, packet: Packet) -> Packet:
        """Falsify the table checksum, the last octet of the last packet; a repeated packet stays as it was."""
        if packet != self._spoiled:
            if self._replies >= self._faults.bad_checksum:
                return packet
            self._replies += 1
            self._spoiled = packet
        return replace(packet, data=packet.data[:-1] + bytes([packet.data[-1] ^ 0x55]))
