"""The octets of one table as several reads brought them: what was read last counts, and what never was is missing."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace

from drivers.psem.overheard import Carrier, Read


@dataclass(frozen=True, slots=True)
class Piece:
    """Octets of a table that one read brought, none of which was read again later."""

    offset: int
    octets: bytes
    read: Read

    @property
    def end(self) -> int:
        """Offset after the last octet."""
        return self.offset + len(self.octets)


@dataclass(frozen=True, slots=True)
class Image:
    """A table as far as it was read, its pieces in order."""

    pieces: tuple[Piece, ...] = ()

    @classmethod
    def of(cls, reads: Iterable[Read]) -> Image:
        """Return what reads of one table, oldest first, leave."""
        pieces: list[Piece] = []
        for read in reads:
            if not read.octets:
                continue
            first = bisect_right(pieces, read.offset, key=lambda piece: piece.end)
            last = bisect_left(pieces, read.end, key=lambda piece: piece.offset)
            made = [Piece(read.offset, read.octets, read)]
            if first < last and (before := pieces[first]).offset < read.offset:
                made.insert(0, replace(before, octets=before.octets[: read.offset - before.offset]))
            if first < last and (after := pieces[last - 1]).end > read.end:
                made.append(replace(after, offset=read.end, octets=after.octets[read.end - after.offset :]))
            pieces[first:last] = made
        return cls(tuple(pieces))

    def octets(self, offset: int, length: int) -> bytes | None:
        """Return octets of the table; None if some of them were never read."""
        at, found = offset, bytearray()
        for piece in self._from(offset):
            if at >= offset + length or not piece.offset <= at < piece.end:
                break
            found += piece.octets[at - piece.offset :][: offset + length - at]
            at = offset + len(found)
        return bytes(found) if at == offset + length else None

    def filled(self, offset: int, length: int) -> bytes:
        """Return octets of the table, 00 in place of those that were never read."""
        found = bytearray(length)
        for piece in self._from(offset):
            if piece.offset >= offset + length:
                break
            start, end = max(offset, piece.offset), min(offset + length, piece.end)
            found[start - offset : end - offset] = piece.octets[start - piece.offset : end - piece.offset]
        return bytes(found)

    def carriers(self, offset: int, length: int) -> tuple[Carrier, ...]:
        """Return where octets of the table are on the wire."""
        found: list[Carrier] = []
        for piece in self._from(offset):
            if piece.offset >= offset + length:
                break
            start, end = max(offset, piece.offset), min(offset + length, piece.end)
            found += piece.read.carriers(start, end - start)
        return tuple(found)

    def _from(self, offset: int) -> tuple[Piece, ...]:
        """Return the pieces that end after an offset."""
        return self.pieces[bisect_right(self.pieces, offset, key=lambda piece: piece.end) :]
