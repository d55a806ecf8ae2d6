"""A town of meters in virtual time: real schedule files, lines that break, a power that fails at any step."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from agent.lines import Way
from agent.order import Order
from agent.scheduling.agenda import Agenda, Limits
from agent.scheduling.cycle_text import parse_cycle
from agent.scheduling.reads import Done, GivenUp, Missed, Read, Request, Settled, Standing
from agent.scheduling.retry import Failure
from agent.scheduling.store import ScheduleStore
from agent.scheduling.taking_up import take_up
from agent.scheduling.window import parse_window

DENVER = ZoneInfo("America/Denver")
BEGIN = datetime(2026, 3, 6, 5, tzinfo=UTC)
EVERY_DAY = frozenset(range(7))
T = TypeVar("T")

SILENT = Failure("silent", "nothing answered", retry=True)
BUSY = Failure("busy", "BUSY", retry=True, about="number", wait_s=120)
NO_ANSWER = Failure("no_answer", "NO ANSWER", retry=True, about="number", wait_s=900)
DEAD_LINE = Failure("no_dial_tone", "NO DIALTONE", retry=True, about="line", wait_s=600)
REFUSED = Failure("refused", "the meter refused", retry=False)


def seeded(seed: int = 1) -> random.Random:
    """Return chance that is the same every time."""
    return random.Random(seed)  # noqa: S311 - no secret


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def standing(
    meter: str = "m",
    cycle: str = "daily at 00:15",
    way: Way | None = None,
    window: str | None = None,
    longest_s: int | None = None,
) -> Standing:
    return Standing(
        meter,
        parse_cycle(cycle, DENVER),
        way or Way(f"line {meter}", (f"line {meter}",)),
        DENVER,
        None if window is None else parse_window(window, EVERY_DAY, DENVER),
        longest=None if longest_s is None else timedelta(seconds=longest_s),
    )


def asked_for(meter: str = "m", request_id: str = "t-1", at: datetime = BEGIN, days: int = 5) -> Request:
    deadline = at + timedelta(days=days)
    order = Order(url="x:", order_id=request_id, purpose="final")
    return Request(request_id, meter, "final", at, "the MDSP", deadline, order)


class PowerFails(Exception):
    """At this instant."""


@dataclass
class Town:
    """Meters, their lines, the spool, and what the schedule did with them. Checks every promise as it goes."""

    path: Path
    standings: list[Standing]
    limits: Limits
    dice: random.Random
    fault: Callable[[Read, datetime], Failure | None]  # of the visit that begins now; None: a reading
    length_s: Callable[[Read], float]
    now: datetime = BEGIN
    crash_share: float = 0.0  # of the steps
    spool: dict[str, tuple[str, datetime]] = field(default_factory=dict)  # reading id → meter, due
    given_up: dict[tuple[str, datetime], str] = field(default_factory=dict)
    missed: Counter[str] = field(default_factory=Counter)
    visits: int = 0
    crashes: int = 0
    longest_wait: dict[str, timedelta] = field(default_factory=dict)
    begun: list[tuple[datetime, Read]] = field(default_factory=list)
    on_line: dict[str, Read] = field(default_factory=dict)
    last_call: dict[str, datetime] = field(default_factory=dict)
    calls: dict[str, list[datetime]] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    number: count[int] = field(default_factory=lambda: count(1))

    def run(self, until: datetime) -> None:
        """Let time pass; after every power failure the agent starts again a little later."""
        while self.now < until:
            try:
                self._run(until)
            except PowerFails:
                self.crashes += 1
                self.on_line.clear()
                self.now += timedelta(seconds=self.dice.expovariate(1 / 600))

    def _run(self, until: datetime) -> None:
        store = ScheduleStore(self.path, create=True)
        try:
            agenda = Agenda(self.standings, self.limits, self.dice, self.now, {})
            kept = store.load()
            fixes = take_up(agenda, kept, self.now, self.spool)
            self.step(store.set_cursors, fixes.cursors)
            self.step(store.close_rows, fixes.done, fixes.given_up, self.now)
            for row, why in fixes.given_up:
                self.given_up.setdefault((row.meter, row.due), why)
            for request in self.asked:
                self.step(store.ask, request)  # again and again, as somebody does who heard no answer
            for request in store.requests():
                agenda.add(request, self.now)
            self._live(agenda, store, until)
        finally:
            store.close()

    def _live(self, agenda: Agenda, store: ScheduleStore, until: datetime) -> None:
        ends: list[tuple[datetime, int, Read, Failure | None]] = []
        while self.now < until:
            self.settle(store, agenda.advance(self.now))
            while (read := agenda.start(self.now)) is not None:
                self.check_start(read, len(ends))
                self.step(store.begin, read, self.now)
                self.note_start(read)
                end = self.now + timedelta(seconds=self.length_s(read))
                if read.ends_by is not None:
                    end = min(end, read.ends_by)
                heapq.heappush(ends, (end, next(self.number), read, self.fault(read, self.now)))
            moments = [when for when in (agenda.wake_at(), ends[0][0] if ends else None) if when is not None]
            self.now = max(self.now, min([*moments, until]))
            while ends and ends[0][0] <= self.now:
                _end, _number, read, failure = heapq.heappop(ends)
                self.finish(agenda, store, read, failure)

    def finish(self, agenda: Agenda, store: ScheduleStore, read: Read, failure: Failure | None) -> None:
        """End a visit as the agent does: the schedule knows of the reading before the spool does."""
        self.check_end(read, failure)
        result: str | Failure
        if failure is None:
            result = f"r-{next(self.number)}"
            self.step(store.came, read, self.now, result, whole=True)
            self.step(self.spool.__setitem__, result, (read.meter, read.due))
        else:
            result = failure
        settled = agenda.ended(read, self.now, result)
        if not any(isinstance(one, Done | GivenUp) and one.read is read for one in settled):
            number = read.standing.way.number
            self.step(store.failed, read, self.now, agenda.numbers.calls(number) if number else ())
        self.settle(store, settled)

    def settle(self, store: ScheduleStore, settled: Iterable[Settled]) -> None:
        for one in settled:
            if isinstance(one, Missed):
                self.missed[one.meter] += one.count
            if isinstance(one, GivenUp):
                self.given_up[one.read.meter, one.read.due] = one.reason  # told first, and perhaps twice
            self.step(store.settle, [one])

    def step(self, function: Callable[..., T], *args: object, **kwargs: object) -> T:
        """Do one durable thing; the power may fail before or after it."""
        if self.crash_share and self.dice.random() < self.crash_share:
            raise PowerFails
        done = function(*args, **kwargs)
        if self.crash_share and self.dice.random() < self.crash_share:
            raise PowerFails
        return done

    def check_start(self, read: Read, under_way: int) -> None:
        way, window = read.standing.way, read.standing.window
        self.visits += 1
        self.begun.append((self.now, read))
        assert under_way < self.limits.sessions
        assert read.line in way.lines
        assert read.line not in self.on_line, f"{read.line} is used twice"
        assert read.due <= self.now < read.until
        if window is not None:
            room = window.room(self.now, read.standing.longest or timedelta(0))
            assert room is not None
            assert room.begin == self.now, f"{read.meter} is called at {self.now}, outside {window.words()}"
        if way.number is not None:
            last = self.last_call.get(way.number)
            assert last is None or self.now - last >= self.limits.call_gap, f"{way.number} is called again too soon"
            recent = [call for call in self.calls.get(way.number, []) if self.now - call < timedelta(days=1)]
            assert len(recent) < self.limits.calls_per_day
            self.calls[way.number] = recent

    def note_start(self, read: Read) -> None:
        self.on_line[read.line] = read
        if (number := read.standing.way.number) is not None:
            self.calls[number].append(self.now)
            self.last_call[number] = self.now

    def check_end(self, read: Read, failure: Failure | None) -> None:
        del self.on_line[read.line]
        window, way = read.standing.window, read.standing.way
        if window is not None:
            assert any(span.begin < self.now <= span.end for span in window.spans(self.now - timedelta(seconds=1)))
        if way.number is not None and failure is not None and failure.about == "line":
            self.calls[way.number].pop()  # it was not called after all
            self.last_call.pop(way.number)
        elif way.number is not None:
            self.last_call[way.number] = self.now

    def check(self, until: datetime) -> None:
        """Every due time was read once, or given up with a reason, or missed; or it is still open."""
        store = ScheduleStore(self.path, create=False)
        open_rows = {(row.meter, row.due) for row in store.load().open}
        store.close()
        read = Counter(self.spool.values())
        assert all(times == 1 for times in read.values()), [key for key, times in read.items() if times > 1]
        assert all(reason for reason in self.given_up.values())
        for one in self.standings:
            due, unseen = one.cycle.after(BEGIN), 0
            while due is not None and due <= until:
                key = (one.meter, due)
                unseen += key not in read and key not in self.given_up and key not in open_rows and due < until - DAY
                due = one.cycle.after(due)
            assert unseen <= self.missed[one.meter], f"{one.meter}: {unseen} due times are lost"


DAY = timedelta(days=1)
