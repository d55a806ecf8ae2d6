"""A chain that cannot go on from its file goes on from a new one, in a way that both ends can follow.

    restarted = restart_chain(path, sealer, Leave(by="…", reason="…"), agent_id=…, now=…)

The damaged file is kept. What its receipts still prove is carried over, octet for octet, and delivered as if nothing
had happened. The first new link is a report to the MDSP, `mrsp.chain-restart/1`: who gave leave and why, what was
found, which links are missing. Its number leaves room for links that may have been made and are not known here, so
that none is ever given to two documents.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from agent.durable_file import sync_directory
from agent.errors import LocalTrouble, UsageError
from agent.keys import PublicKey
from agent.seal import ChainHead, Sealer, digest
from agent.spool_anchor import Anchor, read_anchor
from agent.spool_database import RESTARTED, SpoolDamaged, SpoolDatabase, finish_restart
from agent.spool_rows import KINDS, Entry, Priority, insert, insert_link, timestamp
from agent.spool_salvage import Salvage, SalvagedLink, salvaged
from agent.spool_verify import verify_store

SCHEMA = "mrsp.chain-restart/1"
ROOM = 1_000  # links, and numbers of each kind, that may have been given after the last that is known here
BATCH = 200  # links a transaction
MOST_TOLD = 100  # stretches of missing links, and findings, that the report names

_LOCKED_FROM, _LOCKED_OCTETS = 0x4000_0002, 510  # what SQLite locks while a file is in use (its os.h, SHARED_FIRST)


@dataclass(frozen=True, slots=True)
class Leave:
    """Who gave leave to go on, and why. `after`: the last link that the MDSP has, where it is known to be higher."""

    by: str
    reason: str
    after: int = 0


class ChainRestart(msgspec.Struct, frozen=True):
    """The report to the MDSP. Links from `missing` are here no more: each was delivered, is lost, or was never made."""

    schema: str
    report_id: str
    agent_id: str
    sequence: int
    restarted_at: str
    by: str
    reason: str
    found: tuple[str, ...]
    last_known: dict[str, Any]  # {"seq": n, "digest": "…"}; 0 and "" if none is
    resumes_at: int  # this report's own link; numbers of documents go on with as much room
    carried_over: int  # documents that still wait for their acknowledgement
    missing: tuple[tuple[int, int], ...]  # first and last link of each stretch, up to the one before this report


@dataclass(frozen=True, slots=True)
class Restarted:
    """What came of it. `report`: None if all there was to do was to finish an earlier restart."""

    report: ChainRestart | None
    kept: Path | None  # where the damaged file is now; None if there was none


@dataclass(slots=True)
class _Carried:
    """What was carried over from the damaged file."""

    documents: int = 0
    expected: int = 1  # the next link, if none is missing
    highest: ChainHead = field(default_factory=ChainHead)
    sequences: dict[str, int] = field(default_factory=dict)
    missing: list[tuple[int, int]] = field(default_factory=list)

    def note(self, link: SalvagedLink) -> None:
        self.miss_until(link.entry.seq)
        self.expected = link.entry.seq + 1
        self.highest = ChainHead(link.entry.seq, link.digest)
        kind = link.entry.kind
        self.sequences[kind] = max(self.sequences.get(kind, 0), link.entry.sequence)
        self.documents += link.body is not None

    def miss_until(self, seq: int) -> None:
        if seq > self.expected:
            self.missing.append((self.expected, seq - 1))


def findings(path: Path, keys: Sequence[PublicKey], agent_id: str) -> tuple[str, ...]:
    """Return what is wrong with a spool, in words; nothing for one that is sound and ends where it should.

    Raises `LocalTrouble` for what is no damage: a newer version's, locked, open to others.
    """
    if not path.exists():
        noted = read_anchor(path, agent_id)
        return (f"there is no spool at {path}, but link {noted.head.seq} was made",) if noted else ()
    try:
        database = SpoolDatabase(path, create=False)
        try:
            return verify_store(database, keys).problems
        finally:
            database.close()
    except SpoolDamaged as damage:
        return (damage.message,)


def restart_chain(
    path: Path,
    sealer: Sealer,
    leave: Leave,
    *,
    agent_id: str,
    now: datetime,
    keys: Sequence[PublicKey] = (),
) -> Restarted:
    """Make a new spool of what is left of a damaged one, and let the chain go on in it; durable on return.

    `keys`: of this device in earlier times, besides the sealer's. Raises `UsageError` if nothing is wrong with the
    spool and `leave` does not say that the MDSP has more, `LocalTrouble` if it is in use or the disk is full: then
    nothing has changed.
    """
    aside = finish_restart(path)  # one that was interrupted, and may be all there is to do
    known_keys = (sealer.public_key(), *keys)
    found = findings(path, known_keys, agent_id)
    if aside is not None and not found:
        return Restarted(None, aside)
    if not found and not leave.after:
        raise UsageError(f"nothing is wrong with the spool {path}", advice="the chain goes on as it is")
    _refuse_if_in_use(path)
    anew = path.with_name(path.name + RESTARTED)
    try:
        with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as name, salvaged(path, known_keys) as left:
            if left.agent_id not in {None, agent_id}:
                advice = "each agent has a spool and a chain of its own; check agent_id in the configuration"
                raise LocalTrouble(f"the spool {path} belongs to agent {left.agent_id}, not {agent_id}", advice=advice)
            draft = Path(name) / "spool"
            told = _Told(agent_id, now, leave, found or ("the MDSP has links that are not known here",))
            report = _fill(draft, left, read_anchor(path, agent_id), sealer, told)
            _refuse_if_unsound(draft, known_keys)
            draft.rename(anew)
            sync_directory(path.parent)
    except OSError as err:
        advice = "free space on the disk of the spool: the new one takes as much again as what is in it"
        raise LocalTrouble(f"cannot write a new spool beside {path}: {err.strerror}", advice=advice) from err
    return Restarted(report, finish_restart(path))


@dataclass(frozen=True, slots=True)
class _Told:
    """What the report says that is not found in the file."""

    agent_id: str
    now: datetime
    leave: Leave
    found: tuple[str, ...]


def _fill(draft: Path, left: Salvage, noted: Anchor | None, sealer: Sealer, told: _Told) -> ChainRestart:
    """Carry over what is left, and seal the report that the chain goes on with."""
    database = SpoolDatabase(draft, create=True)
    try:
        carried = _carry_over(database, left)
        head = max((carried.highest, *_heads(left, noted, carried)), key=lambda one: one.seq)
        resumes_at = max(head.seq, told.leave.after) + ROOM + 1
        carried.miss_until(resumes_at)
        known = [carried.sequences, left.sequences(below=resumes_at), noted.sequences if noted else {}]
        sequences = {kind: max(one.get(kind, 0) for one in known) + ROOM for kind in KINDS}
        report = ChainRestart(
            schema=SCHEMA,
            report_id=f"chain-restart-{resumes_at}",
            agent_id=told.agent_id,
            sequence=sequences["report"] + 1,
            restarted_at=timestamp(told.now),
            by=told.leave.by,
            reason=told.leave.reason,
            found=told.found[:MOST_TOLD],
            last_known={"seq": head.seq, "digest": head.digest},
            resumes_at=resumes_at,
            carried_over=carried.documents,
            missing=tuple(carried.missing[-MOST_TOLD:]),
        )
        before = ChainHead(resumes_at - 1, head.digest or digest(b""))  # only a first link follows nothing
        sealed = sealer.seal(msgspec.json.encode(report), document_id=report.report_id, after=before)
        with database.transaction("write") as db:
            db.execute("INSERT INTO chain VALUES (1, ?, 0, '', ?)", (told.agent_id, resumes_at - 1))
            db.executemany("INSERT INTO counter VALUES (?, ?)", sequences.items())
            entry = Entry(
                resumes_at, report.report_id, "report", report.sequence, Priority.URGENT, told.now, len(sealed.body),
                sealed.encrypted, None,
            )  # fmt: skip
            insert(db, entry, sealed)
    finally:
        database.close()
    return report


def _carry_over(database: SpoolDatabase, left: Salvage) -> _Carried:
    carried = _Carried(expected=left.pruned + 1)
    links = left.links()
    while batch := list(islice(links, BATCH)):
        with database.transaction("write") as db:
            for link in batch:
                try:
                    insert_link(db, link.entry, prev=link.prev, link=link.digest, receipt=link.receipt)
                except sqlite3.IntegrityError:
                    continue  # its number or id is of another link by now: not what was written
                if link.body is not None:
                    db.execute("INSERT INTO sealed VALUES (?, ?)", (link.entry.seq, link.body))
                carried.note(link)
    return carried


def _heads(left: Salvage, noted: Anchor | None, carried: _Carried) -> Iterator[ChainHead]:
    """Yield where else the chain may have been: by the note beside the file, and by the file, if it can be so."""
    if noted is not None:
        yield noted.head
    if left.head is not None and left.head.seq <= max(carried.highest.seq, left.pruned) + left.most:
        yield left.head


def _refuse_if_unsound(draft: Path, keys: Sequence[PublicKey]) -> None:
    problems = findings(draft, keys, "")
    if problems:
        raise LocalTrouble(f"what is left cannot be carried over: {problems[0]}", advice="keep the file; ask for help")


def _refuse_if_in_use(path: Path) -> None:
    """Raise `LocalTrouble` if another process has the spool open: it would go on writing into the old file."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCKED_OCTETS, _LOCKED_FROM)
        except OSError as err:
            advice = "stop the agent first: systemctl stop mrsp"
            raise LocalTrouble(f"the spool {path} is in use by another process", advice=advice) from err
