"""What happens to requests, each step one transaction: durable on return, once however often it comes.

A job is on the disk before its message is sent, so a message that may have been sent is always known. Who finds a job
open waits for its reply and pages nobody; what answers none is put into quarantine.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from drivers.pager.jobs_file import JobFile
from drivers.pager.jobs_intake import MOST_QUARANTINED, Incoming, received
from drivers.pager.jobs_rows import EPOCH, advance, at, found, job, ms, quarantined
from drivers.pager.jobs_states import OPEN, HeldBack, Job, Limits, Page, Quarantined, State, Taken
from drivers.pager.wctp_values import Message, Unusable

FILE = "pager.sqlite"
KEEP = timedelta(days=90)  # replies are evidence for as long as a bill is usually disputed
SKEW = timedelta(hours=1)  # a job from further in the future is of a clock that was wrong
MOST_SLOWED_MS = 3_600_000
_OPEN = "state IN ({})".format(", ".join(f"'{state}'" for state in OPEN))


class JobStore:
    """The requests of one box. Every method is one transaction; all raise `StoreTrouble`. `now` is aware UTC."""

    def __init__(self, directory: Path) -> None:
        """Open the store in `directory`, made if missing."""
        self.directory = directory
        self._file = JobFile(directory / FILE)

    def close(self) -> None:
        self._file.close()

    def begin(self, page: Page, limits: Limits, now: datetime) -> tuple[Job, bool] | HeldBack:
        """Return the job to go on with, and whether it is new and its message to be sent.

        That is, in this order: a reply that was asked for lately, a request under way, a new one if the limits allow.
        """
        with self._file.transaction("begin") as db:
            _expire(db, now)
            earlier = _reusable(db, page, limits, now) or _under_way(db, page, now)
            if earlier is not None:
                return earlier, False
            held = _held_back(db, page, limits, now)
            if held is not None:
                return held
            db.execute("DELETE FROM jobs WHERE created_at < ?", (ms(now - KEEP),))
            return _insert(db, page, now), True

    def owes(self, page: Page, limits: Limits, now: datetime) -> bool:
        """Return whether a page went out to this meter lately without a reply: one may wait at the carrier."""
        with self._file.transaction("look up") as db:
            query = (
                "SELECT count(*) FROM jobs WHERE carrier = ? AND sender = ? AND recipient = ? AND paged = 1"
                " AND reply IS NULL AND created_at BETWEEN ? AND ?"
            )
            since = now - timedelta(seconds=limits.late_s)
            return bool(db.execute(query, (*_meter(page), ms(since), ms(now + SKEW))).fetchone()[0])

    def find(self, message_id: str, now: datetime) -> Job:
        """Return a job as it is now; one whose time is over is expired by this."""
        with self._file.transaction("look up") as db:
            _expire(db, now)
            return found(db, message_id)

    def advance(self, message_id: str, to: State, *, code: int | None = None, reason: str = "") -> Job:
        """Note news of a job; older news than is known already change nothing."""
        with self._file.transaction("update") as db:
            advance(db, message_id, to, code, reason)
            return found(db, message_id)

    def refuse(self, message_id: str, *, code: int | None, reason: str) -> Job:
        """Note that the message was certainly not accepted: it failed, and counts as no page."""
        with self._file.transaction("update") as db:
            if advance(db, message_id, "failed", code, reason):
                db.execute("UPDATE jobs SET paged = 0 WHERE message_id = ?", (message_id,))
            return found(db, message_id)

    def mark_taken(self, message_id: str, now: datetime, *, rejected: str = "") -> None:
        """Note that a visit has brought the reply home, or why it is no reading: then it is not given again."""
        with self._file.transaction("update") as db:
            db.execute(
                "UPDATE jobs SET taken_at = coalesce(taken_at, ?), rejected = ? WHERE message_id = ?",
                (ms(now), rejected, message_id),
            )

    def receive(
        self,
        messages: Iterable[Incoming],
        now: datetime,
        *,
        carrier: str = "",
    ) -> Taken:
        """Keep messages that were pushed; return what became of them."""
        with self._file.transaction("keep messages in") as db:
            return received(db, messages, carrier, now)

    def receive_poll(self, carrier: str, poller: str, messages: Iterable[Message], now: datetime) -> Taken:
        """Keep the messages of a poll, and that they are to be acknowledged; return what became of them."""
        with self._file.transaction("keep messages in") as db:
            messages = tuple(messages)
            taken = received(db, (message.content for message in messages), carrier, now)
            rows = [(carrier, poller, m.sequence_no, 302 if isinstance(m.content, Unusable) else 200) for m in messages]
            db.executemany("INSERT OR REPLACE INTO acknowledgements VALUES (?, ?, ?, ?)", rows)
            return taken

    def unacknowledged(self, carrier: str, poller: str) -> tuple[tuple[str, int], ...]:
        """Return the sequence numbers to acknowledge in the next poll, each with its code."""
        with self._file.transaction("look up") as db:
            query = "SELECT sequence_no, code FROM acknowledgements WHERE carrier = ? AND poller = ? ORDER BY rowid"
            return tuple((row["sequence_no"], row["code"]) for row in db.execute(query, (carrier, poller)))

    def acknowledged(self, carrier: str, poller: str, sequence_nos: Iterable[str]) -> None:
        """Forget acknowledgements that the carrier has taken."""
        with self._file.transaction("update") as db:
            db.executemany(
                "DELETE FROM acknowledgements WHERE carrier = ? AND poller = ? AND sequence_no = ?",
                [(carrier, poller, number) for number in sequence_nos],
            )

    def next_poll(self, carrier: str, poller: str, now: datetime) -> datetime:
        """Return when the carrier may be polled next; now, or a time that was noted not long ago."""
        with self._file.transaction("look up") as db:
            return _not_far(_pace(db, carrier, poller)["next_poll_at"], now)

    def polled(self, carrier: str, poller: str, now: datetime, *, after_s: float, slow: bool) -> None:
        """Note a poll: the next one in `after_s` seconds, in twice the time after each `slow` (refused, silent) one."""
        with self._file.transaction("update") as db:
            slowed = _pace(db, carrier, poller)["slowed_ms"]
            after = round(after_s * 1000)
            slowed = min(2 * slowed + after, MOST_SLOWED_MS) if slow else slowed // 2
            values = (ms(now) + after + slowed, slowed, carrier, poller)
            db.execute("UPDATE carriers SET next_poll_at = ?, slowed_ms = ? WHERE carrier = ? AND poller = ?", values)
            if not slow:
                query = "UPDATE carriers SET polled_at = ? WHERE carrier = ? AND poller = ?"
                db.execute(query, (ms(now), carrier, poller))

    def polled_since(self, carrier: str, poller: str, since: datetime) -> bool:
        """Return whether a poll has succeeded, ours or another's: then what waited at the carrier is here."""
        with self._file.transaction("look up") as db:
            return bool(_pace(db, carrier, poller)["polled_at"] >= ms(since))

    def paged(self, carrier: str, poller: str, now: datetime, *, busy_s: float | None) -> datetime:
        """Note how the carrier took a page: well (None), or busy: none for `busy_s`, doubling. Return until when."""
        with self._file.transaction("update") as db:
            backoff = _pace(db, carrier, poller)["page_backoff_ms"]
            backoff = 0 if busy_s is None else min(max(2 * backoff, round(busy_s * 1000)), MOST_SLOWED_MS)
            until = ms(now) + backoff
            values = (until, backoff, carrier, poller)
            db.execute(
                "UPDATE carriers SET next_page_at = ?, page_backoff_ms = ? WHERE carrier = ? AND poller = ?", values
            )
            return at(until)

    def jobs(self, *, limit: int = 1_000) -> tuple[Job, ...]:
        """Return the newest jobs, for a person to look at."""
        with self._file.transaction("look up") as db:
            rows = db.execute("SELECT * FROM jobs ORDER BY created_at DESC, rowid DESC LIMIT ?", (limit,))
            return tuple(map(job, rows))

    def quarantine(self, *, since: datetime = EPOCH, limit: int = MOST_QUARANTINED) -> tuple[Quarantined, ...]:
        """Return what came in and belongs to nothing that was asked, the newest first."""
        with self._file.transaction("look up") as db:
            query = "SELECT * FROM quarantine WHERE last_at >= ? ORDER BY last_at DESC LIMIT ?"
            return tuple(map(quarantined, db.execute(query, (ms(since), limit))))


