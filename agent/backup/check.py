"""Looks at files of a backup before they become an agent's."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from agent.audit_verify import verify
from agent.backup.contents import is_database
from agent.backup.create import AUDIT_LOG
from agent.backup.errors import ArchiveRefused
from agent.backup.manifest import Member
from agent.backup.snapshot import member_of
from agent.errors import LocalTrouble


def check_databases(state: Path, *, spool: Path) -> None:
    """Raise `ArchiveRefused` for a database that is damaged; the `spool` has a check of its own."""
    for path in sorted(state.rglob("*")):
        if not path.is_file() or path == spool or not is_database(path):
            continue
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
                found = [row[0] for row in db.execute("PRAGMA integrity_check(1)")]
        except sqlite3.Error as err:
            found = [str(err)]
        if found != ["ok"]:
            raise ArchiveRefused(
                f"{path.name} of the backup is damaged: {found[0]!s:.200}", advice="use an older backup"
            )


def notes_on_audit(state: Path) -> list[str]:
    """Return what must be said of the audit log: one that does not hold is kept, and keeps no box from its meters."""
    log = state / AUDIT_LOG
    if not log.exists():
        return []
    try:
        found = verify(log)
    except LocalTrouble as err:
        return [f"the audit log of the backup cannot be read: {err.message}"]
    return [f"the chain of the audit log does NOT hold: {found.broken}"] if found.broken else []


def same_content(path: Path, member: Member) -> bool:
    """Return whether a file on this box is the very member of the backup."""
    return path.is_file() and member_of(member.name, path) == member
