"""A damaged spool, read as far as it can be: every link that its receipt still proves, whatever surrounds it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from agent.keys import PublicKey
from agent.seal import ChainHead, SealBroken, digest, open_receipt
from agent.spool_database import SpoolDamaged, SpoolDatabase
from agent.spool_rows import ENTRY, Entry, entry_of

_SMALLEST_LINK_OCTETS = 500  # a receipt alone takes some 400
_PAGE = 4096
_DAMAGED = (sqlite3.Error, ValueError, TypeError, AttributeError, SealBroken, SpoolDamaged, OverflowError)


@dataclass(frozen=True, slots=True)
class SalvagedLink:
    """One link that its signed receipt proves. `body`: None if it was delivered."""

    entry: Entry
    prev: str
    digest: str
    receipt: str
    body: bytes | None


class Salvage:
    """What can still be read of a damaged spool. Nothing in here raises for damage: it is None, or left out."""

    def __init__(self, db: sqlite3.Connection, octets: int, keys: Sequence[PublicKey]) -> None:
        self._db = db
        self._keys = keys
        self.agent_id: str | None = self._one("SELECT agent_id FROM chain", str)
        seq = self._one("SELECT head_seq FROM chain", int)
        link = self._one("SELECT head_digest FROM chain", str)
        self.head = ChainHead(seq, link) if seq is not None and link is not None else None
        self.pruned = self._one("SELECT pruned_seq FROM chain", int) or 0
        self.most = octets // _SMALLEST_LINK_OCTETS + 1  # links that fit into the file

    def sequences(self, *, below: int) -> dict[str, int]:
        """Return the last number of each kind of document, as far as it is known; no number can be above its link's."""
        try:
            rows = self._db.execute("SELECT kind, last_sequence FROM counter").fetchall()
        except sqlite3.Error:
            return {}
        return {kind: number for kind, number in rows if isinstance(number, int) and 0 < number < below}

    def links(self) -> Iterator[SalvagedLink]:
        """Yield each link that is proven and whose body, if it has not been delivered, is whole; in order."""
        seq, blind = 0, 0
        while blind <= self.most:
            try:
                row = self._db.execute("SELECT seq FROM document WHERE seq > ? ORDER BY seq LIMIT 1", (seq,)).fetchone()
            except (sqlite3.Error, OverflowError):  # a page of the table is damaged: feel the way past it
                seq, blind = seq + 1, blind + 1
            else:
                if row is None:
                    return
                seq = row[0]
            found = self._link(seq)
            if found is not None:
                yield found

    def _link(self, seq: int) -> SalvagedLink | None:
        query = f"SELECT {ENTRY}, prev, digest, receipt FROM document WHERE seq = ?"  # noqa: S608
        try:
            row = self._db.execute(query, (seq,)).fetchone()
            if row is None:
                return None
            entry = entry_of(row[:-3])
            prev, link, token = row[-3:]
            receipt = open_receipt(token.encode(), self._keys)
            if (receipt.seq, receipt.id, receipt.digest, receipt.prev) != (seq, entry.document_id, link, prev):
                return None
        except _DAMAGED:
            return None
        body = self._body(seq, receipt.body)
        if body is None and entry.acked_at is None:
            return None
        entry = replace(entry, acked_at=None) if body is not None else entry  # what is here was not delivered
        return SalvagedLink(entry, prev, link, token, body)

    def _body(self, seq: int, sealed: str) -> bytes | None:
        try:
            row = self._db.execute("SELECT body FROM sealed WHERE seq = ?", (seq,)).fetchone()
            return row[0] if row is not None and digest(row[0]) == sealed else None
        except _DAMAGED:
            return None

    def _one(self, query: str, kind: type[Any]) -> Any:
        try:
            found = self._db.execute(query).fetchone()
        except (sqlite3.Error, ValueError, OverflowError):
            return None
        return found[0] if found is not None and isinstance(found[0], kind) else None


@contextmanager
def salvaged(path: Path, keys: Sequence[PublicKey]) -> Iterator[Salvage]:
    """Open a damaged spool for looking; the file is not touched. An unreadable first page is replaced in a copy."""
    octets = sum(one.stat().st_size for one in (path, path.with_name(path.name + "-wal")) if one.is_file())
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as name:
        readable = path if _has_tables(path) else _with_first_page(path, Path(name) / "copy")
        with closing(_looking_at(readable)) as db:
            yield Salvage(db, octets, keys)


def _looking_at(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    db.execute("PRAGMA cell_size_check = ON")
    db.text_factory = lambda octets: octets.decode("utf-8", "replace")
    return db


def _has_tables(path: Path) -> bool:
    try:
        with closing(_looking_at(path)) as db:
            found = {name for (name,) in db.execute("SELECT name FROM sqlite_schema")}
    except sqlite3.Error:
        return False
    return {"chain", "counter", "document", "sealed"} <= found


def _with_first_page(path: Path, copy: Path) -> Path:
    """Copy the spool and give it the first page that every spool of this schema has: where its tables begin."""
    fresh = copy.with_name("fresh")
    SpoolDatabase(fresh, create=True).close()
    page = bytearray(fresh.read_bytes()[:_PAGE])
    if path.is_file():
        shutil.copyfile(path, copy)
    with copy.open("r+b" if copy.exists() else "x+b") as file:
        size = max(file.seek(0, 2) // _PAGE, fresh.stat().st_size // _PAGE)
        page[28:32] = size.to_bytes(4, "big")  # pages in the file (SQLite's file format, §1.3)
        page[32:40] = bytes(8)  # no free pages
        file.seek(0)
        file.write(page)
    wal = path.with_name(path.name + "-wal")
    if wal.is_file():
        shutil.copyfile(wal, copy.with_name("copy-wal"))
    return copy
