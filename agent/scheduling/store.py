"""What became of each due time, durably: one call a step, so that a crash between two loses and doubles nothing.

    begin      an attempt begins: it is counted, whatever happens to it
    came       a reading with this id is about to go into the spool (on the disk before it does)
    failed     the attempt brought none that is whole
    settle     done, given up or missed

After a crash an attempt that had begun is one that failed, unless its reading `came` and the spool has it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import msgspec

from agent.order import Order, Purpose
from agent.schedule import EPOCH
from agent.scheduling.reads import Done, Missed, Read, Request, Settled
from agent.state_database import StateDatabase, StateFile

SCHEDULE_FILE = "schedule.sqlite"  # in the state directory
KEEP = timedelta(days=3)  # what is settled, for a look back; the newest of each meter stays
KEEP_REQUESTS = timedelta(days=400)  # so long a request that comes again is known
MOST_KEPT = 50_000
LONGEST_DETAIL = 500

State = Literal["visiting", "came", "waiting", "done", "given_up", "missed"]
_FILE = StateFile(
    called="the schedule",
    absent="there is no schedule",
    lost="reads of today may be made again",
    schemas=files("agent.scheduling") / "schemas",
    through_power_cuts=False,
)
_READ = (
    "meter, due, request_id, state, until, attempts, at, next_try, why, reason, detail, reading_id, whole, first_due,"
    " missed"
)
_REQUEST = "request_id, meter, purpose, requested_at, requested_by, deadline, work_order, settled_at"


@dataclass(frozen=True, slots=True)
class Row:
    """One read as it is kept."""

    meter: str
    due: datetime
    request_id: str | None
    state: State
    until: datetime
    attempts: int
    at: datetime  # of the last change
    next_try: datetime | None
    why: str
    reason: str
    detail: str
    reading_id: str | None
    whole: bool
    first_due: datetime | None
    missed: int


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything that a start needs."""

    cursors: Mapping[str, datetime]
    open: tuple[Row, ...]
    requests: tuple[Request, ...]
    calls: Mapping[str, tuple[datetime, ...]]