def _insert(db: sqlite3.Connection, page: Page, now: datetime) -> Job:
    message_id = str(uuid.uuid4())
    before = now + timedelta(seconds=page.lifetime_s)
    db.execute(
        "INSERT INTO jobs (message_id, carrier, sender, recipient, format, request, state, created_at, deliver_before,"
        " expires_at) VALUES (?, ?, ?, ?, ?, ?, 'created', ?, ?, ?)",
        (
            *(message_id, page.carrier, page.sender, page.recipient, page.format, page.request),
            *(ms(now), ms(before), ms(before + timedelta(seconds=page.grace_s))),
        ),
    )
    return found(db, message_id)


def _expire(db: sqlite3.Connection, now: datetime) -> None:
    query = f"UPDATE jobs SET state = 'expired', reason = 'no answer' WHERE {_OPEN} AND expires_at <= ?"  # noqa: S608 - ours
    db.execute(query, (ms(now),))


def _reusable(db: sqlite3.Connection, page: Page, limits: Limits, now: datetime) -> Job | None:
    query = (
        "SELECT * FROM jobs WHERE carrier = ? AND sender = ? AND recipient = ? AND format = ? AND state = 'answered'"
        " AND rejected = '' AND created_at <= ? AND ((taken_at IS NULL AND created_at > ?) OR taken_at > ?)"
        " ORDER BY created_at DESC LIMIT 1"
    )
    late, fresh = (now - timedelta(seconds=limit) for limit in (limits.late_s, limits.fresh_s))
    row = db.execute(query, (*_meter(page), page.format, ms(now + SKEW), ms(late), ms(fresh))).fetchone()
    return None if row is None else job(row)


