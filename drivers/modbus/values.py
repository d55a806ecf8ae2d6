"""What the octets of registers mean, type by type. Exact: numbers are `int` or `Decimal`, never binary floats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from drivers.errors import DataError
from drivers.ieee754 import NotFinite, shortest

Order = Literal["big", "little"]
TypeName = Literal[
    "u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64", "acc32", "acc64", "sunssf", "bcd", "mod10", "string"
]  # fmt: skip
Number = int | Decimal


@dataclass(frozen=True, slots=True)
class Meaning:
    """A type: how many registers (0: the map says it), what they hold, and what SunSpec lets stand for "none"."""

    registers: int
    read: Callable[[bytes], Number | str]
    absent: tuple[str, ...] = ()


def _unsigned(octets: bytes) -> int:
    return int.from_bytes(octets, "big")


def _signed(octets: bytes) -> int:
    return int.from_bytes(octets, "big", signed=True)


def _float(octets: bytes) -> Decimal:
    try:
        return shortest(octets)
    except NotFinite as error:
        raise DataError(f"{_hex(octets)} is {error.what}, not a number") from None


def _bcd(octets: bytes) -> int:
    digits = octets.hex()
    if not digits.isdecimal():
        raise DataError(f"{_hex(octets)} is not binary coded decimal")
    return int(digits)


def _mod10(octets: bytes) -> int:
    """Read registers of four decimal digits each, the most significant first."""
    value = 0
    for at in range(0, len(octets), 2):
        part = _unsigned(octets[at : at + 2])
        if part > 9999:
            raise DataError(f"{_hex(octets)} is not modulo 10000: a register holds {part}")
        value = value * 10_000 + part
    return value


def _text(octets: bytes) -> str:
    """Read text as far as the first NUL, without blanks around it."""
    try:
        text = octets.partition(b"\0")[0].decode("utf-8").strip()
    except UnicodeDecodeError:
        raise DataError(f"{_hex(octets)} is not text") from None
    if not text.isprintable():
        raise DataError(f"{_hex(octets)} is not printable text")
    return text


TYPES: Final[dict[str, Meaning]] = {
    "u16": Meaning(1, _unsigned, ("0xFFFF",)),
    "i16": Meaning(1, _signed, ("0x8000",)),
    "u32": Meaning(2, _unsigned, ("0xFFFFFFFF",)),
    "i32": Meaning(2, _signed, ("0x80000000",)),
    "u64": Meaning(4, _unsigned, ("0xFFFFFFFFFFFFFFFF",)),
    "i64": Meaning(4, _signed, ("0x8000000000000000",)),
    "acc32": Meaning(2, _unsigned, ("0x00000000",)),
    "acc64": Meaning(4, _unsigned, ("0x0000000000000000",)),
    "sunssf": Meaning(1, _signed, ("0x8000",)),
    "f32": Meaning(2, _float),  # NaN: see `is_absent`
    "f64": Meaning(4, _float),
    "bcd": Meaning(0, _bcd),
    "mod10": Meaning(0, _mod10),
    "string": Meaning(0, _text),
}


def in_order(octets: bytes, words: Order, within: Order) -> bytes:
    """Return octets as read, most significant register and octet first. Its own inverse."""
    registers = [octets[at : at + 2] for at in range(0, len(octets), 2)]
    if within == "little":
        registers = [register[::-1] for register in registers]
    if words == "little":
        registers.reverse()
    return b"".join(registers)


def is_absent(kind: str, octets: bytes, patterns: tuple[str, ...]) -> bool:
    """Whether octets in order stand for "not implemented": a pattern, as `0x8000` or `0x7FFFxxxx`, or NaN."""
    digits = octets.hex()
    for pattern in patterns:
        wanted = pattern[2:].lower()
        if len(wanted) == len(digits) and all(one in ("x", two) for one, two in zip(wanted, digits, strict=True)):
            return True
    if kind in ("f32", "f64"):
        try:
            shortest(octets)
        except NotFinite as error:
            return error.what == "NaN"
    return False


def read_number(kind: str, octets: bytes) -> Number:
    """Return the number that octets in order hold. Raises `DataError` where they hold none."""
    value = TYPES[kind].read(octets)
    if isinstance(value, str):
        raise DataError(f"a {kind} is text, not a number")
    return value


def read_text(kind: str, octets: bytes) -> str:
    """Return octets in order as the text of an identification. Raises `DataError`."""
    value = TYPES[kind].read(octets)
    return value if isinstance(value, str) else f"{value:f}" if isinstance(value, Decimal) else str(value)


def _hex(octets: bytes) -> str:
    return octets.hex(" ").upper()
