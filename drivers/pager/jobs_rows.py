"""Rows of the store as values, times as milliseconds since 1970, and the one way in which a state changes."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

from drivers.pager.jobs_states import Job, Quarantined, Reply, State, StoreTrouble, advanced

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def advance(db: sqlite3.Connection, message_id: str, to: State, code: int | None, reason: str) -> bool:
    """Return whether the state changed."""
    row = db.execute("SELECT state FROM jobs WHERE message_id = ?", (message_id,)).fetchone()
    if row is None or advanced(row["state"], to) == row["state"]:
        return False
    db.execute("UPDATE jobs SET state = ?, code = ?, reason = ? WHERE message_id = ?", (to, code, reason, message_id))
    return True


def asked(db: sqlite3.Connection, message_id: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute("SELECT * FROM jobs WHERE message_id = ?", (message_id,)).fetchone()
    return row


def found(db: sqlite3.Connection, message_id: str) -> Job:
    row = asked(db, message_id)
    if row is None:
        raise StoreTrouble(f"there is no request {message_id} in the store")
    return job(row)


def job(row: sqlite3.Row) -> Job:
    reply = None
    if row["reply"] is not None:
        reply = Reply(
            octets=bytes(row["reply"]),
            arrived_at=at(row["arrived_at"]),
            responded_at=None if row["responded_at"] is None else at(row["responded_at"]),
            binary=bool(row["binary_reply"]),
            late=bool(row["late"]),
        )
    return Job(
        message_id=row["message_id"],
        carrier=row["carrier"],
        sender=row["sender"],
        recipient=row["recipient"],
        format=row["format"],
        request=row["request"],
        state=row["state"],
        created_at=at(row["created_at"]),
        deliver_before=at(row["deliver_before"]),
        expires_at=at(row["expires_at"]),
        code=row["code"],
        reason=row["reason"],
        reply=reply,
        taken_at=None if row["taken_at"] is None else at(row["taken_at"]),
    )


def quarantined(row: sqlite3.Row) -> Quarantined:
    texts = (row["reason"], row["carrier"], row["originator"], row["reference"], bytes(row["content"]))
    return Quarantined(*texts, at(row["first_at"]), at(row["last_at"]), row["count"])


def ms(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


def at(milliseconds: int) -> datetime:
    return EPOCH + timedelta(milliseconds=milliseconds)
