"""Reads of whole tables and of spans of them: in pieces that the packets carry, resumed where a line broke.

What protects a value is the CRC of each packet and the checksum of each table. Of 15.9 million packets that random
flips, losses and bursts had damaged, 44 passed the CRC (none with one damaged octet does) and 1 the table checksum as
well; almost all of these at 2 % of flipped octets. A request has no checksum but the CRC, and no answer repeats it. So
on a line that has damaged octets, what one damaged request can explain is not believed at once: a refusal and an answer
of an unexpected length are asked for again, and pieces overlap (`drivers.psem.spans`). On a line that damages more than
0.6 % of its octets, everything is read twice and compared.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from drivers.errors import DataError, MeterRefused
from drivers.psem.codes import TOO_MUCH, ResponseCode
from drivers.psem.replies import MOST_TABLE_DATA, TABLE_OVERHEAD, BadTableData, decode_table_data
from drivers.psem.services import DefaultRead, FullRead, IndexRead, OffsetRead
from drivers.psem.session import Session
from drivers.psem.spans import SMALLEST_PIECE, OnBytes, Span

_TRIES: Final = 3  # of a read whose table checksum is wrong, or whose answer is in doubt

_WHOLE_OCTETS: Final = 8192  # of a table that is asked for at once on an unknown line: any meter serves that

Read = FullRead | IndexRead | OffsetRead | DefaultRead


class Reader:
    """Reads for one client; remembers what the meter turned out not to do."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._by_offset = True
        self._limit = MOST_TABLE_DATA

    @property
    def by_offset(self) -> bool:
        """Whether the meter serves reads by offset, until it has shown that it does not."""
        return self._by_offset

    async def once(self, request: FullRead | IndexRead | DefaultRead) -> bytes:
        """Read by one request, repeated as long as that can help."""
        return await self._session.persist(partial(self._sure, request, None))

    async def table(self, table: int, size: int | None, on_bytes: OnBytes | None) -> bytes:
        """Read a whole table of `size` octets, if that is known."""
        span = Span(table, 0, size or 0, on_bytes=on_bytes)
        await self._tune(span.left)
        try:
            data = await self._session.persist(partial(self._whole, span))
        except MeterRefused as refused:
            if refused.code not in TOO_MUCH:
                raise
            if size is None:
                if not self._session.may_carry_more(refused) or not await self._session.persist(self._session.enlarge):
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
            await self._tune(span.left)
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
        if span.refused and (read_whole or not span.or_whole):
            raise span.refused
        whole = await self._session.persist(partial(self._sure, FullRead(span.table), None))
        if len(whole) < span.offset + span.count:
            msg = f"{span.name}: the table has {len(whole)} octets"
            raise DataError(msg, advice="the profile or the meter's own dimensions say that it is longer")
        return whole[span.offset : span.offset + span.count]

    async def _tune(self, octets: int) -> None:
        """Let the session agree on packets that suit the line better, if that pays for so many octets."""
        if self._session.could_do_better(octets):
            await self._session.persist(partial(self._session.tune, octets))

    def _reconsider(self, span: Span, refused: MeterRefused) -> None:
        """After a refusal choose smaller pieces, or none (limit 0). Raises the refusal if neither can help."""
        if span.shared:  # the meter may serve whole blocks only
            span.may_overlap = False
            return
        if refused.code == ResponseCode.SNS:
            self._by_offset = False
        elif refused.code not in TOO_MUCH:
            raise refused
        span.limit = span.asked // 2 if span.asked > SMALLEST_PIECE and self._by_offset else 0
        span.refused = refused

    async def _whole(self, span: Span) -> bytes | None:
        """Read the whole table at once; None if its size is known and too large for the packets of now."""
        most = self._session.largest_read(MOST_TABLE_DATA, at_first=_WHOLE_OCTETS)
        if span.count > most and self._by_offset:
            return None
        return await self._sure(FullRead(span.table), span)

    async def _piece(self, span: Span) -> bytes:
        most = self._session.largest_read(span.limit)
        return await self._sure(span.next_piece(most, checked=self._session.line_is_bad), span)

    async def _sure(self, request: Read, span: Span | None) -> bytes:
        """Read; on a bad line ask again until what came is to be believed.

        A table that changes from one reading to the next cannot be confirmed: then the last reading counts.
        """
        expected = request.count if isinstance(request, OffsetRead) else span.count if span else 0
        seen = _Seen(expected)
        data = b""
        for _ in range(_TRIES):
            try:
                data = await self._data(request, span)
            except MeterRefused as refused:
                if not self._session.line_is_bad or refused.code == ResponseCode.ISSS or seen.refusal(refused.code):
                    raise
            else:
                if not self._session.line_is_bad or seen.octets(data, twice=self._session.line_is_awful):
                    return data
        if len(data) != expected:
            msg = f"{request.what}: of {_TRIES} answers no two have the same length"
            raise BadTableData(msg)
        return data

    async def _data(self, request: Read, span: Span | None) -> bytes:
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


class _Seen:
    """What a request has brought so far, and whether it is to be believed."""

    def __init__(self, expected: int) -> None:
        self._lengths = {expected} if expected else set()
        self._octets: set[bytes] = set()
        self._codes: set[int] = set()

    def refusal(self, code: int) -> bool:
        """Believe a refusal that comes a second time."""
        known = code in self._codes
        self._codes.add(code)
        return known

    def octets(self, data: bytes, *, twice: bool) -> bool:
        """Believe octets of the expected length, or of any for the second time; `twice`: only equal ones."""
        known = data in self._octets if twice else len(data) in self._lengths
        self._octets.add(data)
        self._lengths.add(len(data))
        return known
