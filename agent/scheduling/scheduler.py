"""The schedule at work: sleeps until something is due, begins visits, and sets down what becomes of them.

While the time is not known the meters are read by the box's clock as it is, without setting anything down: such due
times mean nothing. Once it is known the schedule begins anew from what is kept, and meters read meanwhile are not
read again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ParamSpec, Protocol, TypeVar

from agent.errors import LocalTrouble
from agent.log_fields import about
from agent.scheduling.agenda import Agenda, Limits
from agent.scheduling.book import ScheduleBook
from agent.scheduling.reads import WHYS, GivenUp, Missed, Read, Request, Settled, Stage, Standing
from agent.scheduling.retry import Dice, Failure
from agent.scheduling.store import Row
from agent.scheduling.taking_up import AHEAD, INTERRUPTED, take_up
from agent.together import end_all
from agent.utc_text import utc_text
from drivers.errors import UsageError

LOOK_EVERY_S = 5.0  # for requests of other processes, and a clock that was set
WRITE_AGAIN_S = 30.0  # after the disk refused
PRUNE_EVERY = timedelta(hours=6)
TOLD_AT_ONCE = 4  # give-ups whose reports are made at the same time

_P = ParamSpec("_P")
_R = TypeVar("_R")
_log = logging.getLogger("agent.schedule")


@dataclass(frozen=True, slots=True)
class Moment:
    """Now. `known`: by a proof, which tells when else it was (`utc_at`); else it is what the box's clock says.

    `boottime_ns` counts on regardless.
    """

    at: datetime
    known: bool
    boottime_ns: int
    utc_at: Callable[[int], datetime] | None = None


Came = Callable[[Read, str, bool], Awaitable[None]]
Attend = Callable[[Read | None, Came], Awaitable[str | Failure]]


class World(Protocol):
    """What the schedule needs of the agent."""

    @property
    def now(self) -> Callable[[], Moment]:
        """Tells the time."""
        ...

    async def attend(self, read: Read, came: Came) -> str | Failure:
        """Make one visit; never raises. See `agent.attending`."""
        ...

    async def stored(self, reading_ids: Iterable[str]) -> set[str]:
        """Return which of these readings the agent has in keeping."""
        ...

    async def asked(self, read: Read) -> None:
        """A request was taken up."""
        ...

    async def given_up(self, given_up: GivenUp) -> None:
        """A read was given up: tell whoever must know. May be told again after a crash. Never raises."""
        ...


class Scheduler:
    """Runs the schedule of one agent."""

    def __init__(
        self, standings: Iterable[Standing], limits: Limits, book: ScheduleBook, world: World, dice: Dice
    ) -> None:
        self._book = book
        self._world = world
        moment = world.now()
        self._agenda = Agenda(standings, limits, dice, moment.at, {})
        self._last = moment
        self._began = False
        self._wake = asyncio.Event()
        self._visits: dict[asyncio.Task[str | Failure], Read] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._locks: dict[str, asyncio.Lock] = {}
        self._tellers = asyncio.Semaphore(TOLD_AT_ONCE)
        self._doubtful: dict[str, tuple[int, str]] = {}  # read while the time was not known: when, and the reading
        self._seen = -1
        self._asked = False  # by this process: look for requests whatever the file says
        self._withdrawals: list[tuple[str, asyncio.Future[bool]]] = []
        self._borrowers: list[tuple[str, asyncio.Future[None]]] = []
        self._adoptions: list[tuple[tuple[Standing, ...], Limits, Callable[[], None], asyncio.Future[None]]] = []
        self._closing: set[str] = set()  # requests whose give-up is being told
        self._prune_at: datetime | None = None

    async def run(self) -> None:
        """Run until cancelled; visits under way are ended with their meters logged off."""
        try:
            while True:
                self._wake.clear()
                await self._turn()
                await self._rest()
        finally:
            await end_all([*self._visits, *self._telling])

    async def ask(self, request: Request) -> Request:
        """Take a request at once, durably; return it as it is kept: that of the first time, if it was asked before."""
        kept = await self._book.call(self._book.store.ask, request)
        self._asked = True
        self._wake.set()
        return kept

    async def withdraw(self, request_id: str) -> bool:
        """Take a request back, durably; False if it is not waiting: under way, over, or never asked.

        Waits for the time to be known, as everything that is set down does.
        """
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._withdrawals.append((request_id, answer))
        self._asked = True
        self._wake.set()
        return await answer

    @asynccontextmanager
    async def borrow(self, line: str) -> AsyncIterator[None]:
        """Have a line (`agent.lines.key_of`) for somebody at the meter: at once, or when the visit on it has ended.

        Visits that are due on it wait meanwhile. Cancelled, it is not held.
        """
        lent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._borrowers.append((line, lent))
        self._wake.set()
        try:
            await lent
            yield
        finally:
            if lent.done() and not lent.cancelled():
                self._agenda.desk.release(line)
                self._wake.set()

    async def adopt(self, standings: Iterable[Standing], limits: Limits, switch: Callable[[], None]) -> None:
        """Go on with other meters, or the same read in another way. Visits under way end as they began.

        Returns when it is so; at that moment `switch` is called, for the world to do so, too. What is kept of a meter
        that is gone stays, for the day when it comes back.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._adoptions.append((tuple(standings), limits, switch, done))
        self._wake.set()
        await done

    def backlog(self) -> dict[str, int]:
        """Return how many reads are open at each stage, and how many of all are `late`: their deadline has passed."""
        reads, now = self._agenda.reads(), self._world.now().at
        found = {stage.value: 0 for stage in Stage if stage is not Stage.SETTLED}
        found |= Counter(read.stage.value for read in reads)
        return {**found, "late": sum(read.deadline < now for read in reads)}

    async def row(self, meter: str, due: datetime) -> Row | None:
        """Return what became of a read so far; None if it was not tried yet."""
        return await self._book.call(self._book.store.row, meter, due)

    async def request(self, request: Request) -> Request:
        """Take a request, durably; return it as it is kept. Asked twice by the same id, it is read once.

        Raises `UsageError` for a meter that is not read here, `LocalTrouble` if the disk refuses it.
        """
        if not self._agenda.knows(request.meter):
            raise UsageError(f"no meter {request.meter!r} is read here", advice="`mrsp schedule show` lists them")
        kept = await self._book.call(self._book.store.ask, request)
        self._asked = True
        self._wake.set()
        return kept

    async def call_came(self, meter: str, due: datetime, attend: Attend) -> str | Failure:
        """A meter calls by itself, for the read of `due`: let `attend` read it; return what came of it.

        One that is settled already is read once more, and counts for nothing.
        """
        async with self._lock(meter):
            moment = self._world.now()
            read, settled = self._agenda.call_came(meter, due, moment.at)
            await self._set_down(settled)
            if read is None:
                return await attend(None, self._came)
            if self._began:
                await self._for_sure(self._book.store.begin, read, moment.at)
            result: str | Failure = INTERRUPTED
            try:
                result = await attend(read, self._came)
            finally:
                await self._set_down(self._agenda.call_ended(read, self._world.now().at, result))
            if read.stage is Stage.WAITING and self._began:
                await self._for_sure(self._book.store.failed, read, self._world.now().at)
            self._wake.set()
            return result

    async def _turn(self) -> None:
        moment = self._world.now()
        if moment.known and (not self._began or moment.at < self._last.at - AHEAD):
            await self._begin(moment)
        self._last = moment
        await self._see_to_visits()
        await self._see_to_adoptions(moment.at)
        if moment.known:
            await self._see_to_requests(moment.at)
            await self._see_to_withdrawals(moment.at)
            await self._prune(moment.at)
        await self._set_down(self._agenda.advance(moment.at))
        self._lend()
        while (read := self._agenda.start(moment.at)) is not None:
            if self._began:
                await self._for_sure(self._book.store.begin, read, moment.at)
            task = asyncio.create_task(self._visit(read), name=f"visit {read.meter}")
            task.add_done_callback(lambda _task: self._wake.set())
            self._visits[task] = read

    async def _begin(self, moment: Moment) -> None:
        """Go on from what is kept."""
        store = self._book.store
        kept = await self._for_sure(store.load)
        on_their_way = [row.reading_id for row in kept.open if row.reading_id is not None]
        tell = moment.utc_at
        doubtful = {meter: (tell(ns), reading) for meter, (ns, reading) in self._doubtful.items()} if tell else {}
        self._doubtful.clear()
        fixes = take_up(self._agenda, kept, moment.at, await self._world.stored(on_their_way), doubtful)
        if fixes.cursors:
            await self._for_sure(store.set_cursors, fixes.cursors)
        await self._for_sure(store.close_rows, fixes.done, fixes.given_up, moment.at)
        for meter, due, reading_id in fixes.read:
            await self._for_sure(store.note_done, meter, due, moment.at, reading_id)
        for request in fixes.unknown:
            await self._for_sure(store.refuse, request, moment.at, "not_configured")
            _log.error("%s: request %s is given up: %s", request.meter, request.request_id, WHYS["not_configured"])
        self._began = True

    async def _visit(self, read: Read) -> str | Failure:
        async with self._lock(read.meter):
            return await self._world.attend(read, self._came)

    async def _came(self, read: Read, reading_id: str, whole: bool) -> None:
        if self._began:
            await self._for_sure(self._book.store.came, read, self._world.now().at, reading_id, whole=whole)

    async def _see_to_visits(self) -> None:
        for task in [task for task in self._visits if task.done()]:
            read, moment = self._visits.pop(task), self._world.now()
            result = task.result()
            settled = self._agenda.ended(read, moment.at, result)
            if isinstance(result, str) and not self._began:
                self._doubtful[read.meter] = moment.boottime_ns, result
            elif read.stage is Stage.WAITING:
                with about(meter=read.meter):
                    _log.error("%s: tried again at %s", read.meter, utc_text(read.next_try or moment.at))
                if self._began:
                    number = read.standing.way.number
                    calls = None if number is None else self._agenda.numbers.calls(number)
                    await self._for_sure(self._book.store.failed, read, moment.at, calls)
            await self._set_down(settled)

    async def _see_to_adoptions(self, now: datetime) -> None:
        while self._adoptions:
            standings, limits, switch, done = self._adoptions.pop(0)
            cursors = dict((await self._for_sure(self._book.store.load)).cursors) if self._began else {}
            if self._began and (fresh := {one.meter: now for one in standings if one.meter not in cursors}):
                await self._for_sure(self._book.store.set_cursors, fresh)
            gone = self._agenda.adopt(standings, limits, now, cursors)
            switch()
            for one in gone:
                _log.warning("%s: the read of %s is not made: %s", one.read.meter, utc_text(one.read.due), one.detail)
            if gone and self._began:
                await self._for_sure(self._book.store.settle, gone)
            if not done.done():
                done.set_result(None)

    def _lend(self) -> None:
        """Give lines that are free to those who stand at a meter, before any visit begins."""
        waiting = [(line, lent) for line, lent in self._borrowers if not lent.done()]
        self._borrowers = []
        for line, lent in waiting:
            if self._agenda.desk.take(line):
                lent.set_result(None)
            else:
                self._borrowers.append((line, lent))

    async def _see_to_requests(self, now: datetime) -> None:
        asked, self._asked = self._asked, False
        seen = await self._for_sure(self._book.store.version_seen)
        if seen == self._seen and not asked:
            return
        for request in await self._for_sure(self._book.store.requests):
            if request.request_id in self._closing:
                continue
            if not self._agenda.knows(request.meter):
                await self._for_sure(self._book.store.refuse, request, now, "not_configured")
            elif (read := self._agenda.add(request, now)) is not None:
                _log.info("%s: a %s read was asked for by %s", read.meter, request.purpose, request.requested_by)
                await self._world.asked(read)
        self._seen = seen

    async def _see_to_withdrawals(self, now: datetime) -> None:
        while self._withdrawals:
            request_id, answer = self._withdrawals.pop(0)
            given_up = self._agenda.withdraw(request_id, now)
            if given_up is not None:
                await self._for_sure(self._book.store.settle, [given_up])  # before anybody hears that it is not read
                await self._set_down([given_up])
            if not answer.done():
                answer.set_result(given_up is not None)

    async def _set_down(self, settled: Iterable[Settled]) -> None:
        plain: list[Settled] = []
        for one in settled:
            if isinstance(one, GivenUp):
                with about(meter=one.read.meter):
                    _log.error("%s: the read of %s is given up: %s", one.read.meter, utc_text(one.read.due), one.detail)
                if self._began:
                    self._tell(one)
                continue
            if isinstance(one, Missed):
                span = utc_text(one.first) if one.count == 1 else f"{utc_text(one.first)} to {utc_text(one.last)}"
                with about(meter=one.meter):
                    _log.warning("%s: %d due times were missed (%s); the newest is read", one.meter, one.count, span)
            plain.append(one)
        if plain and self._began:
            await self._for_sure(self._book.store.settle, plain)

    def _tell(self, given_up: GivenUp) -> None:
        if given_up.read.request is not None:
            self._closing.add(given_up.read.request.request_id)
        task = asyncio.create_task(self._told(given_up), name=f"give up {given_up.read.meter}")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _told(self, given_up: GivenUp) -> None:
        """Tell first, then set it down: a crash in between tells it twice, which is seen, rather than never."""
        async with self._lock(given_up.read.meter), self._tellers:
            await self._world.given_up(given_up)
            await self._for_sure(self._book.store.settle, [given_up])
        if given_up.read.request is not None:
            self._closing.discard(given_up.read.request.request_id)

    def _lock(self, meter: str) -> asyncio.Lock:
        """What a visit and the report of a give-up of one meter take in turn: both write its record."""
        return self._locks.setdefault(meter, asyncio.Lock())

    async def _prune(self, now: datetime) -> None:
        if self._prune_at is None or now >= self._prune_at:
            self._prune_at = now + PRUNE_EVERY
            try:
                await self._book.call(self._book.store.prune, now)
            except LocalTrouble as error:
                _log.warning("%s", error)

    async def _rest(self) -> None:
        """Wait until something is due or happens, but never long."""
        wake_at, left_s = self._agenda.wake_at(), LOOK_EVERY_S
        if wake_at is not None:
            left_s = min(left_s, (wake_at - self._world.now().at).total_seconds())
        if left_s <= 0:
            await asyncio.sleep(0)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(left_s):
                await self._wake.wait()

    async def _for_sure(self, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Call the store, and again until the disk takes part: what is not set down could be done twice."""
        while True:
            try:
                return await self._book.call(function, *args, **kwargs)
            except LocalTrouble as error:
                _log.error("%s; the schedule waits, and tries again in %g s", error, WRITE_AGAIN_S)
                await asyncio.sleep(WRITE_AGAIN_S)