class ScheduleStore:
    """The schedule's file. Used by one thread; every method raises `LocalTrouble` if the disk does not take part."""

    def __init__(self, path: Path, *, create: bool) -> None:
        self._database = StateDatabase(_FILE, path, create=create)

    def load(self) -> Kept:
        """Return what is open, up to where everything is settled, and whom we called."""
        with self._database.reading("read") as db:
            cursors = {meter: _moment(at) for meter, at in db.execute("SELECT meter, settled FROM meter")}
            query = f"SELECT {_READ} FROM read WHERE state IN ('visiting', 'came', 'waiting')"  # noqa: S608
            rows = tuple(map(_row, db.execute(query)))
            calls: dict[str, tuple[datetime, ...]] = {}
            for number, at in db.execute("SELECT number, at FROM call ORDER BY at"):
                calls[number] = (*calls.get(number, ()), _moment(at))
            return Kept(cursors, rows, tuple(_open_requests(db)), calls)

    def set_cursors(self, cursors: Mapping[str, datetime]) -> None:
        """Set from when on meters are read, or back to when: what is after that is forgotten."""
        with self._database.transaction("write") as db:
            for meter, at in cursors.items():
                db.execute("INSERT OR REPLACE INTO meter VALUES (?, ?)", (meter, _number(at)))
                db.execute("DELETE FROM read WHERE meter = ? AND request_id IS NULL AND due > ?", (meter, _number(at)))

    def begin(self, read: Read, at: datetime) -> None:
        """Set down that an attempt begins, and the call."""
        with self._database.transaction("write") as db:
            _put(db, read, "visiting", at)
            if read.standing.way.number is not None and read.line:
                db.execute("INSERT OR IGNORE INTO call VALUES (?, ?)", (read.standing.way.number, _number(at)))

    def came(self, read: Read, at: datetime, reading_id: str, *, whole: bool) -> None:
        """Set down which reading is about to go into the spool. On the disk on return."""
        with self._database.transaction("write", through_power_cuts=True) as db:
            _put(db, read, "came", at, reading_id=reading_id, whole=whole)

    def failed(self, read: Read, at: datetime, calls: Iterable[datetime] | None = None) -> None:
        """Set down why an attempt failed and when the next is. `calls`: those of its number that count."""
        with self._database.transaction("write") as db:
            _put(db, read, "waiting", at)
            _set_calls(db, read, calls)

    def settle(self, settled: Iterable[Settled]) -> None:
        """Set down what was done, given up or missed."""
        with self._database.transaction("write") as db:
            for one in settled:
                _settle(db, one)

    def note_done(self, meter: str, due: datetime, at: datetime, reading_id: str) -> None:
        """Set down that a reading counts for a due time, though it was not made for it."""
        row = (meter, _number(due), _number(at), _number(at), reading_id)
        with self._database.transaction("write") as db:
            db.execute(
                f"INSERT OR REPLACE INTO read ({_READ}) VALUES"  # noqa: S608
                " (?, ?, NULL, 'done', ?, 1, ?, NULL, '', '', '', ?, 1, NULL, 0)",
                row,
            )
            _close(db, meter, due, None, at)

    def refuse(self, request: Request, at: datetime, why: str) -> None:
        """Set down that a request is given up without an attempt."""
        row = (request.meter, _number(request.requested_at), request.request_id, _number(at), _number(at), why, why)
        with self._database.transaction("write") as db:
            db.execute(
                f"INSERT OR REPLACE INTO read ({_READ}) VALUES"  # noqa: S608
                " (?, ?, ?, 'given_up', ?, 0, ?, NULL, ?, ?, '', NULL, 0, NULL, 0)",
                row,
            )
            _close(db, request.meter, request.requested_at, request.request_id, at)

    def close_rows(self, done: Iterable[Row], given_up: Iterable[tuple[Row, str]], at: datetime) -> None:
        """Set down what became of reads that an earlier run of the program left open."""
        changed = "UPDATE read SET state = ?, why = ?, reason = ?, at = ? WHERE meter = ? AND due = ?"
        with self._database.transaction("write") as db:
            closed = [(row, "done", "") for row in done] + [(row, "given_up", why) for row, why in given_up]
            for row, state, why in closed:
                reason = "" if state == "done" else row.reason or why
                db.execute(changed, (state, why, reason, _number(at), row.meter, _number(row.due)))
                _close(db, row.meter, row.due, row.request_id, at)

    def ask(self, request: Request) -> Request:
        """Take a request, durably; return it as it is kept: that of the first time, if it was asked before.

        Its moment tells it from every other read of its meter, and so has a fraction of a second, which no due time
        has.
        """
        with self._database.transaction("write", through_power_cuts=True) as db:
            query = f"SELECT {_REQUEST} FROM request WHERE request_id = ?"  # noqa: S608
            if (found := db.execute(query, (request.request_id,)).fetchone()) is not None:
                return _request(found)
            at = max(_number(request.requested_at), 1)
            taken = "SELECT 1 FROM request WHERE meter = ? AND requested_at = ?"
            while at % 1_000_000 == 0 or db.execute(taken, (request.meter, at)).fetchone():
                at += 1
            kept = msgspec.structs.replace(request.order, requested_at=_moment(at))
            row = (
                request.request_id,
                request.meter,
                request.purpose,
                at,
                request.requested_by,
                _number(request.deadline),
                msgspec.json.encode(kept),
            )
            db.execute(f"INSERT INTO request ({_REQUEST}) VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", row)  # noqa: S608
            return _request((*row, None))

    def requests(self) -> tuple[Request, ...]:
        """Return the requests that are open, oldest first."""
        with self._database.reading("read") as db:
            return tuple(_open_requests(db))

    def requests_since(self, since: datetime) -> tuple[Request, ...]:
        """Return the requests that are open or were settled since then, oldest first."""
        query = f"SELECT {_REQUEST} FROM request WHERE settled_at IS NULL OR settled_at >= ? ORDER BY requested_at"  # noqa: S608
        with self._database.reading("read") as db:
            return tuple(map(_request, db.execute(query, (_number(since),)).fetchall()))

    def row(self, meter: str, due: datetime) -> Row | None:
        """Return what became of one read so far; None if it was not tried yet, or is long settled."""
        query = f"SELECT {_READ} FROM read WHERE meter = ? AND due = ?"  # noqa: S608
        with self._database.reading("read") as db:
            found = db.execute(query, (meter, _number(due))).fetchone()
        return None if found is None else _row(found)

    def rows(self, since: datetime) -> list[Row]:
        """Return the reads that changed since then or are open, and the newest of each meter, oldest first."""
        query = (
            f"SELECT {_READ} FROM read WHERE at >= ? OR state IN ('visiting', 'came', 'waiting') OR due ="  # noqa: S608
            " (SELECT settled FROM meter WHERE meter.meter = read.meter) ORDER BY due, meter"
        )
        with self._database.reading("read") as db:
            return list(map(_row, db.execute(query, (_number(since),))))

    def prune(self, now: datetime) -> None:
        """Let go of what is long settled."""
        settled = "state IN ('done', 'given_up', 'missed')"
        not_newest = "due < coalesce((SELECT settled FROM meter WHERE meter.meter = read.meter), due + 1)"
        with self._database.transaction("prune") as db:
            db.execute("DELETE FROM call WHERE at < ?", (_number(now - timedelta(days=1)),))
            db.execute("DELETE FROM request WHERE settled_at < ?", (_number(now - KEEP_REQUESTS),))
            old = f"DELETE FROM read WHERE {settled} AND at < ? AND {not_newest}"  # noqa: S608
            db.execute(old, (_number(now - KEEP),))
            beyond = db.execute("SELECT count(*) FROM read").fetchone()[0] - MOST_KEPT
            if beyond > 0:
                oldest = f"SELECT meter, due FROM read WHERE {settled} AND {not_newest} ORDER BY at LIMIT ?"  # noqa: S608
                db.execute(f"DELETE FROM read WHERE (meter, due) IN ({oldest})", (beyond,))  # noqa: S608

    def version_seen(self) -> int:
        """Return a number that changes when another process has written."""
        return self._database.version_seen()

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _put(
    db: sqlite3.Connection,
    read: Read,
    state: State,
    at: datetime,
    *,
    reading_id: str | None = None,
    whole: bool = False,
) -> None:
    failure = read.failure
    db.execute(
        f"INSERT OR REPLACE INTO read ({_READ}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?, ?, ?, NULL, 0)",  # noqa: S608
        (
            read.meter,
            _number(read.due),
            None if read.request is None else read.request.request_id,
            state,
            _number(read.until),
            read.attempts,
            _number(at),
            None if read.next_try is None else _number(read.next_try),
            "" if failure is None else failure.reason,
            "" if failure is None else failure.detail[:LONGEST_DETAIL],
            reading_id,
            int(whole),
        ),
    )


