"""Collect the tables of one meter through an open session: which ones, in which order, and what to do when one fails.

A refusal, a checksum that stays wrong or undecodable octets cost one table and are written down; a broken line ends
the collecting, with everything that was whole by then kept.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from drivers.base import Progress
from drivers.c1219 import BlockLayout, Context, block_layout, decode, size
from drivers.c1219.decade0 import FIXED_OCTETS
from drivers.c1219.decade6 import ProfileLimits, ProfileStatus
from drivers.c1219.profile import elements
from drivers.data import Problem
from drivers.errors import DataError, MeterRefused, MrspError
from drivers.psem.client import PsemClient
from drivers.psem.codes import TOO_MUCH
from drivers.psem.collection import ClockLook, Collection
from drivers.psem.replies import BadTableData
from drivers.psem.services import table_name

# In this order a table comes after those that decide its layout (C12.19, the ACTUAL table of each decade).
WHO = (1, 5, 6, 2, 3)
SOURCES = (11, 12, 13, 15, 16)
CLOCK = (51, 53, 54)
REGISTERS = (21, 22, 23, 24, 25, 26, 27, 28)
PROFILE = (61, 62)
LOGS = (71, 74, 76)
STATUS = 63
DATA_SETS = {64: 1, 65: 2, 66: 3, 67: 4}
MANUFACTURER = 2048  # manufacturer table n has the id 2048 + n (C12.19)
_OVERHEAD = 8  # octets of a packet around its data
_READ_REQUEST = 3
_NOT_TO_BE_HAD = (MeterRefused, DataError, BadTableData)  # one table or piece of it; the session goes on
_KEPT_EVERY = 16_384  # octets of a profile after which its blocks are kept, should the line break later
_MOST_ROUNDS = 3  # times that the newest block is read again because it grew meanwhile


class Collector:
    """Reads tables one after another into a `Collection`. Raises only for a broken line or session."""

    def __init__(
        self,
        client: PsemClient,
        context: Context,
        *,
        progress: Callable[[Progress], None],
        monotonic_ns: Callable[[], int],
    ) -> None:
        self._client = client
        self._progress = progress
        self._monotonic_ns = monotonic_ns
        self.collection = Collection(context)

    @property
    def context(self) -> Context:
        return self.collection.context

    @context.setter
    def context(self, context: Context) -> None:
        self.collection.context = context

    async def configuration(self) -> None:
        """Read ST00, which decides everything. Raises `MeterRefused` or `DataError` if there is no usable one."""
        try:
            octets = await self._read(0, None)
        except MeterRefused as refused:  # such as a meter that does not negotiate, for an ST00 of more than 52 octets
            if refused.code not in TOO_MUCH:
                raise
            octets = await self._configuration_in_pieces()
        self.context = self.context.with_table(decode(0, octets, self.context))

    async def _configuration_in_pieces(self) -> bytes:
        """Read ST00 by offset: first the octets that say how long it is."""
        head = await self._client.read_offset(0, 0, FIXED_OCTETS)
        whole = size(0, self.context.with_table(decode(0, head, self.context))) or FIXED_OCTETS
        octets = head + await self._client.read_offset(0, FIXED_OCTETS, whole - FIXED_OCTETS)
        self.collection.octets[table_name(0)] = octets
        return octets

    async def tables(self, numbers: tuple[int, ...]) -> None:
        """Read those of `numbers` that the meter has."""
        for number in numbers:
            if number in self.context.st00.std_tbls_used:
                await self.table(number)

    async def table(self, number: int) -> bool:
        """Read and decode one table; False, and a problem written down, if that cannot be."""
        try:
            standard = number < MANUFACTURER
            octets = await self._read(number, size(number, self.context) if standard else None)
            if standard:
                self.context = self.context.with_table(decode(number, octets, self.context))
        except _NOT_TO_BE_HAD as error:
            self._failed(table_name(number), error)
            return False
        return True

    async def clock(self) -> None:
        """Look at the meter's clock: ST52, or ST55 if that cannot be read."""
        for number in (52, 55):
            if number in self.context.st00.std_tbls_used and await self._look(number):
                return

    async def _look(self, number: int) -> bool:
        """Read a clock table between two stamps, once more if the line hiccuped meanwhile; False if it cannot be."""
        for _ in range(2):
            hiccups = self._hiccups()
            before_ns = self._monotonic_ns()
            if not await self.table(number):
                return False
            after_ns = self._monotonic_ns()
            octets = len(self.collection.octets[f"ST{number:02}"])
            self.collection.clock = ClockLook(
                before_ns, after_ns, self._wire_s(_READ_REQUEST), self._wire_s(4 + octets)
            )
            if self._hiccups() == hiccups:
                break
        return True

    async def dials(self) -> None:
        """Read how many digits the display shows, where the profile says that the meter keeps it."""
        quirks = self.context.quirks
        if quirks.dials_table is None:
            return
        try:
            octet = await self._client.read_offset(quirks.dials_table, quirks.dials_offset, 1)
        except _NOT_TO_BE_HAD as error:
            self.collection.problems.append(Problem("number of dials", str(error), lost=False))
        else:
            self.collection.digits = octet[0] or None

    async def profile(self) -> None:
        """Read the valid blocks of every load-profile set; read again what grew meanwhile."""
        await self.tables(PROFILE)
        if 61 not in self.context or 62 not in self.context or not await self.table(STATUS):
            return
        for table, data_set in DATA_SETS.items():
            if table in self.context.st00.std_tbls_used:
                await self._data_set(table, data_set)

    async def _data_set(self, table: int, data_set: int) -> None:
        try:
            wanted = elements(self.context, data_set)
            for _ in range(_MOST_ROUNDS):
                await self._blocks(table, data_set, wanted)
                self.collection.profile_ns = self._monotonic_ns()
                before = self.context.need(ProfileStatus)
                if not await self.table(STATUS):
                    return
                wanted = self._grown(data_set, before)
                if not wanted:
                    return
            note = f"the meter stored new intervals in each of {_MOST_ROUNDS} readings; the newest may be missing"
            self.collection.problems.append(Problem(f"ST{table}", note, lost=False))
        except _NOT_TO_BE_HAD as error:
            self._failed(table_name(table), error)

    def _grown(self, data_set: int, before: ProfileStatus) -> tuple[int, ...]:
        """Return the elements to read again because the meter stored intervals since `before`."""
        old, new = before.sets[data_set - 1], self.context.need(ProfileStatus).sets[data_set - 1]
        if old is None or new is None:
            return ()
        if (old.last_block_seq_nbr, old.nbr_valid_int) == (new.last_block_seq_nbr, new.nbr_valid_int):
            return ()
        valid = elements(self.context, data_set)
        added = new.last_block_seq_nbr - old.last_block_seq_nbr
        if new.list_type == 0 and added:  # a FIFO shifts: every element number means another block now
            return valid
        return valid[-(max(0, added) + 1) :]

    async def _blocks(self, table: int, data_set: int, wanted: tuple[int, ...]) -> None:
        """Read the blocks at the elements `wanted`, neighbours in one go."""
        found = self.collection.blocks.setdefault(data_set, {})
        sample = await self._sample(table, data_set) if wanted else b""
        layout = block_layout(self.context, data_set, sample=sample)
        done = 0
        for start, count in _runs(wanted, most=max(1, _KEPT_EVERY // layout.size)):
            octets = await self._run(table, start, count, layout.size, (done, len(wanted)))
            for number in range(len(octets) // layout.size):
                found[start + number] = octets[number * layout.size : (number + 1) * layout.size]
            done += count

    async def _sample(self, table: int, data_set: int) -> bytes:
        """Read two blocks where only their times can tell whether they have the CLOSURE field; else nothing."""
        limits = self.context.need(ProfileLimits)
        if not limits.bit_12 or limits.of_set(data_set, "nbr_blks") < 2:
            return b""
        return await self._client.read_offset(table, 0, 2 * BlockLayout.of(self.context, data_set, closure=False).size)

    async def _run(self, table: int, start: int, count: int, block: int, place: tuple[int, int]) -> bytes:
        """Read `count` blocks from element `start`; where the table ends too early, those that are whole."""
        done, total = place
        intervals = self.context.need(ProfileLimits).of_set(DATA_SETS[table], "nbr_blk_ints")

        def tell(octets: int) -> None:
            at = done * block + octets
            self._tell(f"ST{table}", at, total * block, intervals=at // block * intervals)

        try:
            return await self._client.read_offset(
                table,
                start * block,
                count * block,
                granule=block,
                max_read=self.context.quirks.max_read,
                on_bytes=tell,
            )
        except DataError as error:
            if count == 1:
                self.collection.problems.append(Problem(f"ST{table} block {start}", str(error)))
                return b""
            first = await self._run(table, start, count // 2, block, place)
            if len(first) < count // 2 * block:
                lost = f"blocks {start + len(first) // block} to {start + count - 1}"
                self.collection.problems.append(Problem(f"ST{table} {lost}", "not read: the table ends before them"))
                return first
            rest = (done + count // 2, total)
            return first + await self._run(table, start + count // 2, count - count // 2, block, rest)

    async def _read(self, number: int, expected: int | None) -> bytes:
        name = table_name(number)
        self._tell(name, 0, expected or 0)
        octets = await self._client.read_table(
            number, size=expected, on_bytes=lambda done: self._tell(name, done, expected or 0)
        )
        self.collection.octets[name] = octets
        return octets

    def _failed(self, table: str, error: MrspError) -> None:
        self.collection.problems.append(Problem(table, str(error)))
        self.collection.failures[table] = error

    def _tell(self, stage: str, done: int, total: int, *, intervals: int = 0) -> None:
        on_line = self._client.statistics.bytes_received
        self._progress(Progress(stage, done, total, bytes_on_line=on_line, intervals=intervals))

    def _hiccups(self) -> tuple[int, int]:
        statistics = self._client.statistics
        return statistics.retries, statistics.recoveries

    def _wire_s(self, octets: int) -> Decimal:
        """Return how long a packet with `octets` of data takes at the present speed; 0 where the line has none."""
        baud = self._client.statistics.baud
        return Decimal(10 * (octets + _OVERHEAD)) / baud if baud else Decimal(0)


def _runs(wanted: tuple[int, ...], *, most: int) -> list[tuple[int, int]]:
    """Return (first, count) of at most `most` neighbouring element numbers, in the order of the table."""
    runs: list[tuple[int, int]] = []
    for element in sorted(set(wanted)):
        if runs and element == sum(runs[-1]) and runs[-1][1] < most:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((element, 1))
    return runs
