"""What is remembered of requests, durably: one call a step, so that a crash between two loses and doubles nothing.

    add        a message is taken: from now on it is a known one, and what it asks for will be done or was refused
    opened     the schedule has the read
    walking    the book of routes has the route
    settle     it is over; with the final answer
    sent       an answer is in the spool

An answer is composed once, with its id, and goes into the spool under that id, which the spool takes once.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import msgspec

from agent.requests.answer import Answer
from agent.requests.judging import MARGIN
from agent.requests.message import Authentic, Message
from agent.requests.walk import Walk
from agent.state_database import StateDatabase, StateFile

REQUESTS_FILE = "requests.sqlite"  # in the state directory
KEEP = timedelta(days=400)  # so long a transaction that comes again is known
MOST_KEPT = 100_000  # messages; beyond that none is taken, until old ones have expired

State = Literal["received", "open", "settled"]
_FILE = StateFile(
    called="the requests in",
    absent="there are no requests",
    lost="requests issued before now are refused",
    schemas=files("agent.requests") / "schemas",
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = timedelta(microseconds=1)
_KEPT = "number, jti, kid, received_at, body, owner, state, meter, deadline, due, content, walk"


@dataclass(frozen=True, slots=True)
class Kept:
    """One message as it is remembered."""

    number: int
    jti: str
    kid: str
    received_at: datetime
    message: Message | None  # None: it was not understood
    owner: bool  # of its transaction
    state: State
    meter: str | None  # name in the configuration
    deadline: datetime | None
    due: datetime | None  # which tells its read from every other of that meter
    content: str | None
    walk: Walk | None = None  # of a request with a route, once that is in the book


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of a message that is taken. Without a plan it is settled by its answer."""

    message: Message
    owner: bool
    meter: str | None = None
    deadline: datetime | None = None


