"""What comes in from a carrier, sorted: to the request that it answers, or into quarantine. Within a transaction."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from datetime import datetime

from drivers.pager.jobs_rows import advance, asked, ms
from drivers.pager.jobs_states import State, Taken, advanced
from drivers.pager.wctp_values import (
    Alphanumeric,
    Failure,
    MessageReply,
    MultipleChoice,
    Payload,
    StatusInfo,
    SubmitRequest,
    TransparentData,
    Unusable,
)

MOST_QUARANTINED = 1_000
LONGEST_KEPT = 16_384  # octets of one quarantined message
Incoming = MessageReply | StatusInfo | SubmitRequest | Unusable
_STATES: dict[str, State] = {"QUEUED": "queued", "DELIVERED": "delivered", "READ": "delivered"}


def received(
    db: sqlite3.Connection,
    messages: Iterable[Incoming],
    carrier: str,
    now: datetime,
) -> Taken:
    taken = Taken()
    for message in messages:
        match message:
            case MessageReply():
                taken += _reply(db, message, carrier, now)
            case StatusInfo():
                taken += _status(db, message, carrier, now)
            case SubmitRequest():
                reference = f"unasked {message.control.message_id}"
                sender = message.originator.sender_id
                content, _ = _octets(message.payload)
                taken += _put_away(db, "nobody asked for it", (carrier, sender, reference), content, now)
            case Unusable():
                taken += _put_away(db, message.reason, (carrier, "", ""), message.xml.encode(), now)
    return taken


def _reply(db: sqlite3.Connection, message: MessageReply, carrier: str, now: datetime) -> Taken:
    header, (octets, binary) = message.header, _octets(message.payload)
    origin = (carrier, header.originator.sender_id, header.response_to)
    row = asked(db, header.response_to)
    if row is None:
        return _put_away(db, "it answers a request that was never made", origin, octets, now)
    if row["recipient"] != header.originator.sender_id:
        return _put_away(db, f"it is from another device than {row['recipient']}, which was asked", origin, octets, now)
    if row["reply"] is not None:
        if bytes(row["reply"]) == octets:
            return Taken(duplicates=1)
        return _put_away(db, "a second reply to the same request, with other content", origin, octets, now)
    late = row["state"] in ("failed", "expired") or ms(now) >= row["expires_at"]
    responded = None if header.responded_at is None else ms(header.responded_at)
    db.execute(
        "UPDATE jobs SET state = ?, reply = ?, binary_reply = ?, arrived_at = ?, responded_at = ?, late = ?,"
        " code = NULL, reason = '', paged = 1 WHERE message_id = ?",
        (advanced(row["state"], "answered"), octets, binary, ms(now), responded, late, header.response_to),
    )
    return Taken(answered=(header.response_to,))


def _status(db: sqlite3.Connection, message: StatusInfo, carrier: str, now: datetime) -> Taken:
    header, status = message.header, message.status
    what = f"failure {status.code}" if isinstance(status, Failure) else status
    origin = (carrier, header.originator.sender_id, header.response_to)
    row = asked(db, header.response_to)
    if row is None or row["recipient"] != header.originator.sender_id:
        reason = "a status of a request that was never made" if row is None else "a status from another device"
        return _put_away(db, reason, origin, what.encode(), now)
    if isinstance(status, Failure):
        advance(db, header.response_to, "failed", status.code, status.text or status.detail.strip())
    else:
        advance(db, header.response_to, _STATES[status], None, "")
    return Taken(statuses=1)


def _put_away(
    db: sqlite3.Connection, reason: str, origin: tuple[str, str, str], content: bytes, now: datetime
) -> Taken:
    content = content[:LONGEST_KEPT]
    digest = hashlib.sha256(repr((reason, origin)).encode() + content).hexdigest()
    db.execute(
        "INSERT INTO quarantine (digest, reason, carrier, originator, reference, content, first_at, last_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (digest) DO UPDATE SET count = count + 1, last_at = excluded.last_at",
        (digest, reason, *origin, content, ms(now), ms(now)),
    )
    db.execute(
        "DELETE FROM quarantine WHERE digest IN"
        " (SELECT digest FROM quarantine ORDER BY last_at DESC, rowid DESC LIMIT -1 OFFSET ?)",
        (MOST_QUARANTINED,),
    )
    return Taken(quarantined=(reason,))


def _octets(payload: Payload) -> tuple[bytes, bool]:
    match payload:
        case Alphanumeric(text) | MultipleChoice(text=text):
            return text.encode(), False
        case TransparentData(octets=octets):
            return octets, True
