"""Runs of octets in a table, as (from, to): which of them are known, which are to be read, and in how few requests."""

from __future__ import annotations

from collections.abc import Iterable

Run = tuple[int, int]  # from, to (exclusive)

#: Octets on the line that one more read by offset costs: 16 for the request, 12 around the data, an ACK each way.
REQUEST = 30


def merged(runs: Iterable[Run], *, gap: int = 0) -> list[Run]:
    """Return runs in order, those joined that overlap, touch, or have at most `gap` octets between them."""
    found: list[Run] = []
    for start, end in sorted(runs):
        if start >= end:
            continue
        if found and start - found[-1][1] <= gap:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found


def without(runs: Iterable[Run], known: Iterable[Run]) -> list[Run]:
    """Return the parts of `runs` that are not in `known`."""
    left = merged(runs)
    for begin, stop in merged(known):
        parts = ((start, min(end, begin), max(start, stop), end) for start, end in left)
        left = [run for a, b, c, d in parts for run in ((a, b), (c, d)) if run[0] < run[1]]
    return left


class Blocks:
    """Octets of equal blocks of a table, as far as they are known; memory only for those that are."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._octets: dict[int, bytearray] = {}
        self._known: list[Run] = []

    def put(self, offset: int, octets: bytes) -> None:
        """Take octets that were read at an offset in the table."""
        self._known = merged([*self._known, (offset, offset + len(octets))])
        at = 0
        while at < len(octets):
            element, place = divmod(offset + at, self.size)
            block = self._octets.setdefault(element, bytearray(self.size))
            piece = octets[at : at + self.size - place]
            block[place : place + len(piece)] = piece
            at += len(piece)

    def missing(self, runs: Iterable[Run]) -> list[Run]:
        """Return the parts of `runs` that are not known."""
        return without(runs, self._known)

    def forget(self, elements: Iterable[int]) -> None:
        """Drop blocks: something else may stand there now."""
        gone = [(element * self.size, (element + 1) * self.size) for element in elements]
        self._known = without(self._known, gone)

    def block(self, element: int) -> bytes:
        """Return the octets of a block; those that are not known are 00 or what was there before."""
        return bytes(self._octets.get(element, bytes(self.size)))