def _settle(db: sqlite3.Connection, one: Settled) -> None:
    if isinstance(one, Missed):
        row = (one.meter, _number(one.last), _number(one.last), _number(one.at), _number(one.first), one.count)
        db.execute(
            f"INSERT OR REPLACE INTO read ({_READ}) VALUES"  # noqa: S608
            " (?, ?, NULL, 'missed', ?, 0, ?, NULL, '', 'not_attempted', '', NULL, 0, ?, ?)",
            row,
        )
        _advance(db, one.meter, one.last)
        return
    read = one.read
    if isinstance(one, Done):
        _put(db, read, "done", one.at, reading_id=one.reading_id, whole=True)
    else:
        _put(db, read, "given_up", one.at)
        told = (one.why, one.reason, one.detail[:LONGEST_DETAIL], read.meter, _number(read.due))
        db.execute("UPDATE read SET why = ?, reason = ?, detail = ? WHERE meter = ? AND due = ?", told)
    _close(db, read.meter, read.due, None if read.request is None else read.request.request_id, one.at)


def _close(db: sqlite3.Connection, meter: str, due: datetime, request_id: str | None, at: datetime) -> None:
    if request_id is None:
        _advance(db, meter, due)
    else:
        db.execute("UPDATE request SET settled_at = ? WHERE request_id = ?", (_number(at), request_id))


def _advance(db: sqlite3.Connection, meter: str, due: datetime) -> None:
    query = "INSERT INTO meter VALUES (?, ?) ON CONFLICT DO UPDATE SET settled = max(settled, excluded.settled)"
    db.execute(query, (meter, _number(due)))


def _set_calls(db: sqlite3.Connection, read: Read, calls: Iterable[datetime] | None) -> None:
    number = read.standing.way.number
    if number is not None and calls is not None:
        db.execute("DELETE FROM call WHERE number = ?", (number,))
        db.executemany("INSERT OR IGNORE INTO call VALUES (?, ?)", [(number, _number(at)) for at in calls])


def _open_requests(db: sqlite3.Connection) -> Iterable[Request]:
    query = f"SELECT {_REQUEST} FROM request WHERE settled_at IS NULL ORDER BY requested_at, request_id"  # noqa: S608
    return map(_request, db.execute(query).fetchall())


def _request(row: tuple[str, str, Purpose, int, str, int, bytes, int | None]) -> Request:
    request_id, meter, purpose, requested_at, requested_by, deadline, order, _settled_at = row
    return Request(
        request_id,
        meter,
        purpose,
        _moment(requested_at),
        requested_by,
        _moment(deadline),
        msgspec.json.decode(order, type=Order),
    )


def _row(row: tuple[Any, ...]) -> Row:
    meter, due, request_id, state, until, attempts, at, next_try, *words, reading_id, whole, first, missed = row
    why, reason, detail = words
    return Row(
        meter=meter,
        due=_moment(due),
        request_id=request_id,
        state=state,
        until=_moment(until),
        attempts=attempts,
        at=_moment(at),
        next_try=None if next_try is None else _moment(next_try),
        why=why,
        reason=reason,
        detail=detail,
        reading_id=reading_id,
        whole=bool(whole),
        first_due=None if first is None else _moment(first),
        missed=missed,
    )


def _number(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def _moment(number: int) -> datetime:
    return EPOCH + timedelta(microseconds=number)
