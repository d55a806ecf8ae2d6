"""The file in which requests are remembered: SQLite, 0600, WAL, every change on the disk before it counts."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path

from agent.errors import LocalTrouble

BUSY_TIMEOUT_S = 5.0  # `mrsp requests` looks for milliseconds
JOURNAL_LIMIT_OCTETS = 4_194_304
VERSION = 1

_log = logging.getLogger("agent.requests")


class _Damaged(LocalTrouble):
    """The file is no database, or a broken one."""


class RequestDatabase:
    """One connection, used by one thread. `create`: made if missing, put aside if damaged; else it must be there."""

    def __init__(self, path: Path, *, create: bool) -> None:
        self.path = path
        try:
            self._open(create=create)
        except _Damaged as damage:
            if not create:
                raise
            aside = path.with_name(f"{path.name}.damaged")
            for suffix in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    Path(f"{path}{suffix}").replace(f"{aside}{suffix}")
            _log.error("%s; it is now %s, and requests issued before now are refused", damage, aside)
            self._open(create=True)

    @contextmanager
    def transaction(self, doing: str) -> Iterator[sqlite3.Connection]:
        """Run a block in one transaction: all of it on the disk when the block ends, or none of it."""
        with _translated(self.path, doing):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    with suppress(sqlite3.Error):  # the first error is the one to report
                        self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self, doing: str) -> Iterator[sqlite3.Connection]:
        """Run a block that sees one state of the file."""
        with _translated(self.path, doing):
            self._db.execute("BEGIN")
            try:
                yield self._db
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def close(self) -> None:
        self._db.close()

    def _open(self, *, create: bool) -> None:
        _prepare(self.path, create=create)
        with _translated(self.path, "open"):
            self._db = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            try:
                for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                    self._db.execute(f"PRAGMA {pragma}")
                self._db.execute(f"PRAGMA journal_size_limit = {JOURNAL_LIMIT_OCTETS}")
                version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
                if version == 0:
                    schema = (files("agent.requests") / "schema.sql").read_text("utf-8")
                    self._db.executescript(f"BEGIN IMMEDIATE;\n{schema}\nCOMMIT;")
                _refuse_newer(self.path, version)
            except BaseException:
                self._db.close()
                raise


@contextmanager
def _translated(path: Path, doing: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "") or ""
        kind = _Damaged if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) else LocalTrouble
        advice = "check free space and the owner of the file; another `mrsp` process may hold it"
        raise kind(f"cannot {doing} the requests in {path}: {error}", advice=advice) from error


def _refuse_newer(path: Path, version: int) -> None:
    if version > VERSION:
        advice = "use the version of mrsp-agent that wrote it, or a newer one"
        raise LocalTrouble(f"{path} has schema {version}; this version knows {VERSION}", advice=advice)


def _prepare(path: Path, *, create: bool) -> None:
    """Make the file 0600 before SQLite opens it, or check that it is there, and not open to others."""
    try:
        if create:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError as error:
        raise LocalTrouble(f"there are no requests at {path} yet", advice="`mrsp run` makes the file") from error
    except OSError as error:
        advice = "check free space and the owner of the directory"
        raise LocalTrouble(f"cannot open the requests in {path}: {error.strerror}", advice=advice) from error
    if mode & 0o077:
        raise LocalTrouble(f"{path} is open to other users (mode {mode:04o})", advice=f"chmod 600 {path}")
