"""Decisions drawn from octets: the fuzzer varies the octets, a target reads from them what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """Octets, taken from the front; zeros when there are no more."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0

    def __bool__(self) -> bool:
        """Whether octets are left."""
        return self._at < len(self._octets)

    def octet(self) -> int:
        """Return the next octet."""
        self._at += 1
        return self._octets[self._at - 1] if self._at <= len(self._octets) else 0

    def below(self, most: int) -> int:
        """Return a number from 0 to `most` - 1."""
        number = self.octet()
        if most > 256:
            number = number << 8 | self.octet()
        return number % most

    def flag(self) -> bool:
        return bool(self.octet() & 1)

    def pick(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def take(self, count: int) -> bytes:
        """Return at most `count` octets."""
        taken = self._octets[self._at : self._at + count]
        self._at += len(taken)
        return taken

    def filled(self, count: int) -> bytes:
        """Return exactly `count` octets, what is left repeated."""
        taken = self.take(count) or b"\0"
        return (taken * (count // len(taken) + 1))[:count]

    def piece(self) -> bytes:
        """Return up to 255 octets, as many as the next one says."""
        return self.take(self.octet())

    def rest(self) -> bytes:
        return self.take(len(self._octets))


def piece(octets: bytes) -> bytes:
    """Return what `Chance.piece` reads as these octets."""
    return bytes([min(len(octets), 255)]) + octets[:255]
