"""A file of what the agent should not forget: SQLite, 0600, WAL, with numbered schemas. A damaged one is put aside.

ROUTES = StateFile("the routes in", "there are no routes", "they are to be loaded anew", files(…) / "schemas")
database = StateDatabase(ROUTES, path, create=True)
with database.transaction("write") as db:
    db.execute(…)
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

from agent.durable_file import sync_directory
from agent.errors import LocalTrouble
from agent.sqlite_file import connect, is_damage, migrate, one_state, prepare, whole

_log = logging.getLogger(__name__)


class StateDamaged(LocalTrouble):
    """The file is no database, or a broken one."""


@dataclass(frozen=True, slots=True)
class StateFile:
    """What a store's file is called, what losing it means, and which tables are in it."""

    called: str  # before its path, as in "cannot write … /x.sqlite": `the schedule`, `the requests in`
    absent: str  # as in "… at /x.sqlite yet": `there is no schedule`
    lost: str  # where a damaged one was put aside, as in "it is now /x.sqlite.damaged, and …"
    schemas: Traversable  # a folder: `001_what.sql` has the first tables, each further file what changed since
    through_power_cuts: bool = True  # each transaction goes through one; False: those that ask for it


class StateDatabase:
    """One connection, used by one thread. `create`: made if missing, put aside if damaged; else it must be there.

    Everything raises `LocalTrouble` if the disk does not take part; `StateDamaged` where the file is at fault.
    """

    def __init__(self, kind: StateFile, path: Path, *, create: bool) -> None:
        self._kind = kind
        self.path = path
        self._called = f"{kind.called} {path}"
        try:
            self._open(create=create)
        except StateDamaged as damage:
            if not create:
                raise
            aside = self._put_aside()
            _log.error("%s; it is now %s, and %s", damage, aside, kind.lost)
            self._open(create=True)

    @contextmanager
    def transaction(self, doing: str, *, through_power_cuts: bool = False) -> Iterator[sqlite3.Connection]:
        """Run a block in one transaction: all of it is kept, whatever becomes of the process, or none of it.

        `through_power_cuts`: all of it is on the disk on return, also where not each transaction of this file is.
        """
        with self._translated(doing):
            if not self._kind.through_power_cuts:
                self._db.execute(f"PRAGMA synchronous = {'FULL' if through_power_cuts else 'NORMAL'}")
            with whole(self._db) as db:
                yield db

    @contextmanager
    def reading(self, doing: str) -> Iterator[sqlite3.Connection]:
        """Run a block that sees one state of the file."""
        with self._translated(doing), one_state(self._db) as db:
            yield db

    def version_seen(self) -> int:
        """Return a number that changes when another process has written."""
        with self._translated("look into"):
            return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        self._db.close()

    def _open(self, *, create: bool) -> None:
        try:
            prepare(self.path, self._called, create=create)
        except FileNotFoundError as error:
            raise LocalTrouble(f"{self._kind.absent} at {self.path} yet", advice="`mrsp run` makes the file") from error
        with self._translated("open"):
            self._db = connect(self.path)
            try:
                migrate(self._db, self._kind.schemas, self._called)
                if create:
                    self._check()
            except BaseException:
                self._db.close()
                raise

    def _check(self) -> None:
        """Raise `StateDamaged` if a page is broken: met later, it would stop each call that comes upon it for ever."""
        found = str(self._db.execute("PRAGMA quick_check(1)").fetchone()[0])
        if found != "ok":
            raise StateDamaged(f"{self._called} is damaged: {found}")

    def _put_aside(self) -> Path:
        aside = self.path.with_name(f"{self.path.name}.damaged")
        try:
            # The file first: a journal that is left without one is not taken for that of the file which is made next.
            for suffix in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    Path(f"{self.path}{suffix}").replace(f"{aside}{suffix}")
            sync_directory(self.path.parent)
        except OSError as error:
            what = f"cannot put {self._called} aside: {error.strerror}"
            raise LocalTrouble(what, advice="check the owner of the directory and the health of the disk") from error
        return aside

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            what = f"cannot {doing} {self._called}: {error}"
            if is_damage(error):
                raise StateDamaged(what, advice="`mrsp run` puts a damaged file aside when it starts") from error
            advice = "check free space and the owner of the file; another `mrsp` process may hold it"
            raise LocalTrouble(what, advice=advice) from error
