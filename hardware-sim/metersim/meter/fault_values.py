"""What stands behind `--fault NAME=`: each parser returns a value or raises `ValueError` or `KeyError`."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

from drivers.psem.codes import ResponseCode

NO_AUTHORITY = 5  # result code of ST08
GARBAGE = -1  # in place of a response code: the answer is as long as it should be, and means nothing
FIRST_VENDOR_CODE = 0x47  # a request's code, never a legal response (C12.18 §10: 20H–7FH mean lost synchronisation)

_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")


def flag(_text: str) -> bool:
    return True


def count(text: str) -> int:
    number = int(text)
    if not 0 <= number < 1 << 31:
        raise ValueError
    return number


def rate(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise ValueError
    return share


def seconds(text: str) -> float:
    delay = float(text)
    if not 0 <= delay <= 3600:
        raise ValueError
    return delay


def burst(text: str) -> tuple[float, int]:
    """`RATE[:OCTETS]`: how often a burst begins, and how long it is."""
    share, _, octets = text.partition(":")
    length = count(octets) if octets else 8
    if not length:
        raise ValueError
    return rate(share), length


def offset(text: str) -> Decimal:
    ahead = Decimal(text)
    if not abs(ahead) <= 10_000_000:
        raise ValueError
    return ahead


def packet_size(text: str) -> int:
    size = int(text)
    if not 64 <= size <= 8192:
        raise ValueError
    return size


def meter_id(text: str) -> str:
    if not 1 <= len(text) <= 20 or not text.isascii():
        raise ValueError
    return text


def table(text: str) -> int:
    """`STnn`, or the number alone."""
    digits = text.upper().removeprefix("ST")
    if not digits.isdigit() or int(digits) > 2039:
        raise ValueError
    return int(digits)


def cut(text: str) -> tuple[int, int | None]:
    """`STnn[:OCTETS]`."""
    which, _, octets = text.partition(":")
    return table(which), count(octets) if octets else None


def surplus(text: str) -> tuple[int, int]:
    """`STnn[:±OCTETS]`."""
    which, _, octets = text.partition(":")
    more = int(octets) if octets else 7
    if not -0xFFFF <= more <= 0xFFFF:
        raise ValueError
    return table(which), more


def refusal(text: str) -> tuple[int, ResponseCode]:
    """`STnn[:CODE]`, CODE by its name."""
    which, _, code = text.partition(":")
    return table(which), ResponseCode[code.upper()] if code else ResponseCode.IAR


def procedure(text: str) -> tuple[int, int]:
    """`NN[:RESULT]`: a standard procedure and the result code of ST08."""
    number, _, result = text.upper().removeprefix("SP").partition(":")
    code = int(result) if result else NO_AUTHORITY
    if not 0 <= int(number) <= 0x7FF or not 2 <= code <= 0xFF:
        raise ValueError
    return int(number), code


def badness(text: str) -> tuple[int, int]:
    """`STnn[:HH]` or `STnn:garbage`: the octet that stands for every answer."""
    which, _, code = text.partition(":")
    if code.lower() == "garbage":
        return table(which), GARBAGE
    answer = int(code, 16) if code else FIRST_VENDOR_CODE
    if not 1 <= answer <= 0xFF:
        raise ValueError
    return table(which), answer


def patch(text: str) -> tuple[int, int, bytes]:
    """`STnn:OFFSET:HEX`: octets that stand there instead."""
    which, at, octets = text.split(":")
    if not _HEX.fullmatch(octets):
        raise ValueError
    return table(which), count(at), bytes.fromhex(octets)


def one_of(*words: str) -> Callable[[str], str]:
    """Return a parser that takes one of these words."""

    def word(text: str) -> str:
        if text not in words:
            raise ValueError
        return text

    return word
