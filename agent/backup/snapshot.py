"""A state of the agent at rest, taken while it runs: small files read, databases copied by SQLite's own backup.

Order matters. What a meter's record or the schedule says is true once its reading is in the spool; so the spool is
copied last. A restored agent may then read a meter once more than it had to, never once less.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import mkdtemp
from typing import BinaryIO

from agent.audit_files import locked
from agent.backup.contents import Source, is_database
from agent.backup.manifest import Member
from agent.errors import LocalTrouble

MOST_IN_MEMORY = 16_777_216  # octets of keys and configuration together
_PREFIX = ".backup-"
_PIECE = 1_048_576
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Taken:
    """One file at rest: in memory if it may hold a secret, else as a copy."""

    member: Member
    content: bytes | Path

    def open(self) -> BinaryIO:
        return BytesIO(self.content) if isinstance(self.content, bytes) else self.content.open("rb")


@contextmanager
def workplace(state_directory: Path) -> Iterator[Path]:
    """Hold a directory for copies, private like the state itself; one backup at a time. Raises `LocalTrouble`.

    What a killed backup left is removed first.
    """
    lock = os.open(state_directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise LocalTrouble("another backup is under way", advice="wait until it is done") from err
        for left in state_directory.glob(f"{_PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)
        place = Path(mkdtemp(prefix=_PREFIX, dir=state_directory))
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
    finally:
        os.close(lock)


def take_in_memory(sources: list[Source]) -> list[Taken]:
    """Read files that belong together, until two looks at all of them agree: a change in between is not torn."""
    before: list[Taken] = []
    for _ in range(_ATTEMPTS):
        taken = [_read(source) for source in sources]
        if taken == before:
            return taken
        before = taken
    raise LocalTrouble("keys or configuration change while they are read", advice="try again when they are settled")


def take_files(sources: list[Source], place: Path, audit_log: Path) -> list[Taken]:
    """Copy files of the state; those of the audit log while nobody writes it, and databases as they are at one moment.

    A file that is gone by now was finished with: it is left out.
    """
    logs = [source for source in sources if source.path.name.startswith(audit_log.name)]
    taken = [_copy(source, place) for source in sources if source not in logs]
    if logs:
        with locked(audit_log):
            taken += [_copy(source, place) for source in logs]
    return [one for one in taken if one is not None]


def _read(source: Source) -> Taken:
    with source.path.open("rb") as file:
        content = file.read(MOST_IN_MEMORY + 1)
    if len(content) > MOST_IN_MEMORY:
        raise LocalTrouble(f"{source.path} is too large for a file of its kind", advice="it is a wrong file")
    return Taken(Member(source.name, len(content), hashlib.sha256(content).hexdigest()), content)


def _copy(source: Source, place: Path) -> Taken | None:
    target = place / source.name.replace("/", "%")
    with suppress(FileNotFoundError):
        if is_database(source.path):
            copy_database(source.path, target)
        else:
            shutil.copyfile(source.path, target)
        return Taken(member_of(source.name, target), target)
    return None


def copy_database(path: Path, target: Path) -> None:
    """Copy a database as it is at one moment, whoever writes it meanwhile. Raises `LocalTrouble`."""
    try:
        with (
            closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            live.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE").fetchone()  # one file, whole in itself
    except sqlite3.Error as err:
        raise LocalTrouble(f"cannot copy {path}: {err}", advice="check free space; `mrsp spool verify`") from err


def member_of(name: str, path: Path) -> Member:
    """Return size and digest of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
    return Member(name, size, digest.hexdigest())
