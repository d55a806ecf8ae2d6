"""What a modem says: result codes in words and in numbers, as far as X lets it tell them apart."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Result(Enum):
    """Result codes besides CONNECT: (words, number, lowest X at which it is told)."""

    OK = ("OK", 0)
    RING = ("RING", 2)
    NO_CARRIER = ("NO CARRIER", 3)
    ERROR = ("ERROR", 4)
    NO_DIALTONE = ("NO DIALTONE", 6)
    BUSY = ("BUSY", 7)
    NO_ANSWER = ("NO ANSWER", 8)

    @property
    def words(self) -> str:
        return self.value[0]

    @property
    def number(self) -> int:
        return self.value[1]


HEARS_DIAL_TONE: Final = frozenset({2, 4})  # values of X
HEARS_BUSY: Final = frozenset({3, 4})
_CONNECT: Final = {300: 1, 1200: 5, 2400: 10, 4800: 11, 9600: 12, 14_400: 13, 19_200: 14}


@dataclass(frozen=True, slots=True)
class Carrier:
    """What two modems agreed on: bits per second on the line, and whether they correct errors."""

    rate: int
    corrected: bool = False


def connect(carrier: Carrier, *, level: int, verbose: bool) -> str:
    """Return what CONNECT looks like at X`level`; `verbose` is V."""
    plain = level == 0 or carrier.rate <= 300
    if not verbose:
        return str(1 if plain else _CONNECT.get(carrier.rate, 1))
    words = "CONNECT" if plain else f"CONNECT {carrier.rate}"
    return words + ("/ARQ" if carrier.corrected and not plain else "")


def framed(text: str, *, verbose: bool) -> bytes:
    """Return a result code as it goes to the terminal."""
    return f"\r\n{text}\r\n".encode() if verbose else f"{text}\r".encode()
