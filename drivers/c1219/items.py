"""Interval items of ST64–ST67, a whole column at a time: INT_FMT_CDE of ST62 (C12.19 §LP_CTRL_TBL)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from drivers.c1219.context import Context
from drivers.c1219.number import Number, NumberFormat, Order, decode_int, encode_int
from drivers.errors import DataError

#: INT_FMT_CDE → (octets, signed) of its integer types; 64 and 128 are the non-integer types 1 and 2.
_INTEGERS = {1: (1, False), 2: (2, False), 4: (4, False), 8: (1, True), 16: (2, True), 32: (4, True)}
_NON_INTEGERS = {64: 1, 128: 2}
#: Octets of an item → (octets of the machine integer that holds it, its unsigned and signed `struct` codes).
_MACHINE = {
    1: (1, "B", "b"),
    2: (2, "H", "h"),
    3: (4, "I", "i"),
    4: (4, "I", "i"),
    5: (8, "Q", "q"),
    6: (8, "Q", "q"),
    8: (8, "Q", "q"),
}


@dataclass(frozen=True, slots=True)
class ItemFormat:
    """How one interval item is written: a binary integer, or one of the meter's non-integer types."""

    width: int
    order: Order
    int_format: int = 0
    signed: bool = False
    number: NumberFormat | None = None

    @classmethod
    def of(cls, context: Context, code: int) -> ItemFormat:
        """Return the format of an INT_FMT_CDE; raises `DataError` for a code that is none."""
        order, int_format = context.order, context.st00.int_format
        if code in _INTEGERS:
            width, signed = _INTEGERS[code]
            return cls(width, order, int_format if signed else 0, signed)
        if code in _NON_INTEGERS:
            number = context.number_format(_NON_INTEGERS[code])
            if number.is_plain_integer:
                return cls(number.width, order, int_format, signed=True)
            return cls(number.width, order, number=number)
        raise DataError(
            f"ST62 announces the interval format {code:02X}h, which is none",
            advice="the profile's octets are kept; this family needs a quirk",
        )

    @property
    def maximum(self) -> int | None:
        """The largest whole number that an item holds; None where items are not whole numbers."""
        if self.number is not None:
            return self.number.maximum
        return int((1 << (8 * self.width - self.signed)) - 1)

    def column(self, octets: bytes, offset: int, stride: int) -> list[Number | None]:
        """Return the items at `offset`, `offset + stride` … of a block's interval area."""
        if self.number is not None:
            decode, width = self.number.decode, self.width
            return [decode(octets[at : at + width]) for at in range(offset, len(octets), stride)]
        if self.int_format:
            order, int_format, width = self.order, self.int_format, self.width
            return [decode_int(octets[at : at + width], order, int_format) for at in range(offset, len(octets), stride)]
        return self._machine_integers(octets, offset, stride)

    def _machine_integers(self, octets: bytes, offset: int, stride: int) -> list[Number | None]:
        machine, unsigned, signed = _MACHINE[self.width]
        spare = machine - self.width if self.signed else 0  # signed: at the top, to be shifted down with its sign
        count = len(range(offset, len(octets), stride))
        column = bytearray(count * machine)
        for index in range(self.width):
            weight = index if self.order == "little" else self.width - 1 - index
            column[weight + spare :: machine] = octets[offset + index :: stride]
        items = struct.unpack(f"<{count}{signed if self.signed else unsigned}", column)
        return [item >> 8 * spare for item in items] if spare else list(items)

    def encode(self, value: Number | None) -> bytes:
        """Return the octets of one item; None as the format's own "none", or zero. Raises `ValueError`."""
        if self.number is not None:
            return self.number.encode(value)
        whole = int(value or 0)
        if whole != (value or 0):
            raise ValueError(f"{value} is no whole number")
        if self.signed:
            return encode_int(whole, self.width, self.order, self.int_format)
        return whole.to_bytes(self.width, self.order)
