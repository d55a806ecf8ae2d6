"""The SQLite file of the requests: made 0600, full sync, migrated by numbered files, its errors in plain words."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path

from drivers.pager.jobs_states import StoreTrouble

BUSY_TIMEOUT_S = 10.0  # others hold the lock for milliseconds; ten seconds means stuck
_ADVICE = "check free space, the disk's health and the owner of the directory; nobody is paged without it"


class JobFile:
    """One connection, used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open the file, made if missing. Raises `StoreTrouble`."""
        self.path = path
        _prepare(path)
        with self._told("open"):
            self._db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            with self._told("open"):
                self._db.row_factory = sqlite3.Row
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
            self._migrate()
        except BaseException:
            self._db.close()
            raise

    @contextmanager
    def transaction(self, doing: str) -> Iterator[sqlite3.Connection]:
        """Run a block in one transaction: all of it on the disk when the block ends, or none of it."""
        with self._told(doing):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # some errors (disk full) have rolled back already
                    with suppress(sqlite3.Error):  # the first error is the one to report
                        self._db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the connection; the last one folds the journal into the file."""
        self._db.close()

    def _migrate(self) -> None:
        schemas = _schemas()
        newest = max(schemas)
        with self.transaction("migrate") as db:
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
            if version > newest:
                raise StoreTrouble(
                    f"{self.path} has schema {version}; this version knows {newest} and older",
                    advice="use the version of the program that wrote it, or a newer one",
                )
            for number in range(version + 1, newest + 1):
                for statement in _statements(schemas[number]):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {number}")

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreTrouble(f"cannot {doing} the requests in {self.path}: {error}", advice=_ADVICE) from error


def _prepare(path: Path) -> None:
    """Make the file 0600 before SQLite opens it (its journals inherit the mode), or check that it is so."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise StoreTrouble(f"cannot open {path}: {error.strerror}", advice=_ADVICE) from error
    if mode & 0o077:
        raise StoreTrouble(f"{path} is open to other users (mode {mode:04o})", advice=f"chmod 600 {path}")


def _schemas() -> dict[int, str]:
    folder = files("drivers.pager") / "jobs_schemas"
    return {int(file.name[:3]): file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".sql")}


def _statements(script: str) -> Iterator[str]:
    """Split a schema file; `executescript` would commit the transaction that makes a migration whole."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
