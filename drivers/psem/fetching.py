"""Bring octets of tables into a `Collection`, whole tables or spans of them, and tell how far the reading is."""

from __future__ import annotations

from collections.abc import Callable

from drivers.base import Progress
from drivers.c1219 import Context, decode, size
from drivers.c1219.extent import check_table
from drivers.data import Problem
from drivers.errors import DataError, MeterRefused, MrspError
from drivers.psem.client import PsemClient
from drivers.psem.codes import TOO_MUCH
from drivers.psem.collection import Collection
from drivers.psem.replies import MOST_TABLE_DATA, BadTableData
from drivers.psem.services import table_name

MANUFACTURER = 2048  # manufacturer table n has the id 2048 + n (C12.19)
NOT_TO_BE_HAD = (MeterRefused, DataError, BadTableData)  # one table or piece of it; the session goes on
_BY_OFFSET = frozenset({1, 3})  # DATA_ACCESS_METHODs that have offset and count


class Fetcher:
    """Reads for one visit. Raises only for a broken line or session, unless said otherwise."""

    def __init__(
        self,
        client: PsemClient,
        collection: Collection,
        *,
        progress: Callable[[Progress], None],
        monotonic_ns: Callable[[], int],
    ) -> None:
        self.client = client
        self.collection = collection
        self.monotonic_ns = monotonic_ns
        self._progress = progress
        self._wholes: dict[int, bytes] = {}  # tables of a meter without reads by offset, from which spans are cut

    @property
    def context(self) -> Context:
        """The tables so far."""
        return self.collection.context

    async def table(self, number: int) -> bool:
        """Read and decode one table; False, and a problem written down, if that cannot be."""
        try:
            standard = number < MANUFACTURER
            octets = await self.read(number, size(number, self.context) if standard else None)
            if standard:
                self.collection.context = self.context.with_table(decode(number, octets, self.context))
        except NOT_TO_BE_HAD as error:
            self.failed(table_name(number), error)
            return False
        return True

    async def read(self, number: int, expected: int | None) -> bytes:
        """Return a whole table, which has `expected` octets if that is known. Raises what costs a table, too."""
        name = table_name(number)
        check_table(name, expected or 0)
        self.tell(name, 0, expected or 0)
        octets = await self.client.read_table(
            number, size=expected, on_bytes=lambda done: self.tell(name, done, expected or 0)
        )
        self.collection.octets[name] = octets
        return octets

    @property
    def by_offset(self) -> bool:
        """Whether the meter serves reads by offset, as far as it says and has shown."""
        return self.context.st00.data_access_method in _BY_OFFSET and self.client.reads_by_offset

    async def span(  # noqa: PLR0913 - each is a different fact about the read
        self,
        number: int,
        offset: int,
        count: int,
        *,
        whole: int | None,
        granule: int = 1,
        or_whole: bool = False,
        on_bytes: Callable[[int], None] | None = None,
    ) -> bytes:
        """Return `count` octets from `offset`; of a meter without reads by offset cut from its table, read once.

        `or_whole`: so also where the meter refuses just these octets. `whole`: the octets of that table, if known.
        Raises what costs a table, too.
        """
        if number not in self._wholes and self.by_offset:
            try:
                return await self.client.read_offset(
                    number,
                    offset,
                    count,
                    granule=granule,
                    max_read=min(MOST_TABLE_DATA, self.context.quirks.max_read),
                    or_whole=False,
                    on_bytes=on_bytes,
                )
            except MeterRefused:
                if self.client.reads_by_offset and not or_whole:
                    raise
        if number not in self._wholes:
            self._wholes[number] = await self._whole(number, whole, on_bytes)
        octets = self._wholes[number][offset : offset + count]
        if len(octets) < count:
            msg = f"{table_name(number)} has {len(self._wholes[number])} octets, not {offset + count}"
            raise DataError(msg, advice="the profile or the meter's own dimensions say that it is longer")
        return octets

    async def _whole(self, number: int, octets: int | None, on_bytes: Callable[[int], None] | None) -> bytes:
        """Read a whole table at once; only if the meter finds that too much, as it finds best."""
        try:
            return await self.client.read_table(number, on_bytes=on_bytes)
        except MeterRefused as refused:
            if octets is None or refused.code not in TOO_MUCH:
                raise
        return await self.client.read_table(number, size=octets, on_bytes=on_bytes)

    def forget(self, number: int) -> None:
        """Read the table anew when something of it is asked for again: it has changed."""
        self._wholes.pop(number, None)

    def failed(self, table: str, error: MrspError) -> None:
        """Write down a table that cannot be had."""
        self.collection.problems.append(Problem(table, str(error)))
        self.collection.failures[table] = error

    def remark(self, what: str, reason: str, *, lost: bool = False) -> None:
        """Write down a problem."""
        self.collection.problems.append(Problem(what, reason, lost=lost))

    def tell(self, stage: str, done: int, total: int, *, intervals: int = 0) -> None:
        """Report progress."""
        on_line = self.client.statistics.bytes_received
        self._progress(Progress(stage, done, total, bytes_on_line=on_line, intervals=intervals))
