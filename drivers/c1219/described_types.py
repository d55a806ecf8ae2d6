"""The types that a described table may use, by the word that a profile writes: `U16`, `BCD4`, `NI1`, `LTIME` …"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drivers.c1219 import number
from drivers.c1219.scope import Reader, Scope, Wire
from drivers.c1219.wire import DATE, LTIME, NI1, NI2, STIME, TIME, Binary, Chars, Flags, SInt, UInt

ALLOWED = (
    "U8 U16 U24 U32 U40 U48 U64, I8 … I64 (whole numbers); BITS8 BITS16 BITS24 BITS32 (named bits); BCDn, CHARn, "
    "ASCIIn, SETn and OCTETSn of n octets; OCTETS (to the end of the table); FLOAT32 FLOAT64; NI1 NI2 (the number "
    "types of ST00); LTIME STIME TIME DATE (in TM_FORMAT of ST00); RECORD"
)
BIT_FIELD_BITS = (8, 16, 24, 32)
_INTEGER_BITS = (8, 16, 24, 32, 40, 48, 64)
_WORD = re.compile(r"([A-Z]+)(\d{1,5})")


@dataclass(frozen=True, slots=True)
class Bcd:
    """A whole number of `octets` BCD octets, most significant digits first in either DATA_ORDER."""

    octets: int

    def size(self, scope: Scope) -> int:  # noqa: ARG002 - part of `Wire`
        """Return the width."""
        return self.octets

    def decode(self, reader: Reader, scope: Scope, path: str) -> number.Number | None:  # noqa: ARG002
        """Return the next number; None where the digits are none."""
        return number.decode_bcd(reader.take(self.octets, path))

    def encode(self, value: Any, scope: Scope) -> bytes:  # noqa: ARG002
        """Return the octets of a number, or of None."""
        return number.encode_bcd(value, self.octets)


@dataclass(frozen=True, slots=True)
class Float:
    """IEEE single or double, in DATA_ORDER."""

    octets: int

    def size(self, scope: Scope) -> int:  # noqa: ARG002 - part of `Wire`
        """Return the width."""
        return self.octets

    def decode(self, reader: Reader, scope: Scope, path: str) -> number.Number | None:
        """Return the shortest decimal that reads back to it; None for NaN and infinity."""
        return number.decode_float(reader.take(self.octets, path), scope.context.order)

    def encode(self, value: Any, scope: Scope) -> bytes:
        """Return the nearest octets to a number."""
        return number.encode_float(value, self.octets, scope.context.order)


_PLAIN: dict[str, Wire] = {
    **{f"U{bits}": UInt(bits // 8) for bits in _INTEGER_BITS},
    **{f"I{bits}": SInt(bits // 8) for bits in _INTEGER_BITS},
    **{f"BITS{bits}": UInt(bits // 8) for bits in BIT_FIELD_BITS},
    "FLOAT32": Float(4),
    "FLOAT64": Float(8),
    "NI1": NI1,
    "NI2": NI2,
    "LTIME": LTIME,
    "STIME": STIME,
    "TIME": TIME,
    "DATE": DATE,
    "OCTETS": Binary(None),
}
_OF_OCTETS: dict[str, tuple[Callable[[int], Wire], int]] = {  # and the largest that makes sense
    "BCD": (Bcd, 32),
    "CHAR": (Chars, 65_535),
    "ASCII": (Chars, 65_535),
    "SET": (Flags, 255),
    "OCTETS": (Binary, 65_535),
}


def wire_of(word: str) -> Wire | None:
    """Return the wire type that a profile's word names; None for a word that names none (also for `RECORD`)."""
    if word in _PLAIN:
        return _PLAIN[word]
    found = _WORD.fullmatch(word)
    make, largest = _OF_OCTETS.get(found[1], (None, 0)) if found is not None else (None, 0)
    if found is None or make is None or not 0 < int(found[2]) <= largest:
        return None
    return make(int(found[2]))
