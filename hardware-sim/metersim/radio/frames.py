"""The frames of ERT meters, bit by bit (see `drivers.ert.message` for the layouts)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.ert.check_words import bch16, crc16, id_crc

SCM_SYNC = 0b111110010101001100000
INTERVALS = {"idm": (47, 9), "netidm": (27, 14)}


@dataclass(frozen=True, slots=True)
class Frame:
    """What one meter sends once. `octets` are sent most significant bit first."""

    kind: str
    meter_id: int
    octets: bytes
    count: int

    def damaged(self, bit: int) -> Frame:
        """Return the frame with one bit turned over, counted from the end: the check word is wrong."""
        number = int.from_bytes(self.octets, "big") ^ 1 << bit
        return Frame(self.kind, self.meter_id, number.to_bytes(len(self.octets), "big"), self.count)


def scm(meter_id: int, count: int, *, ert_type: int = 7, physical: int = 0, encoder: int = 0) -> Frame:
    """Return an SCM: 26 bits of identification, 24 of register."""
    body = SCM_SYNC
    for value, bits in (
        (meter_id >> 24, 2),
        (0, 1),
        (physical, 2),
        (ert_type, 4),
        (encoder, 2),
        (count, 24),
        (meter_id & 0xFFFFFF, 24),
    ):
        body = body << bits | value & (1 << bits) - 1
    octets = body.to_bytes(10, "big")
    return Frame("scm", meter_id, octets + bch16(octets[2:]).to_bytes(2, "big"), count)


def scmplus(meter_id: int, count: int, *, ert_type: int = 0x9C, tamper: int = 0) -> Frame:
    """Return an SCM+: 32 bits of identification and of register."""
    body = bytes((0x1E, ert_type)) + meter_id.to_bytes(4, "big") + count.to_bytes(4, "big") + tamper.to_bytes(2, "big")
    return Frame("scmplus", meter_id, b"\x16\xa3" + body + crc16(body).to_bytes(2, "big"), count)


@dataclass(frozen=True, slots=True)
class Load:
    """The intervals of a message, newest first, the number of the newest one, and how long ago it ended, in 1/16 s."""

    counts: Sequence[int]
    number: int = 0
    offset: int = 0
    outages: int = 0  # bit 46 − i: interval i


def idm(meter_id: int, count: int, load: Load, *, ert_type: int = 0x17, tamper: bytes = bytes(6)) -> Frame:
    """Return an IDM: 47 intervals of 9 bits."""
    middle = tamper + bytes(2) + load.outages.to_bytes(6, "big") + count.to_bytes(4, "big")
    return _interval_frame("idm", meter_id, count, load, bytes((4, ert_type)), middle)


def netidm(
    meter_id: int, net: int, load: Load, *, generation: int = 0, ert_type: int = 0x18, tamper: bytes = bytes(6)
) -> Frame:
    """Return a NetIDM: 27 intervals of 14 bits."""
    middle = tamper + bytes(7) + generation.to_bytes(3, "big") + bytes(3) + net.to_bytes(4, "big")
    return _interval_frame("netidm", meter_id, net, load, bytes((4, ert_type)), middle)


def _interval_frame(kind: str, meter_id: int, count: int, load: Load, head: bytes, middle: bytes) -> Frame:
    length, bits = INTERVALS[kind]
    packed = 0
    for k in range(length):
        packed = packed << bits | (load.counts[k] if k < len(load.counts) else 0) & (1 << bits) - 1
    octets = (length * bits + 7) // 8
    packed <<= octets * 8 - length * bits
    body = b"\x1c\x5c\xc6" + head + meter_id.to_bytes(4, "big") + bytes((load.number & 255, 0xBC)) + middle
    body += packed.to_bytes(octets, "big") + load.offset.to_bytes(2, "big") + id_crc(meter_id).to_bytes(2, "big")
    return Frame(kind, meter_id, b"\x55\x55\x16\xa3" + body + crc16(body).to_bytes(2, "big"), count)
