"""The elementary wire types of C12.19 (§ basic types): integers, text, BCD, sets, numbers, times.

Each knows its size, and reads and writes one value. Times and numbers are None where the meter says "none".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drivers.c1219 import number, walltime
from drivers.c1219.scope import Reader, Ref, Scope

_CODECS = {2: "latin-1", 3: "utf-8", 4: "utf-16-be", 5: "utf-32-be"}  # CHAR_FORMAT; 1 and the reserved 0: ASCII
_PADDING = " \0"


@dataclass(frozen=True, slots=True)
class UInt:
    """Unsigned integer of `octets` octets, in DATA_ORDER."""

    octets: int

    def size(self, scope: Scope) -> int:  # noqa: ARG002 - part of `Wire`
        """Return the width."""
        return self.octets

    def decode(self, reader: Reader, scope: Scope, path: str) -> int:
        """Return the next integer."""
        octets = reader.take(self.octets, path)
        return octets[0] if self.octets == 1 else int.from_bytes(octets, scope.context.order)

    def encode(self, value: Any, scope: Scope) -> bytes:
        """Return the octets of an `int`."""
        return int(value).to_bytes(self.octets, "big" if self.octets == 1 else scope.context.order)


@dataclass(frozen=True, slots=True)
class SInt:
    """Signed integer of `octets` octets, in DATA_ORDER and INT_FORMAT."""

    octets: int

    def size(self, scope: Scope) -> int:  # noqa: ARG002 - part of `Wire`
        """Return the width."""
        return self.octets

    def decode(self, reader: Reader, scope: Scope, path: str) -> int:
        """Return the next integer."""
        context = scope.context
        return number.decode_int(reader.take(self.octets, path), context.order, context.st00.int_format)

    def encode(self, value: Any, scope: Scope) -> bytes:
        """Return the octets of an `int`."""
        return number.encode_int(value, self.octets, scope.context.order, scope.context.st00.int_format)


U8, U16, U32 = UInt(1), UInt(2), UInt(4)
I16 = SInt(2)


@dataclass(frozen=True, slots=True)
class Chars:
    """Text in CHAR_FORMAT: left justified, padded with blanks or NULs, which the value does not have.

    Octets that are no character of the format read as `\\xNN`.
    """

    octets: Ref

    def size(self, scope: Scope) -> int:
        """Return the width."""
        return int(scope.resolve(self.octets))

    def decode(self, reader: Reader, scope: Scope, path: str) -> str:
        """Return the next text, without the padding at both ends."""
        octets = reader.take(self.size(scope), path)
        return octets.decode(_codec(scope), "backslashreplace").strip(_PADDING)

    def encode(self, value: Any, scope: Scope) -> bytes:
        """Return the octets of a `str`, padded with blanks."""
        blank = " ".encode(_codec(scope))
        octets, size = str(value).encode(_codec(scope)), self.size(scope)
        if len(octets) > size:
            raise ValueError(f"{value!r} is longer than {size} octets")
        octets += blank * ((size - len(octets)) // len(blank))
        return octets.ljust(size, b"\0")


def _codec(scope: Scope) -> str:
    return _CODECS.get(scope.context.st00.char_format, "ascii")


@dataclass(frozen=True, slots=True)
class Identifier:
    """An id of `octets` characters, or of half as many BCD octets with leading zeros (ST00 ID_FORM)."""

    octets: int

    def size(self, scope: Scope) -> int:
        """Return the width, by ID_FORM."""
        return self.octets // 2 if scope.context.st00.id_form else self.octets

    def decode(self, reader: Reader, scope: Scope, path: str) -> str:
        """Return the next id; all digits of a BCD one, leading zeros too."""
        if not scope.context.st00.id_form:
            return Chars(self.octets).decode(reader, scope, path)
        return number.bcd_text(reader.take(self.size(scope), path)).replace("?", "").strip()

    def encode(self, value: Any, scope: Scope) -> bytes:
        """Return the octets of a `str`."""
        if not scope.context.st00.id_form:
            return Chars(self.octets).encode(value, scope)
        if not value:
            return b"\xff" * self.size(scope)
        digits = str(value).replace("-", "A").replace(" ", "B").replace(".", "D").rjust(self.octets, "0")
        if len(digits) > self.octets:
            raise ValueError(f"{value!r} is longer than {self.octets} digits")
        return bytes.fromhex(digits)


@dataclass(frozen=True, slots=True)
class Binary:
    """Octets as they are; `octets` of them, or all that are left when that is None."""

    octets: Ref | None

    def size(self, scope: Scope) -> int:
        """Return the width (the least one, for the rest of a table)."""
        return 0 if self.octets is None else int(scope.resolve(self.octets))

    def decode(self, reader: Reader, scope: Scope, path: str) -> bytes:
        """Return the next octets."""
        left = len(reader.octets) - reader.position
        return reader.take(left if self.octets is None else self.size(scope), path)

    def encode(self, value: Any, scope: Scope) -> bytes:
        """Return the octets; raises `ValueError` for a wrong number of them."""
        octets = bytes(value)
        if self.octets is not None and len(octets) != self.size(scope):
            raise ValueError(f"{self.size(scope)} octets wanted, not {len(octets)}")
        return octets


@dataclass(frozen=True, slots=True)
class StimeOctets:
    """Octets as they are: as many as an STIME_DATE has, or those that then still lack to `up_to`."""

    up_to: int | None = None

    def size(self, scope: Scope) -> int:
        """Return the width, by ST00."""
        time = walltime.width(walltime.STIME_WIDTHS, scope.context.st00.tm_format)
        return time if self.up_to is None else max(0, self.up_to - time)

    def decode(self, reader: Reader, scope: Scope, path: str) -> bytes:
        """Return the next octets."""
        return reader.take(self.size(scope), path)

    def encode(self, value: Any, scope: Scope) -> bytes:
        """Return the octets; raises `ValueError` for a wrong number of them."""
        return Binary(self.size(scope)).encode(value, scope)


@dataclass(frozen=True, slots=True)
class Flags:
    """SET: the numbers of the flags that are set, as a `frozenset`. Flag k is octet k div 8, bit k mod 8."""

    octets: Ref | None = None
    flags: Ref | None = None  # or the number of flags, rounded up to whole octets

    def size(self, scope: Scope) -> int:
        """Return the width."""
        if self.flags is not None:
            return int(scope.resolve(self.flags) + 7) // 8
        return int(scope.resolve(self.octets or 0))

    def decode(self, reader: Reader, scope: Scope, path: str) -> frozenset[int]:
        """Return the next set."""
        bits = int.from_bytes(reader.take(self.size(scope), path), "little")
        return frozenset(flag for flag in range(bits.bit_length()) if bits >> flag & 1)

    def encode(self, value: Any, scope: Scope) -> bytes:
        """Return the octets of any collection of flag numbers; raises `ValueError` when one does not fit."""
        size = self.size(scope)
        if any(not 0 <= flag < 8 * size for flag in value):
            raise ValueError(f"flag {max(value)} does not fit {size} octets")
        bits: int = sum(1 << flag for flag in set(value))
        return bits.to_bytes(size, "little")


@dataclass(frozen=True, slots=True)
class NonInteger:
    """NI_FMAT1 or NI_FMAT2, the meter's own number types: `int`, or `Decimal` for formats with a point."""

    which: int

    def size(self, scope: Scope) -> int:
        """Return the width, by ST00."""
        return scope.context.number_format(self.which).width

    def decode(self, reader: Reader, scope: Scope, path: str) -> number.Number | None:
        """Return the next number; None where there is none."""
        form = scope.context.number_format(self.which)
        return form.decode(reader.take(form.width, path))

    def encode(self, value: Any, scope: Scope) -> bytes:
        """Return the octets of an `int`, `Decimal` or None."""
        return scope.context.number_format(self.which).encode(value)