def _under_way(db: sqlite3.Connection, page: Page, now: datetime) -> Job | None:
    query = f"SELECT * FROM jobs WHERE carrier = ? AND sender = ? AND recipient = ? AND format = ? AND {_OPEN}"  # noqa: S608
    query += " AND created_at <= ? ORDER BY created_at DESC LIMIT 1"
    row = db.execute(query, (*_meter(page), page.format, ms(now + SKEW))).fetchone()
    return None if row is None else job(row)


def _held_back(db: sqlite3.Connection, page: Page, limits: Limits, now: datetime) -> HeldBack | None:
    carrier = _not_far(_pace(db, page.carrier, page.sender)["next_page_at"], now)
    if carrier > now:
        return HeldBack(carrier, "the carrier asked for fewer messages")
    query = "SELECT max(created_at) FROM jobs WHERE carrier = ? AND sender = ? AND recipient = ? AND paged = 1"
    last = db.execute(f"{query} AND created_at <= ?", (*_meter(page), ms(now + SKEW))).fetchone()[0]
    free = at(last or 0) + timedelta(seconds=limits.meter_spacing_s)
    if last is not None and free > now:
        return HeldBack(free, f"this meter was paged at {at(last):%H:%M:%S} UTC, which costs money and battery")
    query = "SELECT created_at FROM jobs WHERE carrier = ? AND paged = 1 AND created_at BETWEEN ? AND ?"
    recent = db.execute(
        f"{query} ORDER BY created_at DESC LIMIT 1 OFFSET ?",
        (page.carrier, ms(now - SKEW), ms(now + SKEW), limits.carrier_per_hour - 1),
    ).fetchone()
    if recent is None:
        return None
    return HeldBack(at(recent[0]) + SKEW, f"{limits.carrier_per_hour} pages in an hour went to this carrier")


def _meter(page: Page) -> tuple[str, str, str]:
    return page.carrier, page.sender, page.recipient


def _pace(db: sqlite3.Connection, carrier: str, poller: str) -> sqlite3.Row:
    db.execute("INSERT OR IGNORE INTO carriers (carrier, poller) VALUES (?, ?)", (carrier, poller))
    query = "SELECT * FROM carriers WHERE carrier = ? AND poller = ?"
    row: sqlite3.Row = db.execute(query, (carrier, poller)).fetchone()
    return row


def _not_far(at_ms: int, now: datetime) -> datetime:
    """Return a time that was noted, or now for one that only a wrong clock can have noted."""
    return at(at_ms) if ms(now) < at_ms <= ms(now) + 25 * MOST_SLOWED_MS else now
