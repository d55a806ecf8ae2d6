"""The spool's SQLite file: created 0600, WAL, full sync, migrated by numbered files, its errors in plain words."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path

from agent.durable_file import make_directory, sync_directory
from agent.errors import LocalTrouble

BUSY_TIMEOUT_S = 5.0  # another process (`mrsp spool`) holds the write lock for milliseconds; five seconds means stuck
JOURNAL_LIMIT_OCTETS = 4_194_304
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
        _prepare_file(path, create=create)
        with self._translated("open"):
            self._db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        try:
            self._configure()
            self._migrate()
        except BaseException:
            self._db.close()
            raise

    @contextmanager
    def transaction(self, doing: str) -> Iterator[sqlite3.Connection]:
        """Run a block in one transaction: all of it on the disk when the block ends, or none of it."""
        with self._translated(doing):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # some errors (disk full) have rolled back already
                    with suppress(sqlite3.Error):  # the first error is the one to report
                        self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self, doing: str) -> Iterator[sqlite3.Connection]:
        """Run a block in one read transaction: it sees one state of the spool. Nonsense in it is `SpoolDamaged`."""
        with self._translated(doing), self.making_sense(doing):
            self._db.execute("BEGIN")
            try:
                yield self._db
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")  # unlike COMMIT, it works on a damaged file too

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
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA foreign_keys = ON")
            # Do not write what was delivered once more, as zeros: half the wear, and the recordings hold it anyway.
            self._db.execute("PRAGMA secure_delete = FAST")
            self._db.execute(f"PRAGMA journal_size_limit = {JOURNAL_LIMIT_OCTETS}")
            self._page_octets = int(self._db.execute("PRAGMA page_size").fetchone()[0])

    def _migrate(self) -> None:
        schemas = _schemas()
        newest = max(schemas)
        with self.transaction("migrate") as db:
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
            if version > newest:
                raise LocalTrouble(
                    f"the spool {self.path} has schema {version}; this version knows {newest} and older",
                    advice="use the version of mrsp-agent that wrote it, or a newer one",
                )
            for number in range(version + 1, newest + 1):
                for statement in _statements(schemas[number]):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {number}")

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


def _prepare_file(path: Path, *, create: bool) -> None:
    """Make the file 0600 before SQLite opens it (its journals inherit the mode), or check that it is so."""
    try:
        if create:
            make_directory(path.parent)
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                sync_directory(path.parent)
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError as err:
        raise LocalTrouble(f"there is no spool at {path}", advice="check the path in the configuration") from err
    except OSError as err:
        advice = "check free space and the owner of the directory"
        raise LocalTrouble(f"cannot open the spool {path}: {err.strerror}", advice=advice) from err
    if mode & 0o077:
        raise LocalTrouble(f"the spool {path} is open to other users (mode {mode:04o})", advice=f"chmod 600 {path}")


def _schemas() -> dict[int, str]:
    folder = files("agent") / "spool_schemas"
    return {int(file.name[:3]): file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".sql")}


def _statements(script: str) -> Iterator[str]:
    """Split a schema file; `executescript` would commit the transaction that makes a migration whole."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
