"""One document of the spool as a row of its tables: written once, read back with suspicion, for files get damaged."""

from __future__ import annotations

import json
import sqlite3
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, Literal, get_args

from agent.seal import Sealed, digest
from agent.spool_database import REPAIR, SpoolDamaged

Kind = Literal["reading", "anomaly", "report", "response"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ENTRY = "seq, document_id, kind, sequence, priority, added_at, octets, encrypted, acked_at"


class Priority(IntEnum):
    """Order of sending; smaller goes first."""

    URGENT = 0  # safety-related: overtakes the queue
    ORDINARY = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One document of the spool, without its content."""

    seq: int  # link of the chain
    document_id: str
    kind: Kind
    sequence: int  # gap-free per agent and kind
    priority: Priority
    added_at: datetime
    octets: int  # of the sealed form
    encrypted: bool
    acked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A document to send, octet for octet."""

    entry: Entry
    body: bytes


def entry_of(row: tuple[Any, ...]) -> Entry:
    """Return the columns `ENTRY` as an entry; `SpoolDamaged` if they cannot have been written so."""
    seq, document_id, kind, sequence, priority, added_at, octets, encrypted, acked_at = row
    if kind not in KINDS or not all(isinstance(number, int) for number in (seq, sequence, octets)):
        raise SpoolDamaged(f"link {seq!r:.20} of the spool is damaged: {row!r:.80}", advice=REPAIR)
    try:
        return Entry(
            seq=seq,
            document_id=str(document_id),
            kind=kind,
            sequence=sequence,
            priority=Priority(priority),
            added_at=datetime.fromisoformat(added_at),
            octets=octets,
            encrypted=bool(encrypted),
            acked_at=datetime.fromisoformat(acked_at) if acked_at else None,
        )
    except (ValueError, TypeError) as err:
        raise SpoolDamaged(f"link {seq!r:.20} of the spool is damaged: {err}", advice=REPAIR) from err


def insert(db: sqlite3.Connection, entry: Entry, sealed: Sealed) -> None:
    """Write one new link and move the chain's head and the counter of its kind on."""
    insert_link(db, entry, prev=sealed.prev, link=sealed.head.digest, receipt=sealed.receipt)
    db.execute("INSERT INTO sealed VALUES (?, ?)", (entry.seq, sealed.body))
    db.execute("UPDATE chain SET head_seq = ?, head_digest = ?", (sealed.head.seq, sealed.head.digest))
    db.execute("INSERT OR REPLACE INTO counter VALUES (?, ?)", (entry.kind, entry.sequence))


def insert_link(db: sqlite3.Connection, entry: Entry, *, prev: str, link: str, receipt: str) -> None:
    """Write the row of one link, without its body."""
    acked_at = timestamp(entry.acked_at) if entry.acked_at else None
    db.execute(
        "INSERT INTO document VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            entry.seq, entry.document_id, entry.kind, entry.sequence, int(entry.priority), timestamp(entry.added_at),
            entry.octets, int(entry.encrypted), prev, link, receipt, acked_at,
        ),
    )  # fmt: skip


def is_intact(body: bytes, receipt: str) -> bool:
    """Return whether `body` is what its receipt names: a look that is cheap enough for every sending.

    It finds what a disk does; what a person does is found by the receipt's signature, in `agent.spool_verify`.
    """
    try:
        payload = receipt.split(".")[1]
        return bool(json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["body"] == digest(body))
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def timestamp(moment: datetime) -> str:
    """Return RFC 3339 UTC with `Z`, in milliseconds."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
