"""The audit log: every session with a meter and every write to one, in a chain of lines that only grows.

`FILE` holds the newest lines, `FILE.000001`, `FILE.000002` … the older ones, never renumbered, in time compressed; the
chain runs through all of them. A line that tells of a write is on the disk before the write is sent; lines of sessions
(`agent.audit_sessions`) reach it in groups. Several processes and threads may append: each takes the lock beside the
file, follows what others added, and goes on from there.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Self

from agent.audit_chain import LONGEST_LINE, BrokenChain, Chain, lines_of
from agent.audit_files import (
    ADVICE,
    AuditBroken,
    Newest,
    digest_of,
    end_of,
    locked,
    name_of,
    number_of,
    older_files,
    pack_older,
    remove,
)
from agent.durable_file import sync_directory
from agent.errors import LocalTrouble
from agent.utc_text import utc_text
from drivers.writes import Journal, MeterWrite, WriteOutcome

MOST_OCTETS = 4_194_304  # of one file, before the next one is begun
MOST_FILES = 256  # older ones: some 100 MB compressed, 40 meters read every 15 minutes for a year
MOST_UNSYNCED = 32  # lines that a power cut may take, at most

_log = logging.getLogger("agent.audit")


class AuditLog:
    """One audit log, open for appending. Raises `LocalTrouble` for what the disk or the chain refuses."""

    def __init__(
        self,
        path: Path,
        now: Callable[[], datetime],
        *,
        most_octets: int = MOST_OCTETS,
        most_files: int = MOST_FILES,
    ) -> None:
        """Open the log, made if need be (0600), and verify its newest file; `now` gives the time of each line."""
        self._path = path
        self._now = now
        self._most_octets = most_octets
        self._most_files = most_files
        self._chain = Chain()
        self._followed: tuple[int, int] | None = None  # inode of the newest file, and the octets of it that were read
        self._unsynced = 0  # lines written and not known to be on the disk
        self._one = threading.Lock()
        with self._newest() as file:
            self._catch_up(file)

    @property
    def head(self) -> str:
        """SHA-256 of the last line, hexadecimal: whoever keeps it elsewhere can prove that no line was cut off."""
        return self._chain.head

    def journal(self, *, authorized_by: str, reason: str, session: int = 0) -> Journal:
        """Return a journal whose lines name who gave leave, and why; `session`: number of the line that began it."""
        leave: dict[str, object] = {"authorized_by": authorized_by, "reason": reason}
        return AuditJournal(self, {**leave, "session": session} if session else leave)

    def append(self, event: str, fields: Mapping[str, object], *, durable: bool = True) -> int:
        """Add one line and return its number; on the disk when this returns, or where not `durable` by `sync`."""
        with self._newest() as file:
            self._catch_up(file)
            if os.fstat(file.descriptor).st_size >= self._most_octets:
                self._rotate(file)
            self._write(file, event, fields, durable=durable)
            return self._chain.seq

    def sync(self) -> None:
        """Bring every line to the disk, and compress older files."""
        if self._unsynced:
            with self._newest() as file:
                self._sync(file)
        with self._errors_of(self._path):
            pack_older(self._path)

    @classmethod
    def mended(cls, path: Path, now: Callable[[], datetime], **limits: int) -> Self:
        """Open the log; if its newest file is broken, put that aside as it is, go on without it, and say so in a line.

        The line names the file put aside and its SHA-256, and is the first that follows the older files.
        """
        try:
            return cls(path, now, **limits)
        except AuditBroken as broken:
            with cls._errors_of(path), locked(path):
                aside = path.with_name(f"{path.name}.broken-{now():%Y%m%dT%H%M%S}")
                if aside.exists():
                    raise
                facts = {"file": aside.name, "sha256": digest_of(path), "why": broken.message}
                path.rename(aside)
                sync_directory(path.parent)
            log = cls(path, now, **limits)
            log.append("set_aside", facts)
            _log.error("%s; it is kept as %s, and a new file begins", broken.message, aside)
            return log

    @contextmanager
    def _newest(self) -> Iterator[Newest]:
        """Hold the lock, and the newest file open."""
        with self._one, self._errors_of(self._path), locked(self._path):
            file = Newest(self._path)
            try:
                yield file
            finally:
                os.close(file.descriptor)

    @staticmethod
    @contextmanager
    def _errors_of(path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            advice = "check free space and the owner of the directory; no meter is visited or written to without it"
            raise LocalTrouble(f"the audit log {path}: {error.strerror or error}", advice=advice) from error

    def _sync(self, file: Newest) -> None:
        os.fsync(file.descriptor)
        self._unsynced = 0

    def _catch_up(self, file: Newest) -> None:
        """Follow the lines that were added since; cut off one that was never finished, and say so in the next."""
        status = os.fstat(file.descriptor)
        if self._followed is None or self._followed[0] != status.st_ino or self._followed[1] > status.st_size:
            older = older_files(self._path)
            self._chain = end_of(older[-1]) if older else Chain()
            self._followed = (status.st_ino, 0)
        begin = self._followed[1]
        fresh = os.pread(file.descriptor, status.st_size - begin, begin)
        whole = fresh[: fresh.rfind(b"\n") + 1]
        try:
            for line in lines_of(whole):
                self._chain.follow(line)
        except BrokenChain as broken:
            self._followed = None
            raise AuditBroken(f"the audit log {self._path} is broken: {broken}", advice=ADVICE) from broken
        self._followed = (status.st_ino, begin + len(whole))
        if torn := fresh[len(whole) :]:
            os.ftruncate(file.descriptor, begin + len(whole))
            self._write(file, "repaired", {"octets": len(torn), "sha256": hashlib.sha256(torn).hexdigest()})

    def _write(self, file: Newest, event: str, fields: Mapping[str, object], *, durable: bool = True) -> None:
        """Append one line in one piece and wait for the disk, if it must; take it back if that fails."""
        line = self._chain.next_line(utc_text(self._now()), event, fields)
        if len(line) > LONGEST_LINE:
            raise LocalTrouble(f"an entry of {len(line)} octets is too long for the audit log")
        size = os.fstat(file.descriptor).st_size
        try:
            if os.write(file.descriptor, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301 - the line is taken back below
            self._unsynced += 1
            if durable or self._unsynced >= MOST_UNSYNCED:
                self._sync(file)
        except OSError:
            os.ftruncate(file.descriptor, size)
            raise
        self._chain.follow(line)
        self._followed = (os.fstat(file.descriptor).st_ino, size + len(line))

    def _rotate(self, file: Newest) -> None:
        """Put the full file among the older ones and begin the next, which says so; drop the oldest over the limit."""
        self._sync(file)
        older = older_files(self._path)
        full = self._path.with_name(f"{self._path.name}.{number_of(older[-1]) + 1 if older else 1:06}")
        self._path.rename(full)
        file.reopen()
        self._chain.new_file()
        self._write(file, "continued", {"from": full.name, "sha256": digest_of(full)})
        older.append(full)
        for oldest in older[: max(0, len(older) - self._most_files)]:
            end = end_of(oldest)
            fields = {"file": name_of(oldest), "sha256": digest_of(oldest), "last_seq": end.seq, "last_line": end.head}
            self._write(file, "dropped", fields)  # first told, then done
            remove(oldest)
        sync_directory(self._path.parent)


class AuditJournal:
    """Implements `drivers.writes.Journal` over an audit log."""

    def __init__(self, log: AuditLog, leave: Mapping[str, object]) -> None:
        self._log = log
        self._leave = leave
        self._numbers: dict[MeterWrite, int] = {}

    def before(self, write: MeterWrite) -> None:
        """Set down durably that `write` is about to be sent. Raises `LocalTrouble`."""
        facts = {
            "url": write.url,
            "meter_id": write.meter_id,
            "what": write.what,
            "table": write.table,
            "octets": write.octets.hex(),
            "summary": write.summary,
        }
        self._numbers[write] = self._log.append("before", {**facts, **self._leave})

    def after(self, write: MeterWrite, outcome: WriteOutcome, detail: str) -> None:
        """Set down what became of it, with the number of its first line. Raises `LocalTrouble`."""
        facts = {"of": self._numbers.pop(write, 0), "meter_id": write.meter_id, "what": write.what}
        self._log.append("after", {**facts, "outcome": outcome, "detail": detail})
