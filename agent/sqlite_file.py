"""What the agent's SQLite files have in common: 0600, WAL, whole transactions, and schemas in numbered files."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources.abc import Traversable
from pathlib import Path

from agent.durable_file import make_directory, sync_directory
from agent.errors import LocalTrouble

BUSY_TIMEOUT_S = 5.0  # another process (`mrsp spool`) holds the write lock for milliseconds; five seconds means stuck
JOURNAL_LIMIT_OCTETS = 4_194_304


def prepare(path: Path, called: str, *, create: bool) -> None:
    """Make the file 0600 before SQLite opens it (its journals inherit the mode), or check that it is so.

    Raises `FileNotFoundError` if it is not there and not to be made; else `LocalTrouble`, in which it is `called` so.
    """
    try:
        if create:
            make_directory(path.parent)
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                sync_directory(path.parent)
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        raise
    except OSError as err:
        advice = "check free space and the owner of the directory"
        raise LocalTrouble(f"cannot open {called}: {err.strerror}", advice=advice) from err
    if mode & 0o077:
        what = f"cannot open {called}: it is open to other users (mode {mode:04o})"
        raise LocalTrouble(what, advice=f"chmod 600 {path}")


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection without transactions of its own, every commit synced. Raises `sqlite3.Error`."""
    db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            db.execute(f"PRAGMA {pragma}")
        db.execute(f"PRAGMA journal_size_limit = {JOURNAL_LIMIT_OCTETS}")
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def whole(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Run a block in one transaction: all of it is in the file when the block ends, or none of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # some errors (disk full) have rolled back already
            with suppress(sqlite3.Error):  # the first error is the one to report
                db.execute("ROLLBACK")
        raise


@contextmanager
def one_state(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Run a block that sees one state of the file."""
    db.execute("BEGIN")
    try:
        yield db
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")  # unlike COMMIT, it works on a damaged file too


def migrate(db: sqlite3.Connection, schemas: Traversable, called: str) -> None:
    """Bring a file to the newest of the `schemas`: numbered files (`001_what.sql`), each applied once, in order.

    Raises `LocalTrouble` if a newer version of the agent wrote it; it is `called` so. Else raises `sqlite3.Error`.
    """
    scripts = {int(file.name[:3]): file for file in schemas.iterdir() if file.name.endswith(".sql")}
    newest = max(scripts)
    if _version(db) == newest:
        return  # and nobody is kept waiting by one who looks
    with whole(db):
        version = _version(db)
        if version > newest:
            advice = "use the version of mrsp-agent that wrote it, or a newer one"
            what = f"cannot open {called}: it has schema {version}; this version knows {newest} and older"
            raise LocalTrouble(what, advice=advice)
        for number in range(version + 1, newest + 1):
            for statement in _statements(scripts[number].read_text("utf-8")):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")


def is_damage(err: sqlite3.Error) -> bool:
    """Return whether it is the file that is at fault: broken, or no database."""
    return (getattr(err, "sqlite_errorname", "") or "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    """Split a schema file; `executescript` would commit the transaction that makes a migration whole."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    yield statement  # a comment; or a statement that is not complete, which SQLite refuses
