"""What the spool does with its file, one synchronous call each: the transactions behind `agent.spool`.

`add` is one transaction: number, link, seal, store. So a document is in the spool, sealed and chained, or it is not
there at all, whatever happens to the power.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from agent.errors import LocalTrouble
from agent.seal import ChainHead, Sealer
from agent.spool_anchor import Anchor, AnchorWriter, read_anchor
from agent.spool_database import REPAIR, SpoolDamaged, SpoolDatabase
from agent.spool_forecast import UNKNOWN, Flow, Forecast, forecast, taken_octets, window_start
from agent.spool_rows import ENTRY, Entry, Kind, Outgoing, Priority, entry_of, insert, is_intact, timestamp

WARN_PERCENT = 80
STOP_PERCENT = 95
URGENT_STOP_PERCENT = 99  # what is urgent has a reserve of its own above the limit of the rest
FORECAST_FROM = 10_000  # newest documents, from which the present rate is taken
KEEP_ACKNOWLEDGED = 10_000  # links remembered after delivery: some 5 MB

_DOCUMENT_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")  # it becomes a file name on export
_log = logging.getLogger("agent.spool")


class AlreadySpooled(LocalTrouble):
    """A document with this id is, or was, in the spool: it is never sealed twice."""


class SpoolFull(LocalTrouble):
    """The disk budget is used up: nothing more is taken until the MDSP has acknowledged some."""


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """`mrsp spool status`."""

    agent_id: str
    depth: int  # documents that the MDSP has not acknowledged
    oldest: datetime | None
    octets: int
    budget_octets: int
    percent: int  # of the budget; warned from 80, full from 95
    head: ChainHead
    remembered: int  # acknowledged links still remembered
    forecast: Forecast = UNKNOWN  # how long the box can stay without a link

    @property
    def level(self) -> Literal["ok", "warn", "full"]:
        return "full" if self.percent >= STOP_PERCENT else "warn" if self.percent >= WARN_PERCENT else "ok"


@dataclass(frozen=True, slots=True)
class Addition:
    """One document to add; see `Spool.add`."""

    kind: Kind
    document_id: str
    build: Callable[[int], bytes]
    priority: Priority = Priority.ORDINARY


class SpoolStore:
    """The spool's tables. `sealer` None: for looking only. Used by one thread; `now` gives aware UTC time."""

    def __init__(
        self,
        path: Path,
        *,
        agent_id: str | None,
        sealer: Sealer | None,
        budget_octets: int,
        now: Callable[[], datetime],
    ) -> None:
        self.sealer = sealer
        self.budget_octets = budget_octets
        self._now = now
        self._warned = False
        self._damaged: set[int] = set()  # links whose body is not what was sealed: told once, not sent
        self._anchor: AnchorWriter | None = None
        noted = read_anchor(path, agent_id)
        self.database = SpoolDatabase(path, create=sealer is not None)
        try:
            self.agent_id = self._claim(agent_id)
            if sealer is not None:
                self._refuse_if_gone_back(noted)
                self._anchor = AnchorWriter(path, self.agent_id)
        except BaseException:
            self.database.close()
            raise

    def add(
        self, kind: Kind, document_id: str, build: Callable[[int], bytes], priority: Priority = Priority.ORDINARY
    ) -> Entry:
        """Number, build, seal and store one document; durable on return. See `Spool.add`."""
        (entry,) = self.add_all([Addition(kind, document_id, build, priority)])
        if isinstance(entry, Exception):
            raise entry
        return entry

    def add_all(self, additions: Sequence[Addition]) -> list[Entry | Exception]:
        """Add several documents in one transaction: one sync of the disk for all. Each is whole, or not there at all.

        Return the entry of each, or what was raised for it alone. Raises `LocalTrouble` if nothing could be stored.
        """
        self._sealer()
        with self.database.transaction("add to") as db:
            used = self.database.used_octets()
            made: list[Entry | Exception] = []
            for addition in additions:
                entry = self._add_alone(db, addition, used)
                used += 0 if isinstance(entry, Exception) else taken_octets(entry.octets)
                made.append(entry)
            sequences = dict(db.execute("SELECT kind, last_sequence FROM counter"))
            head = ChainHead(*db.execute("SELECT head_seq, head_digest FROM chain").fetchone())
        if self._anchor is not None:
            self._anchor.note(Anchor(head, sequences))
        self._warn_if_filling(used)
        return made

    def _add_alone(self, db: sqlite3.Connection, addition: Addition, used: int) -> Entry | Exception:
        """Add one of several: what fails for it leaves no trace; what the disk refuses is refused to all."""
        db.execute("SAVEPOINT addition")
        try:
            return self._add(db, addition, used)
        except sqlite3.Error:
            raise
        except Exception as err:  # noqa: BLE001 - raised to whoever asked for this one
            db.execute("ROLLBACK TO addition")
            return err
        finally:
            if db.in_transaction:  # some errors (disk full) have rolled back all of it
                db.execute("RELEASE addition")

    def _add(self, db: sqlite3.Connection, addition: Addition, used: int) -> Entry:
        document_id, kind = addition.document_id, addition.kind
        if not _DOCUMENT_ID.fullmatch(document_id):
            raise ValueError(f"a document id is 1 to 64 letters, digits, '.', '_' or '-', not {document_id!r}")
        self._refuse_if_full(used, addition.priority)
        if db.execute("SELECT 1 FROM document WHERE document_id = ?", (document_id,)).fetchone():
            raise AlreadySpooled(f"document {document_id} is already in the spool", advice="nothing needs to be done")
        with self.database.making_sense("add to"):
            found = db.execute("SELECT last_sequence FROM counter WHERE kind = ?", (kind,)).fetchone()
            sequence = (found[0] if found else 0) + 1
            head = ChainHead(*db.execute("SELECT head_seq, head_digest FROM chain").fetchone())
        sealed = self._sealer().seal(addition.build(sequence), document_id=document_id, after=head)
        octets = len(sealed.body)
        self._refuse_if_full(used + octets, addition.priority)
        entry = Entry(
            sealed.head.seq, document_id, kind, sequence, addition.priority, self._now(), octets, sealed.encrypted, None
        )
        insert(db, entry, sealed)
        return entry

    def pending(self, limit: int, skip: Collection[int]) -> list[Outgoing]:
        """Return the first `limit` documents to send, in order, without the links of `skip`.

        A body that is not what was sealed is of no use to the MDSP: it is logged, and passed over.
        """
        query = (
            f"SELECT {ENTRY}, body, receipt FROM document JOIN sealed USING (seq) WHERE acked_at IS NULL"  # noqa: S608
            " AND seq NOT IN (SELECT value FROM json_each(?)) ORDER BY priority, seq LIMIT ?"
        )
        found: list[Outgoing] = []
        with self.database.reading("read") as db:
            for row in db.execute(query, (json.dumps(sorted({*skip, *self._damaged})), limit)):
                outgoing, receipt = Outgoing(entry_of(row[:-2]), row[-2]), row[-1]
                if is_intact(outgoing.body, receipt):
                    found.append(outgoing)
                else:
                    self._damaged.add(outgoing.entry.seq)
                    _log.error("link %d (%s) is damaged and not sent: %s", row[0], row[1], REPAIR)
        return found

    def acknowledge(self, document_ids: Collection[str]) -> tuple[int, ...]:
        """Mark the named documents as delivered, drop their bodies, return their links; unknown ids are passed over."""
        acked_at = timestamp(self._now())
        removed: list[int] = []
        with self.database.transaction("acknowledge in") as db:
            for document_id in document_ids:
                row = db.execute(
                    "UPDATE document SET acked_at = ? WHERE document_id = ? AND acked_at IS NULL RETURNING seq",
                    (acked_at, document_id),
                ).fetchone()
                if row:
                    removed.append(row[0])
                    db.execute("DELETE FROM sealed WHERE seq = ?", row)
            if removed:
                _prune(db, removed)
        return tuple(removed)

    def is_empty(self) -> bool:
        """Return whether the MDSP has everything."""
        with self.database.reading("read") as db:
            return db.execute("SELECT 1 FROM document WHERE acked_at IS NULL LIMIT 1").fetchone() is None

    def status(self) -> SpoolStatus:
        """Return depth, age and size."""
        octets = self.database.used_octets()
        with self.database.reading("read") as db:
            seq, head = db.execute("SELECT head_seq, head_digest FROM chain").fetchone()
            depth = db.execute("SELECT count(*) FROM document WHERE acked_at IS NULL").fetchone()[0]
            total = db.execute("SELECT count(*) FROM document").fetchone()[0]
            found = db.execute("SELECT added_at FROM document WHERE acked_at IS NULL ORDER BY seq LIMIT 1").fetchone()
            oldest = datetime.fromisoformat(found[0]) if found else None
        return SpoolStatus(
            agent_id=self.agent_id,
            depth=depth,
            oldest=oldest,
            octets=octets,
            budget_octets=self.budget_octets,
            percent=octets * 100 // self.budget_octets,
            head=ChainHead(seq, head),
            remembered=total - depth,
            forecast=self._forecast(octets),
        )

    def _forecast(self, used_octets: int) -> Forecast:
        now = self._now()
        with self.database.reading("read") as db:
            rows: list[tuple[int, int, str]] = db.execute(
                "SELECT priority, octets, added_at FROM document ORDER BY seq DESC LIMIT ?", (FORECAST_FROM,)
            ).fetchall()
            start = window_start(now, datetime.fromisoformat(rows[-1][2]) if rows else None)
            since = timestamp(start)
            flows = {priority: Flow(0, 0) for priority in Priority}
            for priority, octets, added_at in rows:
                if added_at >= since:
                    flow = flows[Priority(priority)]
                    flows[Priority(priority)] = Flow(flow.documents + 1, flow.octets + taken_octets(octets))
        free = shutil.disk_usage(self.database.path.parent).free  # the disk may be smaller than the budget
        room, urgent_room = (
            max(0, min(self.budget_octets * stop // 100 - used_octets, free))
            for stop in (STOP_PERCENT, URGENT_STOP_PERCENT)
        )
        return forecast(
            flows[Priority.ORDINARY],
            flows[Priority.URGENT],
            over=now - start,
            room=room,
            reserve=urgent_room - room,
        )

    def entries(self, *, limit: int, after_seq: int = 0, delivered: bool = False) -> list[Entry]:
        """Return up to `limit` entries in the order of the chain, from the link after `after_seq` on."""
        query = f"SELECT {ENTRY} FROM document WHERE seq > ? AND (acked_at IS NULL OR ?) ORDER BY seq LIMIT ?"  # noqa: S608
        with self.database.reading("list") as db:
            return [entry_of(row) for row in db.execute(query, (after_seq, delivered, limit))]

    def find(self, document_id: str) -> tuple[Entry, bytes | None]:
        """Return one entry and its sealed body (None once delivered); `LocalTrouble` if there is none."""
        query = f"SELECT {ENTRY}, body FROM document LEFT JOIN sealed USING (seq) WHERE document_id = ?"  # noqa: S608
        with self.database.reading("read") as db:
            row = db.execute(query, (document_id,)).fetchone()
        if row is None:
            raise LocalTrouble(
                f"no document {document_id} in the spool", advice="`mrsp spool list` shows what there is"
            )
        return entry_of(row[:-1]), row[-1]

    def has(self, document_id: str) -> bool:
        """Return whether a document is here, or was and is remembered."""
        with self.database.reading("read") as db:
            return db.execute("SELECT 1 FROM document WHERE document_id = ?", (document_id,)).fetchone() is not None

    def acknowledged(self, document_ids: Collection[str]) -> dict[str, datetime]:
        """Return when each of the named documents was acknowledged; those that were not are left out."""
        query = (
            "SELECT document_id, acked_at FROM document WHERE acked_at IS NOT NULL"
            " AND document_id IN (SELECT value FROM json_each(?))"
        )
        with self.database.reading("read") as db:
            rows = db.execute(query, (json.dumps(list(document_ids)),))
            return {document_id: datetime.fromisoformat(acked_at) for document_id, acked_at in rows}

    def bodies(self) -> Iterator[Outgoing | int]:
        """Yield what is not delivered, in the order of the chain; of a link that cannot be read, its number.

        One body in memory at a time, each found by its own number: damage to one page hides no other link.
        """
        with self.database.reading("read") as db:
            last = db.execute("SELECT head_seq FROM chain").fetchone()[0]
        query = f"SELECT {ENTRY}, body FROM document JOIN sealed USING (seq) WHERE seq = ?"  # noqa: S608
        for seq in range(self._first_undelivered(), last + 1):
            try:
                with self.database.reading("read") as db:
                    row = db.execute(query, (seq,)).fetchone()
                found = None if row is None else Outgoing(entry_of(row[:-1]), row[-1])
            except LocalTrouble:
                yield seq
                continue
            if found is not None:
                yield found

    def close(self) -> None:
        self.database.close()
        if self._anchor is not None:
            self._anchor.close()

    def _sealer(self) -> Sealer:
        if self.sealer is None:
            raise LocalTrouble(
                "this spool was opened for looking, not for adding", advice="open it with the device key"
            )
        return self.sealer

    def _first_undelivered(self) -> int:
        try:
            with self.database.reading("read") as db:
                return db.execute("SELECT min(seq) FROM sealed").fetchone()[0] or 1
        except LocalTrouble:
            return 1  # that page is damaged: look at every link

    def _claim(self, agent_id: str | None) -> str:
        """Write the chain's owner on first use; refuse a spool of another agent."""
        with self.database.transaction("open") as db:
            row = db.execute("SELECT agent_id FROM chain").fetchone()
            if row is None:
                if agent_id is None:
                    raise LocalTrouble(f"the spool {self.database.path} was never used", advice="check the path")
                db.execute("INSERT INTO chain VALUES (1, ?, 0, '', 0)", (agent_id,))
                return agent_id
        owner = str(row[0])
        if agent_id not in {None, owner}:
            raise LocalTrouble(
                f"the spool {self.database.path} belongs to agent {owner}, not {agent_id}",
                advice="each agent has a spool and a chain of its own; check agent_id in the configuration",
            )
        return owner

    def _refuse_if_gone_back(self, noted: Anchor | None) -> None:
        """Raise `SpoolDamaged` if the chain does not end where its last link was made: to go on would be a fork."""
        with self.database.reading("open") as db:
            head = ChainHead(*db.execute("SELECT head_seq, head_digest FROM chain").fetchone())
            last = db.execute("SELECT digest FROM document WHERE seq = ?", (head.seq,)).fetchone()
        path = self.database.path
        if noted is not None and noted.head.seq > head.seq:
            raise SpoolDamaged(
                f"the spool {path} has gone back: it ends at link {head.seq}, but link {noted.head.seq} was made (was"
                " its -wal deleted, or an old copy put back?)",
                advice=f"put the right files back; if they are lost: {REPAIR}",
            )
        same = noted is None or noted.head.seq != head.seq or noted.head == head
        if not same or (last is not None and last[0] != head.digest):
            raise SpoolDamaged(
                f"the spool {path} is damaged: the chain's head is not its link {head.seq}", advice=REPAIR
            )

    def _refuse_if_full(self, used: int, priority: Priority) -> None:
        """Raise `SpoolFull` at the limit; what is urgent has a reserve of its own above it."""
        stop = URGENT_STOP_PERCENT if priority is Priority.URGENT else STOP_PERCENT
        if used * 100 >= self.budget_octets * stop:
            raise SpoolFull(
                f"the spool takes nothing more: {used} octets, {stop} % of its budget of {self.budget_octets}",
                advice="restore the link to the MDSP, or raise the budget; nothing is dropped",
            )

    def _warn_if_filling(self, used: int) -> None:
        filling = used * 100 >= self.budget_octets * WARN_PERCENT
        if filling and not self._warned:
            _log.warning("the spool has reached %d %% of its budget of %d octets", WARN_PERCENT, self.budget_octets)
        self._warned = filling


def _prune(db: sqlite3.Connection, removed: Sequence[int]) -> None:
    """Forget delivered links beyond the newest `KEEP_ACKNOWLEDGED`; what is not delivered stays, however old.

    Looks at the links just `removed` and at those that came to lie beyond since the last time, and at no others: a
    month's backlog is drained in time that grows with it, and not with its square.
    """
    head, pruned = db.execute("SELECT head_seq, pruned_seq FROM chain").fetchone()
    limit = head - KEEP_ACKNOWLEDGED
    db.executemany("DELETE FROM document WHERE seq = ?", [(seq,) for seq in removed if seq <= limit])
    if limit > pruned:
        db.execute("DELETE FROM document WHERE seq > ? AND seq <= ? AND acked_at IS NOT NULL", (pruned, limit))
        db.execute("UPDATE chain SET pruned_seq = ?", (limit,))