class RequestStore:
    """The file. Used by one thread; every method raises `LocalTrouble` if the disk does not take part."""

    def __init__(self, path: Path, *, create: bool) -> None:
        self._database = StateDatabase(_FILE, path, create=create)

    def not_before(self, now: datetime) -> datetime:
        """Return from when on messages are remembered: `now` where this file is new."""
        with self._database.transaction("write") as db:
            db.execute("INSERT OR IGNORE INTO memory VALUES (1, ?)", (_seconds(now),))
            return _moment(db.execute("SELECT not_before FROM memory").fetchone()[0])

    def forget_before(self, at: datetime) -> None:
        """Take no message any more that was issued before `at`, as after a backup was put back."""
        with self._database.transaction("write") as db:
            query = "INSERT INTO memory VALUES (1, ?) ON CONFLICT DO UPDATE SET not_before = excluded.not_before"
            db.execute(query, (_seconds(at),))

    def known(self, jti: str) -> str | None:
        """Return the digest of what was signed with this `jti`; None for a new one."""
        with self._database.reading("read") as db:
            found = db.execute("SELECT payload FROM request WHERE jti = ?", (jti,)).fetchone()
        return None if found is None else str(found[0])

    def is_full(self) -> bool:
        """Return whether as many messages are remembered as may be."""
        with self._database.reading("read") as db:
            return int(db.execute("SELECT count(*) FROM request").fetchone()[0]) >= MOST_KEPT

    def owner_of(self, transaction_id: str) -> Kept | None:
        """Return the message that a transaction began with."""
        query = f"SELECT {_KEPT} FROM request WHERE transaction_id = ? AND owner = 1"  # noqa: S608
        with self._database.reading("read") as db:
            found = db.execute(query, (transaction_id,)).fetchone()
        return None if found is None else _kept(found)

    def open_reads(self, meter: str) -> tuple[int, int]:
        """Return how many reads are open: of all meters, and of this one."""
        query = (
            "SELECT count(*), coalesce(sum(meter = ?), 0) FROM request"
            " WHERE state <> 'settled' AND deadline IS NOT NULL AND owner = 1"
        )
        with self._database.reading("read") as db:
            total, of_meter = db.execute(query, (meter,)).fetchone()
        return int(total), int(of_meter)

    def waiting_octets(self) -> int:
        """Return how large all messages are that are still to be carried out."""
        with self._database.reading("read") as db:
            query = "SELECT coalesce(sum(length(body)), 0) FROM request WHERE state = 'received'"
            return int(db.execute(query).fetchone()[0])

    def add(
        self, envelope: Authentic, received_at: datetime, *, plan: Plan | None = None, answer: Answer | None = None
    ) -> None:
        """Take a message: with a plan it is to be carried out, with an answer it is settled by that."""
        message = plan.message if plan is not None else None
        row = (
            envelope.jti,
            envelope.kid,
            envelope.digest,
            envelope.expires,
            _seconds(received_at),
            None if message is None else message.transaction_id,
            None if message is None else message.content,
            None if message is None else msgspec.json.encode(message),
            int(plan is not None and plan.owner),
            "received" if answer is None else "settled",
            None if plan is None else plan.meter,
            None if plan is None or plan.deadline is None else _number(plan.deadline),
        )
        with self._database.transaction("write") as db:
            db.execute("INSERT INTO request VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)", row)
            if answer is not None:
                _put(db, answer)

    def to_do(self, state: Literal["received", "open"]) -> list[Kept]:
        """Return the messages in `state`, oldest first."""
        query = f"SELECT {_KEPT} FROM request WHERE state = ? ORDER BY number"  # noqa: S608
        with self._database.reading("read") as db:
            return list(map(_kept, db.execute(query, (state,))))

    def opened(self, kept: Kept, due: datetime, answer: Answer | None) -> None:
        """The schedule has the read of `kept`, under this moment; None: that was answered before."""
        with self._database.transaction("write") as db:
            db.execute("UPDATE request SET state = 'open', due = ? WHERE jti = ?", (_number(due), kept.jti))
            if answer is not None:
                _put(db, answer)

    def walking(self, kept: Kept, walk: Walk, answer: Answer) -> None:
        """The book of routes has the route of `kept`, which is not needed here any more."""
        with self._database.transaction("write") as db:
            changed = "UPDATE request SET state = 'open', walk = ?, body = ? WHERE jti = ?"
            db.execute(changed, (msgspec.json.encode(walk), _thin(kept), kept.jti))
            _put(db, answer)

    def note_walk(self, kept: Kept, walk: Walk) -> None:
        """Set down what is about to be done about a route."""
        with self._database.transaction("write") as db:
            db.execute("UPDATE request SET walk = ? WHERE jti = ?", (msgspec.json.encode(walk), kept.jti))

    def settle(self, kept: Kept, answer: Answer, *, disowned: bool = False) -> None:
        """It is over. `disowned`: its transaction does not count as asked for, and may be asked for again."""
        with self._database.transaction("write") as db:
            changed = "UPDATE request SET state = 'settled', owner = owner AND NOT ?, body = ? WHERE jti = ?"
            db.execute(changed, (disowned, _thin(kept), kept.jti))
            _put(db, answer)

    def newest_answer(self, jti: str) -> Answer | None:
        """Return what was last answered to a message."""
        with self._database.reading("read") as db:
            query = "SELECT body FROM answer WHERE jti = ? ORDER BY number DESC LIMIT 1"
            found = db.execute(query, (jti,)).fetchone()
        return None if found is None else msgspec.json.decode(found[0], type=Answer)

    def unsent(self, limit: int = 50) -> list[tuple[str, bytes]]:
        """Return answers (id, body) that the spool does not have yet, oldest first."""
        with self._database.reading("read") as db:
            query = "SELECT response_id, body FROM answer WHERE sent = 0 ORDER BY number LIMIT ?"
            return db.execute(query, (limit,)).fetchall()

    def sent(self, response_id: str) -> None:
        """The spool has an answer."""
        with self._database.transaction("write") as db:
            db.execute("UPDATE answer SET sent = 1 WHERE response_id = ?", (response_id,))

    def prune(self, now: datetime) -> None:
        """Forget messages that have expired for long, and transactions that are over for very long."""
        expired, old = _seconds(now - 2 * MARGIN), _seconds(now - KEEP)
        with self._database.transaction("prune") as db:
            db.execute(
                "DELETE FROM request WHERE state = 'settled' AND expires < ? AND (owner = 0 OR received_at < ?)"
                " AND NOT EXISTS (SELECT 1 FROM answer WHERE answer.jti = request.jti AND sent = 0)",
                (expired, old),
            )

    def newest(self, limit: int) -> list[tuple[Kept, Answer | None]]:
        """Return the newest messages with what was last answered, newest first."""
        query = f"SELECT {_KEPT} FROM request ORDER BY number DESC LIMIT ?"  # noqa: S608
        with self._database.reading("read") as db:
            found = list(map(_kept, db.execute(query, (limit,))))
        return [(kept, self.newest_answer(kept.jti)) for kept in found]

    def close(self) -> None:
        self._database.close()


def _put(db: sqlite3.Connection, answer: Answer) -> None:
    row = (answer.response_id, answer.jti, answer.outcome, msgspec.json.encode(answer))
    db.execute("INSERT INTO answer VALUES (NULL, ?, ?, ?, ?, 0)", row)


def _thin(kept: Kept) -> bytes | None:
    return None if kept.message is None else msgspec.json.encode(kept.message.thin)


def _kept(row: tuple[Any, ...]) -> Kept:
    number, jti, kid, received_at, body, owner, state, meter, deadline, due, content, walk = row
    return Kept(
        number=number,
        jti=jti,
        kid=kid,
        received_at=_moment(received_at),
        message=None if body is None else msgspec.json.decode(body, type=Message),
        owner=bool(owner),
        state=state,
        meter=meter,
        deadline=None if deadline is None else _EPOCH + deadline * _INSTANT,
        due=None if due is None else _EPOCH + due * _INSTANT,
        content=content,
        walk=None if walk is None else msgspec.json.decode(walk, type=Walk),
    )


def _seconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(seconds=1)


def _number(at: datetime) -> int:
    return (at - _EPOCH) // _INSTANT


def _moment(seconds: int) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)
