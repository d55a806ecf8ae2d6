"""From a number to the registers that hold it, written for the simulator alone: readers have their own."""

from __future__ import annotations

import struct

Words = list[int]

_WIDTH = {"u16": 1, "i16": 1, "sunssf": 1, "u32": 2, "i32": 2, "acc32": 2, "u64": 4, "i64": 4, "acc64": 4}


def encode(kind: str, value: float | str, *, length: int = 0, words: str = "big", within: str = "big") -> Words:
    """Return the registers of a value; `words`, `within`: order of registers, and of the octets in one.

    Raises `ValueError`, `OverflowError` or `struct.error` for a value that the type cannot hold.
    """
    octets = _octets(kind, value, length)
    registers = [octets[at : at + 2] for at in range(0, len(octets), 2)]
    if words == "little" and kind != "string":
        registers.reverse()
    if within == "little":
        registers = [bytes((low, high)) for high, low in registers]
    return [int.from_bytes(register, "big") for register in registers]


def _octets(kind: str, value: float | str, length: int) -> bytes:
    if kind == "string":
        return str(value).encode().ljust(2 * length, b"\0")[: 2 * length]
    if kind in ("f32", "f64"):
        return struct.pack(">f" if kind == "f32" else ">d", float(value))
    number = int(value)
    if kind == "bcd":
        digits = str(number).zfill(4 * length)
        if len(digits) > 4 * length or number < 0:
            raise ValueError(f"{number} does not fit {4 * length} digits")
        return bytes.fromhex(digits)
    if kind == "mod10":
        parts = []
        for _ in range(length):
            number, part = divmod(number, 10_000)
            parts.append(part)
        if number:
            raise ValueError(f"{value} does not fit {length} registers of four digits")
        return b"".join(part.to_bytes(2, "big") for part in reversed(parts))
    return number.to_bytes(2 * _WIDTH[kind], "big", signed=kind in ("i16", "i32", "i64", "sunssf"))
