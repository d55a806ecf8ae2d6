"""The audit log: every write to a meter, set down before it is sent and after, in a chain of lines that only grows.

`FILE` holds the newest lines, `FILE.000001`, `FILE.000002` … the older ones, never renumbered; the chain runs through
all of them. A line is on the disk before the write that it tells of is sent. Several processes may append: each takes
the lock beside the file, follows what others added, and goes on from there.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from agent.audit_chain import LONGEST_LINE, BrokenChain, Chain, lines_of
from agent.audit_verify import ADVICE, digest_of, end_of, number_of, older_files
from agent.durable_file import sync_directory
from agent.errors import LocalTrouble
from agent.utc_text import utc_text
from drivers.writes import Journal, MeterWrite, WriteOutcome

MOST_OCTETS = 4_194_304  # of one file, before the next one is begun
MOST_FILES = 256  # older ones; with them the log stays below 1.1 GB


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
        with self._newest() as file:
            self._catch_up(file)

    @property
    def head(self) -> str:
        """SHA-256 of the last line, hexadecimal: whoever keeps it elsewhere can prove that no line was cut off."""
        return self._chain.head

    def journal(self, *, authorized_by: str, reason: str) -> Journal:
        """Return a journal whose lines name who gave leave, and why."""
        return AuditJournal(self, authorized_by, reason)

    def append(self, event: str, fields: Mapping[str, object]) -> int:
        """Add one line, on the disk when this returns; return its number."""
        with self._newest() as file:
            self._catch_up(file)
            if os.fstat(file.descriptor).st_size >= self._most_octets:
                self._rotate(file)
            self._write(file, event, fields)
            return self._chain.seq

    @contextmanager
    def _newest(self) -> Iterator[_File]:
        """Hold the lock, and the newest file open."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                file = _File(self._path)
                try:
                    yield file
                finally:
                    os.close(file.descriptor)
            finally:
                os.close(lock)
        except OSError as error:
            advice = "check free space and the owner of the directory; nothing is written to a meter without it"
            raise LocalTrouble(f"the audit log {self._path}: {error.strerror or error}", advice=advice) from error

    def _catch_up(self, file: _File) -> None:
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
            raise LocalTrouble(f"the audit log {self._path} is broken: {broken}", advice=ADVICE) from broken
        self._followed = (status.st_ino, begin + len(whole))
        if torn := fresh[len(whole) :]:
            os.ftruncate(file.descriptor, begin + len(whole))
            self._write(file, "repaired", {"octets": len(torn), "sha256": hashlib.sha256(torn).hexdigest()})

    def _write(self, file: _File, event: str, fields: Mapping[str, object]) -> None:
        """Append one line in one piece and wait for the disk; take it back if that fails."""
        line = self._chain.next_line(utc_text(self._now()), event, fields)
        if len(line) > LONGEST_LINE:
            raise LocalTrouble(f"an entry of {len(line)} octets is too long for the audit log")
        size = os.fstat(file.descriptor).st_size
        try:
            _append(file.descriptor, line)
        except OSError:
            os.ftruncate(file.descriptor, size)
            raise
        self._chain.follow(line)
        self._followed = (os.fstat(file.descriptor).st_ino, size + len(line))

    def _rotate(self, file: _File) -> None:
        """Put the full file among the older ones and begin the next, which says so; drop the oldest over the limit."""
        older = older_files(self._path)
        full = self._path.with_name(f"{self._path.name}.{number_of(older[-1]) + 1 if older else 1:06}")
        self._path.rename(full)
        file.reopen()
        self._chain.new_file()
        self._write(file, "continued", {"from": full.name, "sha256": digest_of(full)})
        older.append(full)
        for oldest in older[: max(0, len(older) - self._most_files)]:
            end = end_of(oldest)
            fields = {"file": oldest.name, "sha256": digest_of(oldest), "last_seq": end.seq, "last_line": end.head}
            self._write(file, "dropped", fields)  # first told, then done
            oldest.unlink()
        sync_directory(self._path.parent)


def _append(descriptor: int, line: bytes) -> None:
    if os.write(descriptor, line) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(descriptor)


class AuditJournal:
    """Implements `drivers.writes.Journal` over an audit log."""

    def __init__(self, log: AuditLog, authorized_by: str, reason: str) -> None:
        self._log = log
        self._leave = {"authorized_by": authorized_by, "reason": reason}
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


class _File:
    """The newest file, open for reading and appending; made if missing, refused if others may look into it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.descriptor = self._open()

    def reopen(self) -> None:
        """Go over to the file that has the name now."""
        os.close(self.descriptor)
        self.descriptor = self._open()

    def _open(self) -> int:
        new = not self._path.exists()
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._path, flags, 0o600)
        if new:
            sync_directory(self._path.parent)
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode) or mode & 0o077:
            os.close(descriptor)
            raise LocalTrouble(
                f"the audit log {self._path} is open to others (mode {stat.S_IMODE(mode):04o})",
                advice=f"chmod 600 {self._path}",
            )
        return descriptor
