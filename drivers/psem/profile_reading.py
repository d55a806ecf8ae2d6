"""Read one load-profile data set (ST64–ST67): all of it, or only what is new; read again what grew meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from drivers.c1219 import BlockLayout, Context, block_layout
from drivers.c1219.decade6 import ProfileLimits, ProfileSet, ProfileSetStatus, ProfileStatus
from drivers.c1219.newest import (
    Doubtful,
    Goal,
    More,
    Proven,
    Stretch,
    Stretches,
    configuration_digest,
    doubt_pointers,
    judge,
    newest_intervals,
    same_interval,
)
from drivers.c1219.profile import elements, interval_blocks
from drivers.c1219.profile_data import sample_places
from drivers.c1219.settled import settled
from drivers.c1219.times import MeterTimes
from drivers.errors import DataError, MrspError
from drivers.psem.collection import SetRead
from drivers.psem.fetching import NOT_TO_BE_HAD, Fetcher
from drivers.psem.runs import REQUEST, Blocks, Run, merged
from drivers.psem.services import table_name

STATUS = 63
DATA_SETS = {64: 1, 65: 2, 66: 3, 67: 4}
_KEPT_EVERY = 16_384  # octets of a profile after which its blocks are kept, should the line break later
_MOST_ROUNDS = 3  # times that is read again what grew meanwhile


class SetReader:
    """Reads one data set into the fetcher's collection. ST61, ST62 and ST63 are there."""

    def __init__(self, fetcher: Fetcher, table: int, status_ns: int) -> None:
        """`status_ns`: when ST63 was asked for."""
        self._fetcher = fetcher
        self._status_ns = status_ns
        self._collection = fetcher.collection
        self._table = table
        self._name = table_name(table)
        self._set = DATA_SETS[table]
        self._wanted = Stretches((), all=False)
        self._lost = False
        self._read_ns: int | None = None  # when the newest octets were in

    async def read(self) -> None:
        """Read what is wanted. Raises what costs the set as well as what breaks the session, with what came kept."""
        try:
            await self._read()
        finally:
            self._collection.profile[self._set] = SetRead(self._context.decoded(STATUS), self._read_ns)

    async def _read(self) -> None:
        self._layout = await self._find_layout()
        self._blocks = Blocks(self._layout.size)
        goal = self._goal()
        if goal is not None:
            try:
                doubt = await self._newest(goal)
            except MrspError:
                self._keep_known(self._settled())
                raise
            if doubt is None:
                return
            self._fetcher.remark(self._name, f"read in full, not only what is new: {doubt.reason}")
            self._blocks = Blocks(self._layout.size)
        await self._everything()

    # -- what the meter says

    @property
    def _context(self) -> Context:
        return self._fetcher.context

    @property
    def _limits(self) -> ProfileSet:
        limits = self._context.need(ProfileLimits).sets[self._set - 1]
        assert limits is not None  # noqa: S101 - `elements` has raised before
        return limits

    @property
    def _status(self) -> ProfileSetStatus:
        status = self._context.need(ProfileStatus).sets[self._set - 1]
        if status is None:
            raise DataError(f"ST63 says nothing of {self._name}", advice="read it again")
        return status

    @property
    def _size(self) -> int:
        """Octets of the whole table."""
        return self._limits.nbr_blks * self._layout.size

    @property
    def _times(self) -> MeterTimes:
        news = self._collection.news
        return MeterTimes.of(self._context, news.site_zone if news is not None else None)

    async def _find_layout(self) -> BlockLayout:
        """Return the layout; where only block end times can tell whether there is a CLOSURE field, look at these."""
        elements(self._context, self._set)
        sample = bytearray()
        for start, end in merged(sample_places(self._context, self._set), gap=REQUEST):
            octets = await self._fetcher.span(self._table, start, end - start, whole=None)
            sample += bytes(start - len(sample)) + octets
        return block_layout(self._context, self._set, sample=bytes(sample))

    def _goal(self) -> Goal | None:
        news = self._collection.news
        if news is None:
            return None
        remembered = news.memory.sets if news.memory is not None else ()
        memory = next((one for one in remembered if one.data_set == self._set), None)
        now = self._collection.meter_time(self._times, self._fetcher.monotonic_ns())
        return Goal(news.since, memory, now)

    # -- everything

    async def _everything(self) -> None:
        found = self._collection.blocks[self._set] = {}
        wanted = elements(self._context, self._set)
        for _ in range(_MOST_ROUNDS):
            try:
                await self._whole_blocks(wanted, found)
                grown = await self._grown()
            except MrspError:
                self._leave_out_unsettled(found)
                raise
            if grown is None:
                self._leave_out_unsettled(found)
            if not grown:
                if not self._lost:
                    self._collection.complete.add(self._name)
                return
            wanted = grown
            for element in wanted:
                found.pop(element, None)
        note = f"the meter stored new intervals in each of {_MOST_ROUNDS} readings; the blocks that grew are left out"
        self._fetcher.remark(self._name, note, lost=True)

    async def _whole_blocks(self, wanted: tuple[int, ...], found: dict[int, bytes]) -> None:
        """Read the blocks at these elements, neighbours in one go."""
        size, done = self._layout.size, 0
        for start, count in _neighbours(wanted, most=max(1, _KEPT_EVERY // size)):
            octets = await self._run(start, count, done, len(wanted))
            for number in range(len(octets) // size):
                found[start + number] = octets[number * size : (number + 1) * size]
            done += count
            if not octets and done < len(wanted):
                reason = "not asked for: the table has ended before them"
                self._fetcher.remark(f"{self._name} {len(wanted) - done} more blocks", reason, lost=True)
                break
        self._read_ns = self._fetcher.monotonic_ns()

    async def _run(self, start: int, count: int, done: int, total: int) -> bytes:
        """Read `count` blocks from element `start`; where the table ends too early, those that are whole."""
        size = self._layout.size

        def tell(octets: int) -> None:
            at = done * size + octets
            self._fetcher.tell(self._name, at, total * size, intervals=at // size * self._layout.intervals)

        try:
            return await self._fetcher.span(
                self._table, start * size, count * size, whole=self._size, granule=size, or_whole=True, on_bytes=tell
            )
        except DataError as error:
            self._lost = True
            if count == 1:
                self._fetcher.remark(f"{self._name} block {start}", str(error), lost=True)
                return b""
        half = count // 2
        first = await self._run(start, half, done, total)
        if len(first) < half * size:
            lost = f"blocks {start + len(first) // size} to {start + count - 1}"
            self._fetcher.remark(f"{self._name} {lost}", "not read: the table ends before them", lost=True)
            return first
        return first + await self._run(start + half, count - half, done + half, total)

    def _settled(self) -> tuple[int, ...]:
        """Return the elements whose blocks cannot have changed since ST63 was read, by the time that has passed."""
        length = timedelta(minutes=self._limits.max_int_time)
        now_ns = self._fetcher.monotonic_ns()
        times = self._times
        still = same_interval(
            self._collection.meter_time(times, self._status_ns), self._collection.meter_time(times, now_ns), length
        )
        passed = 0 if still else timedelta(microseconds=(now_ns - self._status_ns) // 1000) // length + 1
        return settled(elements(self._context, self._set), self._limits, self._status, passed)

    def _leave_out_unsettled(self, found: dict[int, bytes]) -> None:
        """Leave out the blocks that may have changed while they were read, where the meter cannot be asked any more."""
        unsettled = found.keys() - set(self._settled())
        for element in unsettled:
            del found[element]
        if unsettled:
            note = f"ST63 could not be read again: {len(unsettled)} blocks that may have changed meanwhile are left out"
            self._fetcher.remark(self._name, note, lost=True)
            self._lost = True

    async def _grown(self) -> tuple[int, ...] | None:
        """Look at ST63 again; return the elements that must be read again because the meter stored intervals since.

        None: it cannot be read again.
        """
        old = self._status
        asked_ns = self._fetcher.monotonic_ns()
        if not await self._fetcher.table(STATUS):
            return None
        self._status_ns = asked_ns
        new = self._status
        if _pointers(old) == _pointers(new):
            return ()
        self._fetcher.forget(self._table)
        valid = elements(self._context, self._set)
        added = new.last_block_seq_nbr - old.last_block_seq_nbr
        moved = added == 0 and _pointers(old)[1:] != _pointers(new)[1:]
        if added < 0 or moved or (new.list_type == 0 and added):  # every element number may mean another block now
            return valid
        return valid[-(added + 1) :]

    # -- only what is new

    async def _newest(self, goal: Goal) -> Doubtful | None:
        """Read only what is new; return why that does not do."""
        length = timedelta(minutes=self._limits.max_int_time)
        for _ in range(_MOST_ROUNDS):
            doubt = doubt_pointers(goal, self._status, configuration_digest(self._context))
            if doubt is not None:
                return doubt
            try:
                verdict = await self._look(goal, goal.estimate(length, self._most))
            except NOT_TO_BE_HAD as error:
                verdict = Doubtful(str(error))
            grown = () if isinstance(verdict, Proven) and self._stood_still(length) else await self._grown()
            if grown is None:
                return Doubtful("ST63 could not be read again")
            if not grown:
                if isinstance(verdict, Doubtful):
                    return verdict
                self._take(verdict, goal)
                return None
            self._blocks.forget(grown)
        return Doubtful(f"the meter stored new intervals in each of {_MOST_ROUNDS} readings")

    def _stood_still(self, length: timedelta) -> bool:
        """Whether ST63 need not be read again: by its clock the meter cannot have stored an interval meanwhile.

        Only where nothing that was read would have moved if it had, but the newest end time, which then would not join
        the block before: in a circular list of which the oldest block was not read, with ascending intervals, and not
        with one interval missing to a full block, whose end time would look like the planned one.
        """
        status = self._status
        moves = not status.list_type or status.interval_order or self._wanted.all
        if moves or status.nbr_valid_int + 1 == self._layout.intervals:
            return False
        return same_interval(
            self._collection.meter_time(self._times, self._status_ns),
            self._collection.meter_time(self._times, self._read_ns),
            length,
        )

    @property
    def _most(self) -> int:
        return self._status.nbr_valid_blocks * self._layout.intervals

    async def _look(self, goal: Goal, count: int) -> Proven | Doubtful | None:
        """Read the newest `count` intervals, and as many more as it takes; None where nothing is stored at all."""
        while True:
            await self._stretches(count, neighbour=goal.memory is None)
            if not self._wanted.blocks:
                return None
            times = self._times
            blocks, _problems = interval_blocks(
                self._context,
                times,
                self._set,
                {stretch.element: self._blocks.block(stretch.element) for stretch in self._wanted.blocks},
                now=self._collection.meter_time(times, self._read_ns),
                taken={stretch.element: stretch.taken for stretch in self._wanted.blocks},
            )
            full = self._status.nbr_valid_blocks >= self._limits.nbr_blks
            verdict = judge(goal, blocks, self._wanted, full=full)
            if not isinstance(verdict, More):
                return verdict
            count = self._wanted.count + verdict.count

    async def _stretches(self, count: int, *, neighbour: bool) -> None:
        """Read until the newest `count` intervals are known; a closed block may turn out to hold fewer than others."""
        while True:
            self._wanted = newest_intervals(
                elements(self._context, self._set),
                self._status,
                self._layout,
                count,
                valid_of=self._closed_with,
                neighbour=neighbour,
            )
            missing = self._blocks.missing(run for one in self._wanted.blocks for run in self._octets_of(one))
            if not missing:
                return
            await self._runs(merged(missing, gap=REQUEST))

    def _octets_of(self, stretch: Stretch) -> list[Run]:
        return stretch.octets(self._layout, descending=bool(self._status.interval_order))

    def _closed_with(self, element: int) -> int | None:
        """Return how many intervals a closed block says to have; None where none says so, or it was not read yet."""
        start = element * self._layout.size
        if not self._layout.closure or self._blocks.missing([(start, start + self._layout.intervals_offset)]):
            return None
        closures = self._layout.decode(self._blocks.block(element)).closures
        return max((closure.valid for closure in closures or ()), default=None)

    async def _runs(self, runs: Iterable[Run]) -> None:
        """Read runs of octets, long ones in parts that are whole blocks."""
        size = self._layout.size
        most = max(size, _KEPT_EVERY // size * size)
        parts = [(at, min(at + most, end)) for start, end in runs for at in range(start, end, most)]
        total, done = sum(end - start for start, end in parts), 0
        for start, end in parts:

            def tell(octets: int, done: int = done) -> None:
                at = done + octets
                self._fetcher.tell(self._name, at, total, intervals=at // max(1, self._layout.stride))

            granule = size if start % size == 0 and end - start >= size else 1
            octets = await self._fetcher.span(
                self._table, start, end - start, whole=self._size, granule=granule, on_bytes=tell
            )
            self._blocks.put(start, octets)
            done += end - start
        self._read_ns = self._fetcher.monotonic_ns()

    def _take(self, verdict: Proven | None, goal: Goal) -> None:
        """Keep what was read, proven to be what is new. None: nothing is stored."""
        self._keep_known(elements(self._context, self._set))
        self._collection.complete.add(self._name)
        if verdict is not None:
            self._collection.first_end[self._set] = verdict.first_end
            if verdict.gap:
                self._fetcher.remark(self._name, verdict.gap, lost=verdict.lost)
        elif goal.memory is not None:
            self._fetcher.remark(self._name, "everything since the last read is gone: it holds no interval", lost=True)

    def _keep_known(self, among: tuple[int, ...]) -> None:
        """Keep the stretches of these elements that are here from end to end."""
        stretches = [one for one in self._wanted.blocks if one.element in among]
        known = [one for one in stretches if not self._blocks.missing(self._octets_of(one))]
        self._collection.blocks[self._set] = {one.element: self._blocks.block(one.element) for one in known}
        self._collection.taken[self._set] = {one.element: one.taken for one in known}


def _pointers(status: ProfileSetStatus) -> tuple[tuple[int, int], int, int]:
    """Return what moves when intervals are stored, and then what moves only with a new block."""
    counted = (status.last_block_seq_nbr, status.nbr_valid_int)
    return counted, status.nbr_valid_blocks, status.last_block_element


def _neighbours(wanted: tuple[int, ...], *, most: int) -> list[tuple[int, int]]:
    """Return (first, count) of at most `most` neighbouring element numbers, in the order of the table."""
    runs: list[tuple[int, int]] = []
    for element in sorted(set(wanted)):
        if runs and element == sum(runs[-1]) and runs[-1][1] < most:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((element, 1))
    return runs
