"""Collect the tables of one meter through an open session: which ones, in which order, and what to do when one fails.

A refusal, a checksum that stays wrong or undecodable octets cost one table and are written down; a broken line ends
the collecting, with everything that was whole by then kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, tzinfo
from decimal import Decimal

from drivers.base import Progress
from drivers.c1219 import Context, decode, size
from drivers.c1219.decade0 import FIXED_OCTETS, DeviceIdentification
from drivers.c1219.identity import identity_of
from drivers.errors import MeterRefused
from drivers.memory import MeterMemory
from drivers.psem.client import PsemClient
from drivers.psem.codes import TOO_MUCH
from drivers.psem.collection import ClockLook, Collection, News
from drivers.psem.fetching import MANUFACTURER, NOT_TO_BE_HAD, Fetcher
from drivers.psem.list_reading import LISTS, ListReader
from drivers.psem.profile_reading import DATA_SETS, STATUS, SetReader
from drivers.psem.services import table_name

__all__ = ["CLOCK", "LOGS", "MANUFACTURER", "PROFILE", "REGISTERS", "SOURCES", "WHO", "Collector"]

# In this order a table comes after those that decide its layout (C12.19, the ACTUAL table of each decade).
WHO = (1, 5, 6, 2, 3)
SOURCES = (11, 12, 13, 15, 16)
CLOCK = (51, 53, 54)
REGISTERS = (21, 22, 23, 24, 25, 26, 27, 28)
PROFILE = (61, 62)
LOGS = (71, 74, 76)
_OVERHEAD = 8  # octets of a packet around its data
_READ_REQUEST = 3
_IDENTITY, _UTILITY, _NAMEPLATE, _DEMAND_CONTROL, _TIME_LIMITS, _CALENDAR = 5, 6, 2, 13, 51, 54


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
        self._monotonic_ns = monotonic_ns
        self.collection = Collection(context)
        self._fetcher = Fetcher(client, self.collection, progress=progress, monotonic_ns=monotonic_ns)

    @property
    def context(self) -> Context:
        return self.collection.context

    @context.setter
    def context(self, context: Context) -> None:
        self.collection.context = context

    def only_new(self, since: datetime, memory: MeterMemory | None = None, *, site_zone: tzinfo | None = None) -> None:
        """Read from now on of profile, logs and self reads only what is newer than `since`, by the meter's clock.

        `memory`, if it is of this meter, says where the visit before ended, and is compared. Where the meter's pointers
        turn out not to be true, or cannot be proven, everything is read, and a problem says why. Tables that tell
        nothing of a reading are left out: nameplate and utility information, limits of what is not there.
        """
        self.collection.news = News(since, memory, site_zone)

    def _forget_other_meter(self) -> None:
        """Give up the memory of a visit to another meter."""
        news = self.collection.news
        if news is not None and news.memory is not None and news.memory.meter_id != identity_of(self.context).meter_id:
            self.collection.news = replace(news, memory=None)

    async def configuration(self) -> None:
        """Read ST00, which decides everything. Raises `MeterRefused` or `DataError` if there is no usable one."""
        try:
            octets = await self._fetcher.read(0, None)
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
        """Read those of `numbers` that the meter has, and that are wanted."""
        for number in (*self._owed(), *numbers):
            if number in self.context.st00.std_tbls_used and self._is_wanted(number):
                await self.table(number)

    async def table(self, number: int) -> bool:
        """Read and decode one table; False, and a problem written down, if that cannot be."""
        if number in LISTS:
            self._forget_other_meter()
            return await ListReader(self._fetcher, number).read()
        return await self._fetcher.table(number)

    def _is_wanted(self, number: int) -> bool:
        """Whether a table can add anything to a reading of what is new."""
        if self.collection.news is None:
            return True
        if number == _UTILITY:
            return self._utility_identifies()
        if number == _TIME_LIMITS:
            return _CALENDAR in self.context.st00.std_tbls_used
        if number in {_NAMEPLATE, _DEMAND_CONTROL}:
            return False
        if size(number, self.context) == 0:  # its limiting table says that it is empty
            self.context = self.context.with_table(decode(number, b"", self.context))
            return False
        return True

    def _utility_identifies(self) -> bool:
        """Whether the meter's id is in ST06: ST05 does not say it, or the profile says so."""
        device = self.context.find(DeviceIdentification)
        blank = device is None or not device.identification.strip()
        return self.context.quirks.meter_id_at == "st06" or blank

    def _owed(self) -> tuple[int, ...]:
        """Return the table that was left out, and turned out to be wanted when the profile was known."""
        late = self.collection.news is not None and self.context.quirks.meter_id_at == "st06"
        return (_UTILITY,) if late and _UTILITY not in self.context else ()

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
        except NOT_TO_BE_HAD as error:
            self._fetcher.remark("number of dials", str(error))
        else:
            self.collection.digits = octet[0] or None

    async def profile(self) -> None:
        """Read the valid blocks of every load-profile set, or what is new of them; read again what grew meanwhile."""
        self._forget_other_meter()
        await self.tables(PROFILE)
        status_ns = self._monotonic_ns()
        if 61 not in self.context or 62 not in self.context or not await self.table(STATUS):
            return
        for table in DATA_SETS:
            if table in self.context.st00.std_tbls_used:
                try:
                    await SetReader(self._fetcher, table, status_ns).read()
                except NOT_TO_BE_HAD as error:
                    self._fetcher.failed(table_name(table), error)

    def _hiccups(self) -> tuple[int, int]:
        statistics = self._client.statistics
        return statistics.retries, statistics.recoveries

    def _wire_s(self, octets: int) -> Decimal:
        """Return how long a packet with `octets` of data takes at the present speed; 0 where the line has none."""
        baud = self._client.statistics.baud
        return Decimal(10 * (octets + _OVERHEAD)) / baud if baud else Decimal(0)
