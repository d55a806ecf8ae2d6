"""Read one of the meter's lists, self reads (ST26) or a log (ST74, ST76): all of it, or only what is new."""

from __future__ import annotations

from datetime import timedelta

from drivers.c1219 import Context, Decoded, decode, size
from drivers.c1219.decade7 import LogLimits
from drivers.c1219.extent import check_table
from drivers.c1219.list_entries import (
    HEAD,
    Fresh,
    Wanted,
    age_of_known,
    entry_places,
    judge_entries,
    newest_first,
    only_newest,
    remembered_entry,
)
from drivers.c1219.newest import Doubtful
from drivers.c1219.times import MeterTimes
from drivers.psem.collection import News
from drivers.psem.fetching import NOT_TO_BE_HAD, Fetcher
from drivers.psem.runs import REQUEST, Blocks, Run, merged
from drivers.psem.services import table_name

LISTS = frozenset(HEAD)
_SELF_READS, _HISTORY = 26, 74
_WORTH_IT = 4 * REQUEST  # octets of a list below which reading parts of it saves nothing
_STEP = 4  # times as many entries at each further look


class ListReader:
    """Reads one list into the fetcher's collection."""

    def __init__(self, fetcher: Fetcher, number: int) -> None:
        self._fetcher = fetcher
        self._collection = fetcher.collection
        self._number = number
        self._name = table_name(number)

    async def read(self) -> bool:
        """Read what is wanted; False, and a problem written down, if that cannot be."""
        news = self._collection.news
        if news is None or not _tells_time(self._number, self._context):
            return await self._whole() is not None
        octets = size(self._number, self._context)
        image = Blocks(octets or 0)
        if octets is None or octets <= _WORTH_IT or not self._fetcher.by_offset:
            decoded = await self._whole()
            if decoded is None:
                return False
            image = Blocks(len(decoded.octets))
            image.put(0, decoded.octets)
        try:
            verdict = await self._newest(news, image)
        except NOT_TO_BE_HAD as error:
            verdict = Doubtful(str(error))
        if isinstance(verdict, Fresh):
            if verdict.gap:
                self._fetcher.remark(self._name, verdict.gap, lost=verdict.lost)
            return True
        self._fetcher.remark(self._name, f"read in full, not only what is new: {verdict.reason}")
        return self._name in self._collection.octets or await self._whole() is not None

    @property
    def _context(self) -> Context:
        return self._fetcher.context

    async def _whole(self) -> Decoded | None:
        """Read and keep the whole list; None, and a problem written down, if that cannot be."""
        if not await self._fetcher.table(self._number):
            return None
        decoded = self._context.decoded(self._number)
        self._keep(decoded, None)
        return decoded

    async def _newest(self, news: News, image: Blocks) -> Fresh | Doubtful:
        """Read the header, then from the newest entry back until one is old. Raises what costs the table."""
        check_table(self._name, image.size)
        wanted, times = self._wanted(news), MeterTimes.of(self._context, news.site_zone)
        if times.problem:
            return Doubtful(times.problem)
        decoded = await self._look(image, [(0, HEAD[self._number])])
        order = newest_first(decoded)
        surely = self._surely_new(decoded, wanted, times)
        count = surely + 1
        while True:
            runs = entry_places(decoded, order[:surely], heads=False)
            decoded = await self._look(image, runs + entry_places(decoded, order[:count], heads=True))
            verdict = judge_entries(decoded, order[:count], wanted, times)
            if verdict is not None:
                break
            surely, count = count, count + 1 if self._number == _SELF_READS else count * _STEP
        if isinstance(verdict, Fresh):
            decoded = await self._look(image, entry_places(decoded, order[: verdict.count], heads=False))
            self._keep(decoded, verdict.count)
        return verdict

    def _wanted(self, news: News) -> Wanted:
        remembered = news.memory.logs if news.memory is not None else ()
        return Wanted(news.since, next((one for one in remembered if one.table == self._name), None))

    def _surely_new(self, decoded: Decoded, wanted: Wanted, times: MeterTimes) -> int:
        """Return how many entries must be new for all that can be known before they are read."""
        age = age_of_known(decoded, wanted)
        now = self._collection.meter_time(times, self._fetcher.monotonic_ns())
        if age is not None or self._number != _SELF_READS or now is None:
            return max(0, age or 0)
        limits = self._context.st21
        if not (limits.daily_self_read or limits.weekly_self_read):
            return 0
        every = timedelta(days=1 if limits.daily_self_read else 7)
        return max(0, (now - wanted.since + every / 2) // every)

    async def _look(self, image: Blocks, runs: list[Run]) -> Decoded:
        """Read what is missing of these runs, and decode the list as far as it is known."""
        missing = merged(image.missing(runs), gap=REQUEST)
        total, done = sum(end - start for start, end in missing), 0
        for start, end in missing:

            def tell(octets: int, done: int = done) -> None:
                self._fetcher.tell(self._name, done + octets, total)

            octets = await self._fetcher.span(self._number, start, end - start, whole=image.size, on_bytes=tell)
            image.put(start, octets)
            done += end - start
        return decode(self._number, image.block(0), self._context)

    def _keep(self, decoded: Decoded, count: int | None) -> None:
        """Keep the list, with only its newest `count` entries if that is given."""
        self._collection.complete.add(self._name)
        remembered = remembered_entry(decoded)
        if remembered is not None and self._number != _SELF_READS:
            self._collection.newest_entries[self._name] = remembered
        if count is not None:
            self._collection.context = self._context.with_table(only_newest(decoded, count))


def _tells_time(number: int, context: Context) -> bool:
    """Whether the entries of a list have times, by which new ones can be told from old ones."""
    if number == _SELF_READS:
        return context.st21.date_time_field
    limits = context.find(LogLimits)
    return limits is not None and (number != _HISTORY or limits.hist_date_time)
