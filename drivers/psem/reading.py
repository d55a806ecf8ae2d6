"""Reads of whole tables and of spans of them: in pieces that the packets carry, resumed where a line broke."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from drivers.errors import DataError, MeterRefused
from drivers.psem.codes import TOO_MUCH, ResponseCode
from drivers.psem.replies import MOST_TABLE_DATA, TABLE_OVERHEAD, BadTableData, decode_table_data
from drivers.psem.services import DefaultRead, FullRead, IndexRead, OffsetRead, table_name
from drivers.psem.session import Session

_TRIES: Final = 3  # of a read whose table checksum is wrong
_SMALLEST_PIECE: Final = 16  # octets; a meter that refuses even these does not serve reads by offset

OnBytes = Callable[[int], None]  # told the octets of this read so far; steps back when a piece is repeated


@dataclass(slots=True)
class Span:
    """`count` octets of a table from `offset`, and how far the reading of them has come."""

    table: int
    offset: int
    count: int
    granule: int = 1
    limit: int = MOST_TABLE_DATA  # octets of one piece at most
    on_bytes: OnBytes | None = None
    data: bytearray = field(default_factory=bytearray)
    asked: int = 0  # octets that the present piece asks for
    refused: MeterRefused | None = None  # why pieces are smaller than they could be

    @property
    def name(self) -> str:
        """For messages."""
        return f"{table_name(self.table)} octets {self.offset}–{self.offset + self.count - 1}"

    @property
    def left(self) -> int:
        """Octets that are still to come."""
        return self.count - len(self.data)

    def next_piece(self, most: int) -> OffsetRead:
        """Choose the next piece: at most `most` octets, ending on a granule if it holds one."""
        self.asked = min(self.left, most)
        if self.asked < self.left:
            over = (len(self.data) + self.asked) % self.granule
            self.asked -= over if over < self.asked else 0
        return OffsetRead(self.table, self.offset + len(self.data), self.asked)

    def take(self, piece: bytes) -> None:
        """Add an answer. Raises `DataError` if it is longer than asked for, or empty: then the table ends here."""
        if len(piece) > self.asked:
            msg = f"{self.name}: the meter sends {len(piece)} octets where {self.asked} were asked for"
            raise DataError(msg, advice="what it sent cannot be placed: check the meter's profile")
        if not piece:
            msg = f"{self.name}: the table ends after octet {self.offset + len(self.data)}"
            raise DataError(msg, advice="the profile or the meter's own dimensions say that it is longer")
        self.data += piece
        self.tell(0)

    def tell(self, octets: int) -> None:
        """Report progress: `octets` of the present piece are in."""
        if self.on_bytes:
            self.on_bytes(len(self.data) + octets)


class Reader:
    """Reads for one client; remembers what the meter turned out not to do."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._by_offset = True
        self._limit = MOST_TABLE_DATA

    async def once(self, request: FullRead | IndexRead | DefaultRead) -> bytes:
        """Read by one request, repeated as long as that can help."""
        return await self._session.persist(partial(self._data, request, None))

    async def table(self, table: int, size: int | None, on_bytes: OnBytes | None) -> bytes:
        """Read a whole table of `size` octets, if that is known."""
        span = Span(table, 0, size or 0, on_bytes=on_bytes)
        try:
            data = await self._session.persist(partial(self._whole, span))
        except MeterRefused as refused:
            if refused.code not in TOO_MUCH:
                raise
            if size is None:
                if refused.code != ResponseCode.RNO or not await self._session.persist(self._session.renegotiate):
                    raise
                data = await self._session.persist(partial(self._whole, span))
            elif not self._by_offset:
                raise
            else:
                span.refused = refused
                data = None
        return await self.span(span) if data is None else data

    async def span(self, span: Span) -> bytes:
        """Read a span by offset, in pieces; where the meter does not serve that, the whole table, and cut."""
        read_whole = span.refused is not None
        span.limit = min(span.limit, self._limit)
        while span.left and self._by_offset:
            try:
                span.take(await self._session.persist(partial(self._piece, span)))
            except MeterRefused as refused:
                self._reconsider(span, refused)
                if span.limit == 0:
                    break
        if not span.left:
            if span.refused and span.refused.code != ResponseCode.IAR:
                self._limit = span.limit
            return bytes(span.data)
        if read_whole and span.refused:
            raise span.refused
        whole = await self._session.persist(partial(self._data, FullRead(span.table), None))
        if len(whole) < span.offset + span.count:
            msg = f"{span.name}: the table has {len(whole)} octets"
            raise DataError(msg, advice="the profile or the meter's own dimensions say that it is longer")
        return whole[span.offset : span.offset + span.count]

    def _reconsider(self, span: Span, refused: MeterRefused) -> None:
        """After a refusal choose smaller pieces, or none (limit 0). Raises the refusal if neither can help."""
        if refused.code == ResponseCode.SNS:
            self._by_offset = False
        elif refused.code not in TOO_MUCH:
            raise refused
        span.limit = span.asked // 2 if span.asked > _SMALLEST_PIECE and self._by_offset else 0
        span.refused = refused

    async def _whole(self, span: Span) -> bytes | None:
        """Read the whole table at once; None if its size is known and too large for the packets of now."""
        if span.count > self._session.largest_read(MOST_TABLE_DATA) and self._by_offset:
            return None
        return await self._data(FullRead(span.table), span)

    async def _piece(self, span: Span) -> bytes:
        return await self._data(span.next_piece(self._session.largest_read(span.limit)), span)

    async def _data(self, request: FullRead | IndexRead | OffsetRead | DefaultRead, span: Span | None) -> bytes:
        """Read once, again while the table checksum is wrong. Raises `BadTableData` if it stays so."""
        on_part = (lambda octets: span.tell(max(0, octets - TABLE_OVERHEAD + 1))) if span else None
        tries = _TRIES
        while True:
            payload = await self._session.call(request, on_part=on_part)
            tries -= 1
            try:
                data = decode_table_data(payload, request.what)
            except BadTableData:
                if not tries:
                    raise
            else:
                if span and isinstance(request, FullRead):
                    span.tell(len(data))
                return data
