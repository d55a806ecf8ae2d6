"""Faults of the line: bytes damaged, lost and invented, packets rewritten. Seeded, so that a run can be repeated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from drivers.errors import MeterProtocolError
from drivers.psem.codes import ResponseCode
from drivers.psem.packet import ACK, NAK, Packet
from metersim.meter import fault_values
from metersim.meter.faults import Faults

_REFUSED = bytes((ResponseCode.ERR,))


class ByteFaults:
    """Damages, loses and inserts single bytes, in the one direction that it is made for."""

    def __init__(self, faults: Faults, seed: str) -> None:
        self._garble, self._lose, self._insert = faults.garble, faults.lose, faults.insert
        self._burst, self._burst_length = faults.burst
        self._burst_left = 0
        self._random = Random(seed)
        self._perfect = not (self._garble or self._lose or self._insert or self._burst)

    def through(self, chunk: bytes, *, wrong_speed: bool = False) -> bytes:
        """Return what arrives of `chunk`; at the wrong speed nothing of it means anything."""
        if wrong_speed:
            return self._random.randbytes(len(chunk))
        return chunk if self._perfect else bytes(self._arriving(chunk))

    def _arriving(self, chunk: bytes) -> Iterator[int]:
        for octet in chunk:
            if self._insert and self._random.random() < self._insert:
                yield self._random.randrange(256)
            if self._random.random() >= self._lose:
                yield self._hit(octet)

    def _hit(self, octet: int) -> int:
        if self._burst and not self._burst_left and self._random.random() < self._burst:
            self._burst_left = self._burst_length
        if self._burst_left:
            self._burst_left -= 1
            return octet ^ self._random.randrange(1, 256)
        return octet ^ (1 << self._random.randrange(8)) if self._random.random() < self._garble else octet


class PacketFaults:
    """Rewrites packets that the meter sends, with good CRCs, repeats them, and drops its ACKs."""

    def __init__(self, faults: Faults, seed: str) -> None:
        self._faults = faults
        self._random = Random(seed)
        self._replies = 0
        self._spoiled: Packet | None = None

    def rewrite(self, output: bytes, *, table: int | None) -> bytes:
        """Return what leaves in place of `output`: control bytes, and perhaps one packet, of a read of `table`."""
        rest = output.lstrip(ACK + NAK)
        control = output[: len(output) - len(rest)]
        if self._faults.drop_ack and ACK in control and self._random.random() < self._faults.drop_ack:
            control = control.replace(ACK, b"")
        if not rest:
            return control
        try:
            packet = Packet.parse(rest)
        except MeterProtocolError:
            return control + rest
        if self._faults.nonsense:
            packet = replace(packet, data=self._random.randbytes(len(packet.data)))
        if self._faults.no_toggle:
            packet = replace(packet, toggle=False)
        if table is not None:
            packet = self._rewrite_table(packet, table)
        octets = packet.to_bytes()
        if self._faults.duplicate_packets and self._random.random() < self._faults.duplicate_packets:
            octets *= 2
        return control + octets

    def _rewrite_table(self, packet: Packet, table: int) -> Packet:
        code = self._faults.one_bad_table.get(table, fault_values.GARBAGE)
        if code != fault_values.GARBAGE and packet.data == _REFUSED and not packet.multi:
            return replace(packet, data=bytes((code,)))
        surplus = self._faults.lying_size.get(table, 0)
        if surplus and len(packet.data) > 3 and (packet.first or not packet.multi):
            count = min(0xFFFF, max(0, int.from_bytes(packet.data[1:3], "big") + surplus))
            packet = replace(packet, data=packet.data[:1] + count.to_bytes(2, "big") + packet.data[3:])
        return self._spoil(packet) if packet.seq == 0 and len(packet.data) > 1 else packet

    def _spoil(self, packet: Packet) -> Packet:
        """Falsify the table checksum, the last octet of the last packet; a repeated packet stays as it was."""
        if packet != self._spoiled:
            if self._replies >= self._faults.bad_checksum:
                return packet
            self._replies += 1
            self._spoiled = packet
        return replace(packet, data=packet.data[:-1] + bytes([packet.data[-1] ^ 0x55]))
