"""The schedule itself: what is due, what begins now, what comes next. Pure: now comes in, and chance.

    agenda.advance(now)           what was given up or missed by now
    read = agenda.start(now)      the next visit to begin, on a line that it now has; None: wait until `wake_at`
    agenda.ended(read, now, …)    its line is free; it is done, tried again later, or given up

Each meter has at most one read of its cycle open, of the newest due time; requests stand beside it. Everything else is
one heap of moments, so that five thousand meters cost no more than their entries.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import TypeVar

from agent.scheduling.desk import Desk
from agent.scheduling.numbers import Numbers
from agent.scheduling.reads import Done, GivenUp, Missed, Read, Request, Settled, Stage, Standing
from agent.scheduling.retry import Dice, Failure, wait_after

_What = TypeVar("_What", Done, GivenUp)

REQUEST_TRIES = 5  # times as many tries as a read of the cycle has: a request has days
INSTANT = timedelta(microseconds=1)
EARLIEST = datetime.min.replace(tzinfo=UTC)
LINE_RESTS = timedelta(minutes=5)  # after it failed, where the bank has others


@dataclass(frozen=True, slots=True)
class Limits:
    """What the box bears. `tries`: of one read of the cycle; one that was asked for has five times as many."""

    sessions: int = 16
    tries: int = 12
    spread: timedelta = timedelta(seconds=5)
    call_gap: timedelta = timedelta(seconds=60)
    calls_per_day: int = 10


@dataclass(frozen=True, slots=True)
class Tried:
    """What came before: attempts, the last failure, and when the next attempt is due."""

    next_try: datetime
    attempts: int = 0
    failure: Failure | None = None


class Agenda:
    """The reads of one box. `cursors`: up to when the due times of a meter are settled; of a new one, from now on."""

    def __init__(
        self, standings: Iterable[Standing], limits: Limits, dice: Dice, now: datetime, cursors: Mapping[str, datetime]
    ) -> None:
        self._limits = limits
        self._dice = dice
        self._standings = {standing.meter: standing for standing in standings}
        self._settled: dict[str, datetime] = {}
        self._open: dict[str, Read] = {}  # of the cycle
        self._requests: dict[str, Read] = {}
        self._moments: list[tuple[datetime, int, Standing | Read | str]] = []
        self._tickets = count(1)
        self._parked: dict[str, list[Read]] = {}  # until the number is free
        self.desk = Desk(limits.sessions)
        self.numbers = Numbers(limits.call_gap, limits.calls_per_day)
        for standing in self._standings.values():
            self.desk.know(standing.way)
        self.rebase(now, cursors)

    def rebase(self, now: datetime, cursors: Mapping[str, datetime]) -> None:
        """Begin anew where the time was not known, and is now; visits under way count for what is due now."""
        under_way = [read for read in self.reads() if read.stage is Stage.VISITING]
        self._settled = {meter: cursors.get(meter, now) for meter in self._standings}
        self._moments.clear()
        self._parked.clear()
        self._open.clear()
        self._requests.clear()
        self.desk.clear()
        self.numbers.rebase(now)
        for read in under_way:
            if read.request is not None:
                self._requests[read.request.request_id] = read
                continue
            read.due = read.standing.cycle.up_to(now) or read.due
            self._open[read.meter] = read
            read.deadline = read.standing.deadline_of(read.due)
            read.until = read.standing.until(read.due, now)
        for standing in self._standings.values():
            self._push(now, standing)

    def adopt(
        self, standings: Iterable[Standing], limits: Limits, now: datetime, cursors: Mapping[str, datetime]
    ) -> list[GivenUp]:
        """Go on with other meters, or the same read in another way; return the reads of meters that are gone.

        Visits under way go on as they began. Reads that wait keep their due time, their tries and their end.
        """
        before = self._standings
        self._standings = {one.meter: _same(before.get(one.meter), one) for one in standings}
        self._limits = limits
        self.desk.allow(limits.sessions)
        self.numbers.allow(limits.call_gap, limits.calls_per_day)
        for meter, standing in self._standings.items():
            if standing is not before.get(meter):
                self.desk.know(standing.way)
                self._settled[meter] = max(cursors.get(meter, now), self._settled.get(meter, EARLIEST))
                self._push(now, standing)
        gone: list[GivenUp] = []
        for read in self.reads():
            now_read = self._standings.get(read.meter)
            if now_read is read.standing or read.stage is Stage.VISITING:
                continue
            self.desk.remove(read)
            if now_read is None:
                gone.append(self._settle(read, GivenUp(read, now, "not_configured")))
            else:
                self._remake(read, now_read, now)
        return gone

    @property
    def settled(self) -> Mapping[str, datetime]:
        """Up to when the due times of each meter are settled."""
        return self._settled

    @property
    def meters(self) -> Collection[str]:
        """The meters that are read here."""
        return self._standings.keys()

    def knows(self, meter: str) -> bool:
        """Tell whether `meter` is one of those that are read here."""
        return meter in self._standings

    def newest(self, meter: str, now: datetime) -> datetime | None:
        """Return the newest due time of a meter, whatever became of it."""
        return self._standings[meter].cycle.up_to(now)

    def reads(self) -> list[Read]:
        """Return what is open."""
        return [*self._open.values(), *self._requests.values()]

    def restore(self, meter: str, due: datetime, until: datetime, tried: Tried) -> bool:
        """Take over a read of the cycle that was tried before this program began; return False if it is settled."""
        if due <= self._settled[meter]:
            return False
        known = self._open.get(meter)
        if known is not None:  # under way
            return known.due == due
        self._open[meter] = self._made(self._standings[meter], due, until, tried=tried)
        return True

    def add(self, request: Request, now: datetime, tried: Tried | None = None) -> Read | None:
        """Take a request; None for one that is here already. Raises `KeyError` for an unknown meter."""
        if request.request_id in self._requests:
            return None
        tried = tried or Tried(next_try=now)
        standing = self._standings[request.meter]
        read = self._made(standing, request.requested_at, request.deadline, tried=tried, request=request)
        self._requests[request.request_id] = read
        return read

    def withdraw(self, request_id: str, now: datetime) -> Settled | None:
        """Let go of a request that was taken back; None if it is not waiting here: under way, over, or unknown."""
        read = self._requests.get(request_id)
        if read is None or read.stage is Stage.VISITING:
            return None
        return self._give_up(read, now, "cancelled")

    def advance(self, now: datetime) -> list[Settled]:
        """Let everything happen that is due by `now`; return what was given up or missed."""
        found: list[Settled] = []
        while self._moments and self._moments[0][0] <= now:
            when, ticket, what = heappop(self._moments)
            if isinstance(what, Standing):
                if self._standings.get(what.meter) is not what:
                    continue  # the meter is read in another way by now, or not at all
                found += self._fall(what, now)
                if (following := what.cycle.after(now)) is not None:
                    self._push(following, what)
            elif isinstance(what, str):
                self.desk.rested(what, now)
            elif what.stage in {Stage.WAITING, Stage.READY}:
                if when >= what.until:
                    found.append(self._give_up(what, now, _why_at_last(what)))
                elif what.ticket == ticket and what.stage is Stage.WAITING:
                    found += self._make_ready(what, now)
        return found

    def start(self, now: datetime) -> Read | None:
        """Return the next read to begin, its line taken; None if nothing can begin as things stand."""
        while (read := self.desk.first()) is not None:
            if now >= read.until or self._open_at(read, now) > now or self._engaged(read):
                self.desk.remove(read)
                self._schedule(read, now)  # for `advance` to see to
                continue
            read.line = self.desk.begin(read)
            if (number := read.standing.way.number) is not None:
                self.numbers.begin(number, now)
            read.stage, read.held_by, read.next_try = Stage.VISITING, "", None
            read.attempts += 1
            read.ends_by = self._ends_by(read, now)
            return read
        return None

    def ended(self, read: Read, now: datetime, result: str | Failure) -> list[Settled]:
        """Take the end of a visit: the reading's id, or why there is none that is whole. Its line is free again."""
        self._hang_up(read, now, result if isinstance(result, Failure) else None)
        read.stage = Stage.WAITING
        standing = self._standings.get(read.meter)
        read.standing = standing or read.standing
        if isinstance(result, str):
            read.failure = None
            settled: Settled | None = self._settle(read, Done(read, now, result))
        elif standing is None:
            read.failure = result
            settled = self._give_up(read, now, "not_configured")
        else:
            settled = self._failed(read, now, result)
        fallen = self._fall(standing, now) if standing is not None and read.request is None else []
        return [settled, *fallen] if settled is not None else fallen

    def call_came(self, meter: str, due: datetime, now: datetime) -> tuple[Read | None, list[Settled]]:
        """A meter calls by itself: return its read of `due`, which is under way now, and what that settles.

        None where that is settled already, or the meter is just being visited.
        """
        current, standing = self._open.get(meter), self._standings[meter]
        under_way = current is not None and (current.stage is Stage.VISITING or current.due > due)
        if due <= self._settled[meter] or under_way:
            return None, []
        found: list[Settled] = (
            [self._give_up(current, now, "next_due")] if current is not None and current.due < due else []
        )
        if current is None or current.due < due:
            current = self._made(standing, due, max(standing.until(due, now), now), tried=Tried(now))
            self._open[meter] = current
        self.desk.remove(current)
        current.stage, current.held_by, current.next_try = Stage.VISITING, "", None
        current.attempts += 1
        return current, found

    def call_ended(self, read: Read, now: datetime, result: str | Failure) -> list[Settled]:
        """Take the end of a call that came in, as `ended` does of a visit; the meter may call again."""
        read.stage = Stage.WAITING
        if isinstance(result, str):
            read.failure = None
            return [self._settle(read, Done(read, now, result)), *self._fall(read.standing, now)]
        settled: Settled | None = self._failed(read, now, result)
        if settled is None and read.next_try is not None:
            self._schedule(read, max(read.next_try, read.due + read.standing.waits))
        return ([] if settled is None else [settled]) + self._fall(read.standing, now)

    def wake_at(self) -> datetime | None:
        """Return when `advance` has something to do; None if never."""
        return self._moments[0][0] if self._moments else None

    def _fall(self, standing: Standing, now: datetime) -> list[Settled]:
        """Open the read of the newest due time; what is older is given up, or was missed."""
        meter, newest = standing.meter, standing.cycle.up_to(now)
        current, found = self._open.get(meter), list[Settled]()
        if newest is None or newest <= self._settled[meter] or (current is not None and current.due >= newest):
            return found
        if current is not None:
            if current.stage is Stage.VISITING:
                return found  # seen to when it ends
            found.append(self._give_up(current, now, "next_due"))
        before = standing.cycle.up_to(newest - INSTANT)
        if before is not None and before > self._settled[meter]:
            first = standing.cycle.after(self._settled[meter]) or before
            missed = standing.cycle.count(self._settled[meter], before)
            found.append(Missed(meter, first, before, missed, now))
            self._settled[meter] = before
        first_try = max(now, newest + standing.waits) + self._limits.spread * self._dice.random()
        self._open[meter] = self._made(standing, newest, standing.until(newest, now), tried=Tried(first_try))
        return found

    def _made(
        self, standing: Standing, due: datetime, until: datetime, *, tried: Tried, request: Request | None = None
    ) -> Read:
        deadline = standing.deadline_of(due) if request is None else request.deadline
        tries = self._limits.tries * (1 if request is None else REQUEST_TRIES)
        read = Read(standing, due, deadline, until, tries, request, tried.attempts, tried.failure)
        self._push(until, read)
        self._schedule(read, tried.next_try)
        return read

    def _remake(self, read: Read, standing: Standing, now: datetime) -> None:
        """Put in the place of a read that waits the same one, to be made in another way."""
        read.stage = Stage.SETTLED
        tried = Tried(read.next_try or now, read.attempts, read.failure)
        made = self._made(standing, read.due, read.until, tried=tried, request=read.request)
        if read.request is None:
            self._open[read.meter] = made
        else:
            self._requests[read.request.request_id] = made

    def _schedule(self, read: Read, when: datetime) -> None:
        read.stage, read.next_try = Stage.WAITING, when
        read.ticket = self._push(when, read)

    def _make_ready(self, read: Read, now: datetime) -> list[Settled]:
        """Let it wait for a line, or until its window opens or its number may be called."""
        if read.standing.only_calls:
            return [self._give_up(read, now, "did_not_call")]
        if read.attempts >= read.most_tries and (read.failure is None or read.failure.about != "box"):
            return [self._give_up(read, now, "tries")]  # by attempts that crashes ended
        opens = self._open_at(read, now)
        if opens >= read.until:
            return [self._give_up(read, now, read.held_by)] if read.held_by == "no_window" else []
        if opens > now:
            self._schedule(read, opens)
            return []
        read.held_by, read.next_try = "no_line", None
        if self._engaged(read):
            self._parked.setdefault(read.standing.way.number or "", []).append(read)
        else:
            read.stage = Stage.READY
            self.desk.add(read)
        return []

    def _engaged(self, read: Read) -> bool:
        number = read.standing.way.number
        return number is not None and self.numbers.engaged(number)

    def _open_at(self, read: Read, now: datetime) -> datetime:
        """Return from when on its meter may be called as things stand, `now` if at once; note what holds it back."""
        standing, opens, number = read.standing, now, read.standing.way.number
        if number is not None and (free := self.numbers.free_at(number, now)) > now:
            opens, read.held_by = free, "calls_used_up" if self.numbers.used_up(number) else ""
        if standing.window is not None:
            room = standing.window.room(opens, _need(standing))
            if room is None or room.begin > opens:
                opens, read.held_by = read.until if room is None else room.begin, "no_window"
        return opens

    def _ends_by(self, read: Read, now: datetime) -> datetime | None:
        standing = read.standing
        ends = [] if standing.longest is None else [now + standing.longest]
        if standing.window is not None and (room := standing.window.room(now, _need(standing))) is not None:
            ends.append(room.end)
        return min(ends, default=None)

    def _hang_up(self, read: Read, now: datetime, failure: Failure | None) -> None:
        line, about_line = read.line, failure is not None and failure.about in {"line", "modem"}
        if about_line and len(read.standing.way.lines) > 1:
            self.desk.rest(line, now + LINE_RESTS)
            self._push(now + LINE_RESTS, line)
        self.desk.end(read)
        read.line, read.ends_by = "", None
        if (number := read.standing.way.number) is not None:
            self.numbers.end(number, now, called=not about_line)
            for parked in self._parked.pop(number, ()):
                if parked.stage is Stage.WAITING:
                    self._schedule(parked, self.numbers.free_at(number, now))

    def _failed(self, read: Read, now: datetime, failure: Failure) -> Settled | None:
        read.failure = failure
        if not failure.retry:
            return self._give_up(read, now, "no_retry")
        if read.attempts >= read.most_tries and failure.about != "box":
            return self._give_up(read, now, "tries")
        others = len(read.standing.way.lines) > 1
        next_try = now + wait_after(failure, read.attempts, self._dice, other_lines=others)
        if next_try >= read.until:
            return self._give_up(read, now, _why_at_last(read))
        self._schedule(read, next_try)
        return None

    def _give_up(self, read: Read, now: datetime, why: str) -> GivenUp:
        self.desk.remove(read)
        return self._settle(read, GivenUp(read, now, why))

    def _settle(self, read: Read, what: _What) -> _What:
        read.stage, read.next_try = Stage.SETTLED, None
        if read.request is not None:
            self._requests.pop(read.request.request_id, None)
        else:
            self._open.pop(read.meter, None)
            self._settled[read.meter] = max(self._settled.get(read.meter, read.due), read.due)
        return what

    def _push(self, when: datetime, what: Standing | Read | str) -> int:
        ticket = next(self._tickets)
        heappush(self._moments, (when, ticket, what))
        return ticket


def _same(before: Standing | None, after: Standing) -> Standing:
    """Return the standing that is known already, where nothing of it has changed."""
    return before if before is not None and before == after else after


def _need(standing: Standing) -> timedelta:
    return standing.longest or timedelta(0)


def _why_at_last(read: Read) -> str:
    """Say why a read is given up when its time is over."""
    return read.held_by or ("next_due" if read.until < read.deadline else "deadline")
