"""A span of a table that is read by offset: which piece to ask for next, and whether the pieces fit together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from drivers.c1219.extent import REACH
from drivers.errors import DataError, MeterRefused
from drivers.psem.replies import MOST_TABLE_DATA, BadTableData
from drivers.psem.services import OffsetRead, table_name

SMALLEST_PIECE: Final = 16  # octets; a meter that refuses even these does not serve reads by offset
_FREE_CRUMBS: Final = 64  # answers shorter than asked for, before their average must be of use
_OVERLAP: Final = 8  # octets that a piece shares with the one before it, where a request may have been damaged
_MISFITS: Final = 6

OnBytes = Callable[[int], None]  # told the octets of this read so far; steps back when a piece is repeated


@dataclass(slots=True)
class Span:
    """`count` octets of a table from `offset`, and how far the reading of them has come.

    An answer does not say which octets it holds. A request that was damaged without its CRC showing it would bring
    others, in good order; so on a line that damages octets pieces overlap, and what they share must be equal.
    """

    table: int
    offset: int
    count: int
    granule: int = 1
    limit: int = MOST_TABLE_DATA  # octets of one piece at most
    on_bytes: OnBytes | None = None
    data: bytearray = field(default_factory=bytearray)
    asked: int = 0  # new octets that the present piece asks for
    shared: int = 0  # octets before them that it asks for again
    starts: list[int] = field(default_factory=list)  # where in `data` each piece begins
    may_overlap: bool = True
    or_whole: bool = True  # where the meter refuses this, its whole table may be read and cut
    misfits: int = 0
    refused: MeterRefused | None = None  # why pieces are smaller than they could be
    crumbs: int = 0  # answers shorter than asked for

    def __post_init__(self) -> None:
        if self.offset + self.count > REACH:
            raise DataError(
                f"{self.name}: reads by offset reach {REACH} octets only",
                advice="the meter's own dimensions say that the table is longer: read its limiting table again",
            )

    @property
    def name(self) -> str:
        """For messages."""
        return f"{table_name(self.table)} octets {self.offset}–{self.offset + self.count - 1}"

    @property
    def left(self) -> int:
        """Octets that are still to come."""
        return self.count - len(self.data)

    def next_piece(self, most: int, *, checked: bool = False) -> OffsetRead:
        """Choose the next piece: at most `most` octets, ending on a granule if it holds one.

        `checked`: it overlaps the one before it, and a span that fits one piece is read in two.
        """
        checked = checked and self.may_overlap
        self.shared = min(_OVERLAP, len(self.data), max(0, most - SMALLEST_PIECE)) if checked else 0
        self.asked = min(self.left, most - self.shared)
        if checked and self.asked == self.count > 2 * _OVERLAP:
            self.asked //= 2
        elif self.asked < self.left:
            over = (len(self.data) + self.asked) % self.granule
            self.asked -= over if over < self.asked else 0
        return OffsetRead(self.table, self.offset + len(self.data) - self.shared, self.asked + self.shared)

    def take(self, piece: bytes) -> None:
        """Add an answer; where it does not fit the piece before it, give up both.

        Raises `DataError` if it is longer than asked for, or empty: then the table ends here; also when a meter goes on
        to answer in crumbs. Raises `BadTableData` if pieces do not come to fit each other.
        """
        asked, shared = self.asked + self.shared, self.shared
        if len(piece) > asked:
            msg = f"{self.name}: the meter sends {len(piece)} octets where {asked} were asked for"
            raise DataError(msg, advice="what it sent cannot be placed: check the meter's profile")
        if len(piece) <= shared:
            msg = f"{self.name}: the table ends after octet {self.offset + len(self.data)}"
            raise DataError(msg, advice="the profile or the meter's own dimensions say that it is longer")
        if shared and piece[:shared] != self.data[-shared:]:
            self._misfit()
            return
        self.starts.append(len(self.data))
        self.data += piece[shared:]
        self.crumbs += len(piece) < asked
        if self.crumbs > _FREE_CRUMBS + len(self.data) // SMALLEST_PIECE:
            msg = f"{self.name}: after {self.crumbs} answers shorter than asked for, {len(self.data)} octets are in"
            raise DataError(
                msg, advice="at this rate the table takes hours: a smaller max_read in the profile may help"
            )
        self.tell(0)

    def tell(self, octets: int) -> None:
        """Report progress: `octets` of the present piece are in."""
        if self.on_bytes:
            self.on_bytes(len(self.data) + max(0, octets - self.shared))

    def _misfit(self) -> None:
        self.misfits += 1
        if self.misfits > _MISFITS:
            msg = f"{self.name}: the same octets, read twice, differ again and again"
            raise BadTableData(msg, advice="the line damages requests, or the meter changes this table: read it again")
        del self.data[self.starts.pop() :]
