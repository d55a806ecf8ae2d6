"""The spool's SQLite file: created 0600, WAL, full sync, migrated by numbered files, its errors in plain words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path

from agent.durable_file import sync_directory
from agent.errors import LocalTrouble
from agent.sqlite_file import connect, migrate, one_state, prepare, whole

REPAIR = "stop the agent; `mrsp spool restart-chain` saves what is readable, and goes on with the chain"
RESTARTED = ".restarted"  # beside the spool: what takes its place, see `agent.spool_restart`

# SQLite result name (prefix) → what happened, what the operator can do; first match wins.
_TROUBLES = (
    ("SQLITE_FULL", "the disk is full", "free space on the disk of the spool; nothing already in it is lost"),
    ("SQLITE_BUSY", "another process holds it", "stop the other `mrsp` process that uses this spool"),
    ("SQLITE_LOCKED", "another process holds it", "stop the other `mrsp` process that uses this spool"),
    ("SQLITE_CORRUPT", "the file is damaged", REPAIR),
    ("SQLITE_NOTADB", "it is not a spool file, or damaged", f"check the path; if it is right: {REPAIR}"),
    ("SQLITE_READONLY", "it cannot be written", "check the owner of the file and that the disk is mounted writable"),
    ("SQLITE_PERM", "permission is refused", "check the owner of the file and its directory"),
    ("SQLITE_CANTOPEN", "it cannot be opened", "check that the directory exists and belongs to this user"),
    ("SQLITE_IOERR", "the disk fails to read or write", "check free space and the health of the disk (dmesg)"),
)


class SpoolDamaged(LocalTrouble):
    """The file is damaged, or is not what the chain needs: it must be mended before anything is added."""


class SpoolDatabase:
    """One connection, used by one thread. Statements run in `reading()` or `transaction()`, which translate errors."""

    def __init__(self, path: Path, *, create: bool) -> None:
        self.path = path
        if create:
            finish_restart(path)
        try:
            prepare(path, f"the spool {path}", create=create)
        except FileNotFoundError as err:
            raise LocalTrouble(f"there is no spool at {path}", advice="check the path in the configuration") from err
        with self._translated("open"):
            self._db = connect(path)
        try:
            self._configure()
            with self._translated("migrate"):
                migrate(self._db, files("agent") / "spool_schemas", f"the spool {path}")
        except BaseException:
            self._db.close()
            raise

    @contextmanager
    def transaction(self, doing: str) -> Iterator[sqlite3.Connection]:
        """Run a block in one transaction: all of it on the disk when the block ends, or none of it."""
        with self._translated(doing), whole(self._db) as db:
            yield db

    @contextmanager
    def reading(self, doing: str) -> Iterator[sqlite3.Connection]:
        """Run a block in one read transaction: it sees one state of the spool. Nonsense in it is `SpoolDamaged`."""
        with self._translated(doing), self.making_sense(doing), one_state(self._db) as db:
            yield db

    @contextmanager
    def making_sense(self, doing: str) -> Iterator[None]:
        """Run a block that reads rows as they were written; values that cannot have been are `SpoolDamaged`."""
        try:
            yield
        except (ValueError, TypeError) as err:
            what = f"cannot {doing} the spool {self.path}: what it holds makes no sense ({err})"
            raise SpoolDamaged(what, advice=REPAIR) from err

    def used_octets(self) -> int:
        """Return the octets that live content takes in the file; pages freed by deliveries are used again."""
        with self._translated("measure"):
            pages, free = (
                self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count")
            )
        return int((pages - free) * self._page_octets)

    def close(self) -> None:
        self._db.close()

    def _configure(self) -> None:
        with self._translated("open"):
            # Do not write what was delivered once more, as zeros: half the wear, and the recordings hold it anyway.
            self._db.execute("PRAGMA secure_delete = FAST")
            self._page_octets = int(self._db.execute("PRAGMA page_size").fetchone()[0])

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as err:
            raise spool_trouble(self.path, doing, err) from err


def spool_trouble(path: Path, doing: str, err: sqlite3.Error) -> LocalTrouble:
    """Return the operator's version of an SQLite error."""
    name = getattr(err, "sqlite_errorname", "") or ""
    for prefix, what, advice in _TROUBLES:
        if name.startswith(prefix):
            kind = SpoolDamaged if prefix in {"SQLITE_CORRUPT", "SQLITE_NOTADB"} else LocalTrouble
            return kind(f"cannot {doing} the spool {path}: {what}", advice=advice)
    return LocalTrouble(f"cannot {doing} the spool {path}: {err} {name}".rstrip(), advice="`mrsp spool verify`")


def finish_restart(path: Path) -> Path | None:
    """Put a spool that was made anew in the place of the damaged one; return where that one is now.

    None if there is nothing to do. Every step can be the last before the power goes: the next start goes on from it.
    """
    anew = path.with_name(path.name + RESTARTED)
    try:
        if not anew.exists():
            return None
        number = 1
        while path.with_name(f"{path.name}.damaged-{number}").exists():
            number += 1
        aside = path.with_name(f"{path.name}.damaged-{number}")
        path.with_name(path.name + "-shm").unlink(missing_ok=True)
        for suffix in ("-wal", ""):
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
        sync_directory(path.parent)
        anew.rename(path)
        sync_directory(path.parent)
    except OSError as err:
        advice = "check the owner of the directory and the health of the disk"
        raise LocalTrouble(f"cannot put the spool {path} in its place: {err.strerror}", advice=advice) from err
    return aside
