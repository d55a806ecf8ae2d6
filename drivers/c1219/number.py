"""Numbers of C12.19 on the wire: NON-INTEGER formats 0–13 and INT_FORMATs, exact both ways (`int` or `Decimal`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from drivers.decimal_text import plain
from drivers.errors import DataError
from drivers.ieee754 import NotFinite, nearest, quiet_nan, shortest

Number = Decimal | int
Order = Literal["little", "big"]

#: NI_FORMAT → octets (C12.19 §NI_FMAT); 14 and 15 are reserved.
NI_WIDTHS = (8, 4, 12, 6, 4, 6, 4, 3, 4, 5, 6, 8, 8, 21)
_INTEGERS = frozenset({7, 8, 9, 10, 11})
_BCDS = frozenset({5, 6, 12})
_IMPLIED_POINT = 4  # NI_FORMAT 4: INT32 with four digits after the point
_IMPLIED_DIGITS = 4
_TEXT = re.compile(r"([+-]?) *([0-9]+\.?[0-9]*|\.[0-9]+)([Ee][+-]?[0-9]{1,3})?")
_BCD_TEXT = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
#: How a BCD digit reads; C, E and F are fill (skipped at either end, never inside a number).
_BCD_DIGITS = "0123456789- ?.??"
_RESERVED = "read ST00 again; if it stays so, no register or interval of this meter can be decoded"
_MAX_EXPONENT = 400  # beyond FLOAT64; keeps the plain form of a number short


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """How one of the two NON-INTEGER types of a meter is laid out (ST00 NI_FORMATn, DATA_ORDER, INT_FORMAT).

    Raises `DataError` when a reserved format is asked for: nothing of that decade can be decoded then.
    """

    code: int
    order: Order = "little"
    int_format: int = 0
    bcd_point: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.code < len(NI_WIDTHS):
            raise DataError(f"ST00 announces the reserved number format {self.code}", advice=_RESERVED)

    @property
    def width(self) -> int:
        """Octets of one value."""
        return NI_WIDTHS[self.code]

    @property
    def is_plain_integer(self) -> bool:
        """Whether a value is a signed binary integer without implied point (formats 7–11)."""
        return self.code in _INTEGERS

    @property
    def maximum(self) -> int | None:
        """The largest whole number that fits; None where values are not whole numbers."""
        if self.code in _INTEGERS:
            return int((1 << (8 * self.width - 1)) - 1)
        if self.code in _BCDS and not self.bcd_point:
            return int(10 ** (2 * self.width) - 1)
        return None

    def decode(self, octets: bytes) -> Number | None:
        """Return the exact value; None for NaN, infinity, all-F BCD and text that is no number."""
        if self.code in _INTEGERS:
            return decode_int(octets, self.order, self.int_format)
        if self.code == _IMPLIED_POINT:
            return Decimal(decode_int(octets, self.order, self.int_format)).scaleb(-_IMPLIED_DIGITS)
        if self.code in _BCDS:
            return decode_bcd(octets, self.bcd_point)
        if self.code in {0, 1}:
            return decode_float(octets, self.order)
        return decode_text(octets)

    def encode(self, value: Number | None) -> bytes:
        """Return the octets of `value`; None as NaN, all-F BCD, blanks, or zero where a format cannot say it.

        Raises `ValueError` when the value does not fit the format exactly.
        """
        if self.code in _INTEGERS:
            return encode_int(_whole(value or 0), self.width, self.order, self.int_format)
        if self.code == _IMPLIED_POINT:
            scaled = _whole(Decimal(value or 0).scaleb(_IMPLIED_DIGITS))
            return encode_int(scaled, self.width, self.order, self.int_format)
        if self.code in _BCDS:
            return encode_bcd(value, self.width, self.bcd_point)
        if self.code in {0, 1}:
            return encode_float(value, self.width, self.order)
        text = "" if value is None else plain(Decimal(value))
        if len(text) > self.width:
            raise ValueError(f"{text} is longer than {self.width} characters")
        return text.rjust(self.width).encode("ascii")


def _whole(value: Number) -> int:
    number = int(value)
    if number != value:
        raise ValueError(f"{value} has digits that the format cannot hold")
    return number


def decode_int(octets: bytes, order: Order, int_format: int) -> int:
    """Return the signed integer in INT_FORMAT 0 (two's complement), 1 (one's complement) or 2 (sign-magnitude)."""
    number = int.from_bytes(octets, order)
    sign = 1 << (8 * len(octets) - 1)
    if not number & sign:
        return number
    if int_format == 0:
        return number - 2 * sign
    if int_format == 1:
        return number - 2 * sign + 1
    if int_format == 2:
        return sign - number
    raise DataError("ST00 announces the reserved INT_FORMAT 3", advice=_RESERVED)


def encode_int(value: int, width: int, order: Order, int_format: int) -> bytes:
    """Return the octets of a signed integer; raises `ValueError` when it does not fit."""
    sign = 1 << (8 * width - 1)
    if not -sign + (int_format != 0) <= value < sign:
        raise ValueError(f"{value} does not fit {width} octets")
    if value < 0:
        value = sign - value if int_format == 2 else 2 * sign + value - int_format
    return value.to_bytes(width, order)


def bcd_text(octets: bytes) -> str:
    """Return the digits, most significant first, in either DATA_ORDER (A minus, B blank, D point, C E F fill)."""
    return "".join(_BCD_DIGITS[octet >> 4] + _BCD_DIGITS[octet & 15] for octet in octets)


def decode_bcd(octets: bytes, point: int = 0) -> Number | None:
    """Return a BCD number; a whole one unless a digit D or `point` (implied digits) says otherwise."""
    text = bcd_text(octets).strip(" ?")
    if not _BCD_TEXT.fullmatch(text):
        return None
    if "." in text:
        return Decimal(text)
    return Decimal(int(text)).scaleb(-point) if point else int(text)


def encode_bcd(value: Number | None, width: int, point: int = 0) -> bytes:
    """Return BCD octets with leading zeros, a minus as digit A, a point as digit D; None as all F."""
    if value is None:
        return b"\xff" * width
    text = str(_whole(Decimal(value).scaleb(point))) if point else plain(Decimal(value))
    sign, digits = ("A", text[1:]) if text.startswith("-") else ("", text)
    digits = sign + digits.replace(".", "D").rjust(2 * width - len(sign), "0")
    if len(digits) > 2 * width:
        raise ValueError(f"{value} is longer than {2 * width} digits")
    return bytes.fromhex(digits)


def decode_float(octets: bytes, order: Order) -> Decimal | None:
    """Return the shortest decimal that reads back to the same IEEE value; None for NaN and infinity."""
    try:
        return Decimal(plain(shortest(_turned(octets, order))))
    except NotFinite:
        return None


def encode_float(value: Number | None, width: int, order: Order) -> bytes:
    """Return the IEEE value nearest to `value` (NaN for None); raises `ValueError` when it is too large."""
    return _turned(quiet_nan(width) if value is None else nearest(value, width), order)


def _turned(octets: bytes, order: Order) -> bytes:
    """Turn octets from `order` to most significant first, or back."""
    return octets if order == "big" else octets[::-1]


def decode_text(octets: bytes) -> Decimal | None:
    """Return an ASCII number (FLOAT_CHAR): blanks around, a sign, a point, an exponent; None for anything else."""
    match = _TEXT.fullmatch(octets.decode("latin-1").strip(" \0"))
    if match is None:
        return None
    number = Decimal(match[1] + match[2] + (match[3] or ""))
    return number if abs(number.adjusted()) <= _MAX_EXPONENT else None