NI1, NI2 = NonInteger(1), NonInteger(2)


@dataclass(frozen=True, slots=True)
class Moment:
    """One of the time types, in TM_FORMAT; None for no time."""

    widths: tuple[int, ...]
    reads: Callable[[bytes, int, number.Order], object]
    writes: Callable[[Any, int, number.Order, int], bytes]

    def size(self, scope: Scope) -> int:
        """Return the width, by ST00."""
        return walltime.width(self.widths, scope.context.st00.tm_format)

    def decode(self, reader: Reader, scope: Scope, path: str) -> object:
        """Return the next time; an impossible one is None and a remark."""
        context = scope.context
        octets = reader.take(self.size(scope), path)
        try:
            return self.reads(octets, context.st00.tm_format, context.order)
        except walltime.ImpossibleTime as error:
            reader.remark(f"{path} is no time: {error}")
            return None

    def encode(self, value: Any, scope: Scope) -> bytes:
        """Return the octets of a time without zone, or of None."""
        return self.writes(value, scope.context.st00.tm_format, scope.context.order, self.size(scope))


LTIME = Moment(walltime.LTIME_WIDTHS, walltime.decode, walltime.encode)  # LTIME_DATE: date and time to the second
STIME = Moment(walltime.STIME_WIDTHS, walltime.decode, walltime.encode)  # STIME_DATE: to the minute
TIME = Moment(walltime.TIME_WIDTHS, walltime.decode_time, walltime.encode_time)  # TIME: span since midnight
DATE = Moment(walltime.DATE_WIDTHS, walltime.decode_date, walltime.encode_date)
