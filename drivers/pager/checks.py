"""Check values that end a meter's message: sums, exclusive or, Luhn's digit and cyclic redundancy checks. Pure.

CRCs are named as in the catalogue of parametrised CRC algorithms by Greg Cook; "CRC-16-CCITT" means three of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, reduce
from operator import xor
from typing import Literal

Algorithm = Literal[
    "xor8",
    "sum8",
    "sum8-negated",
    "sum16",
    "luhn",
    "crc16-arc",
    "crc16-modbus",
    "crc16-xmodem",
    "crc16-kermit",
    "crc16-ibm-3740",
    "crc16-ibm-sdlc",
    "crc32-iso-hdlc",
]


@dataclass(frozen=True, slots=True)
class _Crc:
    """Parameters of a CRC; `polynomial` with the highest power first, whichever way the octets go."""

    width: int
    polynomial: int
    initial: int
    reflected: bool
    final: int = 0


_CRCS = {
    "crc16-arc": _Crc(16, 0x8005, 0x0000, reflected=True),
    "crc16-modbus": _Crc(16, 0x8005, 0xFFFF, reflected=True),
    "crc16-xmodem": _Crc(16, 0x1021, 0x0000, reflected=False),
    "crc16-kermit": _Crc(16, 0x1021, 0x0000, reflected=True),
    "crc16-ibm-3740": _Crc(16, 0x1021, 0xFFFF, reflected=False),
    "crc16-ibm-sdlc": _Crc(16, 0x1021, 0xFFFF, reflected=True, final=0xFFFF),
    "crc32-iso-hdlc": _Crc(32, 0x04C11DB7, 0xFFFFFFFF, reflected=True, final=0xFFFFFFFF),
}


def width_of(algorithm: Algorithm) -> int:
    """Return the bits of a check value; 0 for `luhn`, which is one decimal digit."""
    if algorithm == "luhn":
        return 0
    crc = _CRCS.get(algorithm)
    if crc is not None:
        return crc.width
    return 16 if algorithm == "sum16" else 8


def check_value(algorithm: Algorithm, octets: bytes) -> int:
    """Return the check value over `octets`; `luhn` takes the digits among them (ISO/IEC 7812-1 annex B)."""
    match algorithm:
        case "xor8":
            return reduce(xor, octets, 0)
        case "sum8":
            return sum(octets) & 0xFF
        case "sum8-negated":
            return -sum(octets) & 0xFF
        case "sum16":
            return sum(octets) & 0xFFFF
        case "luhn":
            return _luhn(octets)
        case _:
            return _crc(_CRCS[algorithm], octets)


def _luhn(octets: bytes) -> int:
    digits = [octet - 0x30 for octet in octets if 0x30 <= octet <= 0x39]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[::-2])
    return -(sum(doubled) + sum(digits[-2::-2])) % 10


def _crc(crc: _Crc, octets: bytes) -> int:
    table, value = _table(crc), crc.initial  # every initial value here reads the same both ways
    if crc.reflected:
        for octet in octets:
            value = value >> 8 ^ table[(value ^ octet) & 0xFF]
    else:
        mask, shift = (1 << crc.width) - 1, crc.width - 8
        for octet in octets:
            value = value << 8 & mask ^ table[value >> shift ^ octet]
    return value ^ crc.final


@cache
def _table(crc: _Crc) -> tuple[int, ...]:
    """Return what each octet does to the value."""
    table = []
    if crc.reflected:
        polynomial = int(f"{crc.polynomial:0{crc.width}b}"[::-1], 2)
        for value in range(256):
            for _ in range(8):
                value = value >> 1 ^ (polynomial if value & 1 else 0)  # noqa: PLW2901 - shifted eight times
            table.append(value)
        return tuple(table)
    top, mask = 1 << crc.width - 1, (1 << crc.width) - 1
    for octet in range(256):
        value = octet << crc.width - 8
        for _ in range(8):
            value = value << 1 & mask ^ (crc.polynomial if value & top else 0)
        table.append(value)
    return tuple(table)
