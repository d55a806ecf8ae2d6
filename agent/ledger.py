"""The ledger of reads: which were expected, what came of them, and when the MDSP had them. The source of the figures.

One file of JSON lines a day (UTC, of the moment at which a read fell due), only ever appended to, on the disk when a
call returns. A line that a crash tore is passed over. Trouble with the disk is logged: no reading waits for it.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import msgspec

from agent.config import MeterSection
from agent.durable_file import sync_directory
from agent.errors import ClockForbids, LocalTrouble, VisitTooLong
from agent.ledger_lines import (
    Acknowledged,
    Asked,
    Came,
    Entry,
    Failed,
    GivenUp,
    Line,
    Reported,
    Roster,
    Scheduled,
    folded,
)
from agent.order import Order
from agent.reading import Reading
from agent.scheduling.cycle import Calendar, Cycle, Grid
from agent.spool import Spool
from drivers.errors import (
    DataError,
    LineLost,
    LineTooBad,
    MeterRefused,
    MeterSilent,
    MrspError,
    ProtocolError,
    TransportError,
    UsageError,
)
from drivers.transport.call_errors import CallError

LEDGER = "ledger"  # the directory's name among the agent's state
MOST_DAYS = 400
MOST_OCTETS = 67_108_864  # some 100,000 reads a year of 400 octets; the oldest days go first
LONGEST_LINE = 1_048_576  # a roster of a thousand meters takes a tenth of it
LOOK_BACK = 40  # days with reads, for readings that the MDSP had not
AT_ONCE = 1_000  # readings asked for in one query

#: Why an attempt brought no reading: the first class that fits. The words are those of the performance report.
REASONS: tuple[tuple[type[MrspError], str], ...] = (
    (MeterSilent, "silent"),
    (LineLost, "line_lost"),
    (TransportError, "no_connection"),
    (LineTooBad, "line_too_bad"),
    (ProtocolError, "protocol"),
    (MeterRefused, "refused"),
    (DataError, "data"),
    (ClockForbids, "clock"),
    (LocalTrouble, "local_trouble"),
    (UsageError, "configuration"),
    (VisitTooLong, "too_long"),
)

_DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)
_log = logging.getLogger(__name__)
_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def reason_of(error: BaseException) -> str:
    """Return in one word why an attempt failed."""
    if isinstance(error, CallError):
        return error.kind.replace("-", "_")
    return next((word for kind, word in REASONS if isinstance(error, kind)), "other")


def lacking_of(reading: Reading, broken: Exception | None) -> str | None:
    """Return in one word why `reading` is no actual read of what was expected; None if it is one."""
    failed = {check.check for check in reading.checks if check.outcome in {"fail", "verified"}}
    if "meter_id_internal" in failed:
        return "wrong_meter"
    if broken is not None:
        return "incomplete"
    return "clock" if "agent_clock" in failed else None


def roster_of(meters: Iterable[MeterSection], cycles: Mapping[str, Cycle] | None = None) -> list[Scheduled]:
    """Return the meters of a configuration as the ledger expects their reads.

    `cycles`: by name, where a meter's own keys do not say all of it.
    """
    return [_scheduled(meter, (cycles or {}).get(meter.name)) for meter in meters]


def _scheduled(meter: MeterSection, cycle: Cycle | None) -> Scheduled:
    cycle = cycle or Grid(meter.period, meter.offset)
    site = meter.site
    if isinstance(cycle, Calendar):
        when = Scheduled(meter.name, cycle=cycle.text, zone=str(cycle.zone))
    elif isinstance(cycle, Grid):
        when = Scheduled(meter.name, int(cycle.every.total_seconds()), int(cycle.offset.total_seconds()))
    else:
        raise TypeError(f"the ledger knows no such cycle: {cycle.words()}")
    return msgspec.structs.replace(
        when, account=site.account_id, first_cycle_until=site.first_cycle_until, purpose=meter.purpose
    )


class Ledger:
    """The ledger in `directory`, made if missing. Several processes may append; each line goes in one piece."""

    def __init__(self, directory: Path, *, most_days: int = MOST_DAYS, most_octets: int = MOST_OCTETS) -> None:
        self._directory = directory
        self._most_days = most_days
        self._most_octets = most_octets
        self._roster: Roster | None = None
        self._waiting: dict[str, datetime] | None = None

    async def begin(self, meters: Sequence[Scheduled], at: datetime) -> None:
        """Set down which meters this agent reads by itself from `at` on, and let go of days beyond the bounds."""
        self._roster = Roster(at, tuple(meters))
        await self._append(at, self._roster)
        try:
            await asyncio.to_thread(self._prune)
            await self.waiting()
        except (OSError, LocalTrouble) as error:
            _log.error("the ledger in %s cannot be tended: %s", self._directory, error)

    async def asked(self, meter: str, order: Order, at: datetime) -> None:
        """Set down that a read out of the cycle was requested; `order.requested_at`, else `at`, is when."""
        due = order.requested_at or at
        site = order.site
        await self._append(due, Asked(meter, due, order.purpose, site.account_id, site.first_cycle_until))

    async def given_up(self, meter: str, due: datetime, at: datetime, reason: str, why: str) -> None:
        """Set down that the read that fell due at `due` is not tried again. `reason`: of the last attempt, if any."""
        await self._append(due, GivenUp(meter, due, at, reason, why))

    async def failed(self, meter: str, due: datetime, at: datetime, error: BaseException) -> None:
        """Set down that an attempt at the read that fell due at `due` brought no reading."""
        await self._append(due, Failed(meter, due, at, reason_of(error)))

    async def came(self, meter: str, due: datetime, reading: Reading, broken: Exception | None = None) -> None:
        """Set down that a reading came of it. To be called before the reading goes into the spool.

        One whose time is not known counts as read when it fell due.
        """
        at = datetime.fromisoformat(reading.read_finished_at) if reading.read_finished_at else due
        await self._append(due, Came(meter, due, at, reading.reading_id, lacking_of(reading, broken)))
        if self._waiting is not None:
            self._waiting[reading.reading_id] = due

    async def reported(self, day: date, at: datetime) -> None:
        """Set down that the performance report of `day` is in the spool."""
        await self._append(datetime.combine(day, time(), UTC), Reported(day, at))

    async def note_acknowledged(self, spool: Spool) -> int:
        """Set down which readings the MDSP has since; return how many. Raises `LocalTrouble` of the spool.

        The spool forgets what was delivered after ten thousand documents: to be called several times a day.
        """
        waiting = await self.waiting()
        found = await acknowledged_of(spool, waiting)
        by_day: dict[date, list[Acknowledged]] = {}
        for reading_id, at in found.items():
            line = Acknowledged(reading_id, waiting.pop(reading_id), at)
            by_day.setdefault(line.due.astimezone(UTC).date(), []).append(line)
        for lines in by_day.values():
            await self._append(lines[0].due, *lines)
        return len(found)

    async def waiting(self) -> dict[str, datetime]:
        """Return the readings that the ledger does not know to be acknowledged, with when they fell due.

        Of the last forty days that it tells of; the files are looked through once, then it is kept up to date.
        """
        if self._waiting is None:
            self._waiting = await asyncio.to_thread(self._look_for_waiting)
        return self._waiting

    def entries(self, begin: datetime, end: datetime) -> Iterator[Entry]:
        """Yield the reads that fell due after `begin` up to and including `end`; one day in memory at a time."""
        days = list(_days(begin, end))
        before = self._roster_before(days[0]) if days else None
        for day in days:
            lines = list(self._lines(day))
            start = datetime.combine(day, time(), UTC)
            yield from folded(lines, max(begin, start - _INSTANT), min(end, start + _DAY - _INSTANT), before)
            before = next((line for line in reversed(lines) if isinstance(line, Roster)), before)

    def first_day(self) -> date | None:
        """Return the oldest day that the ledger tells of; None if it is empty."""
        return next((day for day, _path in self._files()), None)

    def last_reported(self) -> date | None:
        """Return the newest day whose report is in the spool."""
        for day, _path in reversed(self._files()):
            if any(isinstance(line, Reported) for line in self._lines(day)):
                return day
        return None

    async def _append(self, due: datetime, *lines: Line) -> None:
        day = due.astimezone(UTC).date()
        try:
            await asyncio.to_thread(self._write, day, lines)
        except OSError as error:
            _log.error("the ledger in %s does not take a line of %s: %s", self._directory, day, error.strerror)

    def _write(self, day: date, lines: Iterable[Line]) -> None:
        path = self._path(day)
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = not path.exists()
        if new and self._roster is not None and self._roster not in lines:
            lines = (self._roster, *lines)  # each day can be understood without those before it
        text = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                text = b"\n" + text  # behind a line that was torn
            if os.write(descriptor, text) != len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        if new:
            sync_directory(self._directory)

    def _lines(self, day: date) -> Iterator[Line]:
        """Yield what can be read of a day, in order."""
        try:
            with self._path(day).open("rb") as file:
                while text := file.readline(LONGEST_LINE):
                    if not text.isspace() and (line := self._decoded(day, text)) is not None:
                        yield line
        except FileNotFoundError:
            return
        except OSError as error:
            advice = "check the disk; the other days are not concerned"
            raise LocalTrouble(f"the ledger of {day} cannot be read: {error.strerror}", advice=advice) from error

    def _decoded(self, day: date, text: bytes) -> Line | None:
        try:
            return _decoder.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.warning("the ledger of %s has a line that cannot be read: %s", day, error)
            return None

    def _look_for_waiting(self) -> dict[str, datetime]:
        waiting: dict[str, datetime] = {}
        for day, _path in self._files()[-LOOK_BACK:]:
            for line in self._lines(day):
                if isinstance(line, Came):
                    waiting[line.reading_id] = line.due
                elif isinstance(line, Acknowledged):
                    waiting.pop(line.reading_id, None)
        return waiting

    def _roster_before(self, day: date) -> Roster | None:
        for earlier, _path in reversed([found for found in self._files() if found[0] < day]):
            rosters = [line for line in self._lines(earlier) if isinstance(line, Roster)]
            if rosters:
                return rosters[-1]
        return None

    def _prune(self) -> None:
        files = self._files()
        sizes = [path.stat().st_size for _day, path in files]
        while len(files) > 1 and (len(files) > self._most_days or sum(sizes) > self._most_octets):
            files.pop(0)[1].unlink(missing_ok=True)
            sizes.pop(0)

    def _files(self) -> list[tuple[date, Path]]:
        found = []
        for path in self._directory.glob("????-??-??.jsonl"):
            try:
                found.append((date.fromisoformat(path.stem), path))
            except ValueError:
                continue  # not ours
        return sorted(found)

    def _path(self, day: date) -> Path:
        return self._directory / f"{day.isoformat()}.jsonl"


async def acknowledged_of(spool: Spool, readings: Collection[str]) -> dict[str, datetime]:
    """Return which of `readings` the MDSP has acknowledged, and when, as far as the spool remembers."""
    found: dict[str, datetime] = {}
    ids = list(readings)
    for first in range(0, len(ids), AT_ONCE):
        found |= await spool.acknowledged(ids[first : first + AT_ONCE])
    return found


def _days(begin: datetime, end: datetime) -> Iterator[date]:
    day, last = begin.astimezone(UTC).date(), end.astimezone(UTC).date()
    while day <= last:
        yield day
        day += _DAY
