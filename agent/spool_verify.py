"""Proof that the spool is what this device sealed: file, receipts, digests, signatures and chain, link by link."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.keys import PublicKey
from agent.seal import ChainHead, SealBroken, digest, open_document, open_receipt
from agent.spool_anchor import read_anchor
from agent.spool_database import SpoolDatabase

MAX_PROBLEMS = 100  # a spool that is wrong throughout is described well enough by its first hundred lines


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """`mrsp spool verify`. `links` were checked; of those `documents` by their own signature, the rest by receipt."""

    links: int
    documents: int
    head: ChainHead
    problems: tuple[str, ...]

    @property
    def sound(self) -> bool:
        return not self.problems


@dataclass(frozen=True, slots=True)
class _Row:
    seq: int
    document_id: str
    encrypted: bool
    prev: str
    digest: str
    receipt: str
    acked: bool
    body: bytes | None


def verify_store(database: SpoolDatabase, keys: Sequence[PublicKey]) -> VerifyReport:
    """Check everything that can be checked on this device; memory is constant.

    A document encrypted to the MDSP, or delivered and gone, is proven by its receipt; links that were delivered and
    forgotten long ago are known by number (`pruned_seq`) and not counted as missing.
    """
    problems: list[str] = []
    walk = _Walk(problems)
    noted = read_anchor(database.path)
    with database.reading("verify") as db:
        head_seq, head_digest, pruned = db.execute("SELECT head_seq, head_digest, pruned_seq FROM chain").fetchone()
        try:
            problems += _integrity(db)
            walk.over(_rows(db), pruned, keys)
        except (sqlite3.DatabaseError, ValueError, TypeError, AttributeError) as err:
            problems.append(f"the file is damaged after link {walk.expected - 1}: {err}")
        else:
            if len(problems) < MAX_PROBLEMS:
                problems += _check_end(walk.before, walk.expected, ChainHead(head_seq, head_digest), pruned)
    if noted is not None and noted.head.seq > head_seq:
        problems.insert(0, f"it has gone back: it ends at link {head_seq}, but link {noted.head.seq} was made")
    return VerifyReport(walk.links, walk.documents, ChainHead(head_seq, head_digest), tuple(problems[:MAX_PROBLEMS]))


class _Walk:
    """One walk along the chain. `before` is the link before the next one; None if that is forgotten or missing."""

    def __init__(self, problems: list[str]) -> None:
        self.before: ChainHead | None = None
        self.expected = 1
        self.links = 0
        self.documents = 0
        self._problems = problems

    def over(self, rows: Iterator[_Row], pruned: int, keys: Sequence[PublicKey]) -> None:
        """Check each row, until all are done or there are problems enough."""
        self.before = ChainHead() if pruned == 0 else None
        for row in rows:
            if row.seq > max(self.expected, pruned + 1):
                self._problems.append(f"links {max(self.expected, pruned + 1)} to {row.seq - 1} are missing")
            if row.seq != self.expected:
                self.before = None
            self._problems += _check(row, self.before, keys)
            self.links += 1
            self.documents += row.body is not None and not row.encrypted
            self.before, self.expected = ChainHead(row.seq, row.digest), row.seq + 1
            if len(self._problems) >= MAX_PROBLEMS:
                return


def _integrity(db: sqlite3.Connection) -> list[str]:
    found = [str(row[0]) for row in db.execute("PRAGMA integrity_check(10)")]
    return [] if found == ["ok"] else [f"the file is damaged: {line}" for line in found]


def _rows(db: sqlite3.Connection) -> Iterator[_Row]:
    query = (
        "SELECT seq, document_id, encrypted, prev, digest, receipt, acked_at IS NOT NULL, body"
        " FROM document LEFT JOIN sealed USING (seq) ORDER BY seq"
    )
    for seq, document_id, encrypted, prev, link, receipt, acked, body in db.execute(query):
        yield _Row(seq, document_id, bool(encrypted), prev, link, receipt, bool(acked), body)


def _check(row: _Row, before: ChainHead | None, keys: Sequence[PublicKey]) -> list[str]:
    where = f"link {row.seq} ({row.document_id})"
    problems = []
    try:
        receipt = open_receipt(row.receipt.encode(), keys)
        if (receipt.id, receipt.seq, receipt.digest, receipt.prev) != (row.document_id, row.seq, row.digest, row.prev):
            problems.append(f"{where}: its receipt is for another link")
        if row.body is None:
            if not row.acked:
                problems.append(f"{where}: its body is gone, but the MDSP never acknowledged it")
        elif digest(row.body) != receipt.body:
            problems.append(f"{where}: its body is not what was sealed")
        elif not row.encrypted:
            opened = open_document(row.body, keys)
            if (opened.head, opened.prev) != (ChainHead(row.seq, row.digest), row.prev):
                problems.append(f"{where}: its signed header is for another link")
    except SealBroken as err:
        problems.append(f"{where}: {err.message}")
    if before is not None and row.prev != before.digest:
        problems.append(f"{where}: it does not follow link {before.seq}")
    return problems


def _check_end(before: ChainHead | None, expected: int, head: ChainHead, pruned: int) -> list[str]:
    if before is None:  # no link is remembered
        return [] if head.seq <= pruned else [f"links {pruned + 1} to {head.seq} are missing"]
    if expected <= head.seq and head.seq > pruned:
        return [f"links {max(expected, pruned + 1)} to {head.seq} are missing"]
    if before.seq == head.seq and before != head:
        return [f"the chain's head is not the digest of link {head.seq}"]
    return [] if before.seq <= head.seq else [f"link {before.seq} is beyond the chain's head {head.seq}"]
