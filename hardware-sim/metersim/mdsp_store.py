"""What an MDSP remembers: every document once, every agent's chain, what was wrong; durable before any ack (SQLite)."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from metersim.mdsp_verify import Delivered

_SCHEMA = """
CREATE TABLE IF NOT EXISTS document (
    agent_id TEXT NOT NULL, seq INTEGER NOT NULL, document_id TEXT NOT NULL, kind TEXT NOT NULL, sequence INTEGER,
    prev TEXT NOT NULL, digest TEXT NOT NULL, received_at TEXT NOT NULL, deliveries INTEGER NOT NULL,
    document BLOB NOT NULL, PRIMARY KEY (agent_id, seq), UNIQUE (agent_id, document_id)
) STRICT;
CREATE TABLE IF NOT EXISTS proof (
    agent_id TEXT NOT NULL, seq INTEGER NOT NULL, token BLOB NOT NULL, PRIMARY KEY (agent_id, seq)
) STRICT;
CREATE TABLE IF NOT EXISTS request (
    jti TEXT PRIMARY KEY, agent_id TEXT NOT NULL, transaction_id TEXT NOT NULL, action TEXT NOT NULL,
    issued_at TEXT NOT NULL, token BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS finding (
    id INTEGER PRIMARY KEY, found_at TEXT NOT NULL, agent_id TEXT NOT NULL, what TEXT NOT NULL
) STRICT;
"""


class Verdict(Enum):
    """What became of a delivery. Only the first two are acknowledged."""

    NEW = "new"
    DUPLICATE = "duplicate"
    FORK = "fork"  # another document stands at this link, or under this id
    BROKEN = "broken"  # it does not fit its neighbours in the chain


@dataclass(frozen=True, slots=True)
class Stored:
    """One document as the MDSP has it."""

    agent_id: str
    seq: int
    document_id: str
    kind: str
    sequence: int | None
    digest: str
    deliveries: int
    document: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that was issued, and the answers that came to it, in the order of the chain."""

    jti: str
    agent_id: str
    transaction_id: str
    action: str
    answers: tuple[dict[str, Any], ...]

    @property
    def outcome(self) -> str:
        """The last one; "unanswered" without any."""
        return str(self.answers[-1]["outcome"]) if self.answers else "unanswered"


class MdspStore:
    """The MDSP's database, for any thread: one call at a time."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)

    def take(self, batch: Sequence[Delivered], now: datetime) -> list[Verdict]:
        """Judge and store a batch in one transaction; durable on return."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                verdicts = [self._take(delivered, now.isoformat()) for delivered in batch]
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        return verdicts

    def note(self, agent_id: str, what: str, now: datetime) -> None:
        """Remember something that was refused."""
        with self._lock:
            self._db.execute("INSERT INTO finding VALUES (NULL, ?, ?, ?)", (now.isoformat(), agent_id, what))

    def documents(self, agent_id: str | None = None) -> list[Stored]:
        """Return what is stored, in the order of the chains."""
        query = (
            "SELECT agent_id, seq, document_id, kind, sequence, digest, deliveries, document FROM document"
            " WHERE ?1 IS NULL OR agent_id = ?1 ORDER BY agent_id, seq"
        )
        with self._lock:
            return [Stored(*row) for row in self._db.execute(query, (agent_id,))]

    def asked(self, jti: str, request: dict[str, Any], token: bytes, now: datetime) -> None:
        """Remember a request before it is sent."""
        row = (jti, request["aud"], request["transaction_id"], request["action"], now.isoformat(), token)
        with self._lock:
            self._db.execute("INSERT INTO request VALUES (?, ?, ?, ?, ?, ?)", row)

    def requests(self) -> list[Asked]:
        """Return what was asked for and what was answered, oldest request first."""
        answers: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for one in self.documents():
            if one.kind == "responses":
                answer = json.loads(one.document)
                answers[answer["jti"]].append(answer)
        query = "SELECT jti, agent_id, transaction_id, action FROM request ORDER BY issued_at, jti"
        with self._lock:
            return [
                Asked(jti, agent_id, transaction_id, action, tuple(answers[jti]))
                for jti, agent_id, transaction_id, action in self._db.execute(query)
            ]

    def tokens(self, agent_id: str) -> list[tuple[int, bytes]]:
        """Return the sealed documents (link, JWS) of one agent as they came, in the order of its chain."""
        with self._lock:
            query = "SELECT seq, token FROM proof WHERE agent_id = ? ORDER BY seq"
            return self._db.execute(query, (agent_id,)).fetchall()

    def findings(self) -> list[str]:
        """Return what was refused, oldest first."""
        with self._lock:
            return [row[0] for row in self._db.execute("SELECT what FROM finding ORDER BY id")]

    def gaps(self, agent_id: str) -> list[tuple[int, int]]:
        """Return the links (first, last) that have not arrived before the newest one."""
        found, expected = [], 1
        with self._lock:
            for (seq,) in self._db.execute("SELECT seq FROM document WHERE agent_id = ? ORDER BY seq", (agent_id,)):
                if seq > expected:
                    found.append((expected, seq - 1))
                expected = seq + 1
        return found

    def close(self) -> None:
        """Close; waits for a call under way in another thread."""
        with self._lock:
            self._db.close()

    def _take(self, delivered: Delivered, now: str) -> Verdict:
        verdict, what = self._judge(delivered)
        match verdict:
            case Verdict.NEW:
                self._db.execute(
                    "INSERT INTO document VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?)",
                    (
                        delivered.agent_id, delivered.seq, delivered.document_id, delivered.kind, delivered.sequence,
                        delivered.prev, delivered.digest, now, delivered.document,
                    ),
                )  # fmt: skip
                proof = (delivered.agent_id, delivered.seq, delivered.token)
                self._db.execute("INSERT INTO proof VALUES (?, ?, ?)", proof)
            case Verdict.DUPLICATE:
                self._db.execute(
                    "UPDATE document SET deliveries = deliveries + 1 WHERE agent_id = ? AND seq = ?",
                    (delivered.agent_id, delivered.seq),
                )
            case Verdict.FORK | Verdict.BROKEN:
                self._db.execute("INSERT INTO finding VALUES (NULL, ?, ?, ?)", (now, delivered.agent_id, what))
        return verdict

    def _judge(self, delivered: Delivered) -> tuple[Verdict, str]:
        where = f"agent {delivered.agent_id}, link {delivered.seq}, {delivered.document_id}"
        known = self._db.execute(
            "SELECT seq, document_id, digest FROM document WHERE agent_id = ? AND (seq = ? OR document_id = ?)",
            (delivered.agent_id, delivered.seq, delivered.document_id),
        ).fetchall()
        if known == [(delivered.seq, delivered.document_id, delivered.digest)]:
            return Verdict.DUPLICATE, ""
        if known:
            return Verdict.FORK, f"fork: {where}: the link or the id is taken by another document"
        before = self._neighbour(delivered.agent_id, delivered.seq - 1)
        after = self._neighbour(delivered.agent_id, delivered.seq + 1)
        if (delivered.seq == 1) != (not delivered.prev) or (before and before[0] != delivered.prev):
            return Verdict.BROKEN, f"broken chain: {where}: it does not follow the link before it"
        if after and after[1] != delivered.digest:
            return Verdict.BROKEN, f"broken chain: {where}: the link after it follows another document"
        return Verdict.NEW, ""

    def _neighbour(self, agent_id: str, seq: int) -> tuple[str, str] | None:
        row: tuple[str, str] | None = self._db.execute(
            "SELECT digest, prev FROM document WHERE agent_id = ? AND seq = ?", (agent_id, seq)
        ).fetchone()
        return row
