"""The recordings of an agent's visits: kept compressed for a time, so that every value can be re-derived from them.

    <directory>/<sha256>.rec.gz              one visit, named by what it says (`drivers.transport.recording_file`)
    <directory>/<reading_id>.rec.gz          a link to the recording of that reading
    <directory>/.visit-<pid>-<random>.rec    of a visit under way, or left by a power cut: adopted at the next start

`agent.taking` makes the recording of one visit.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import secrets
import shutil
import zlib
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent.durable_file import sync_directory, write_durably
from agent.errors import LocalTrouble, UsageError
from agent.reading import RecordingPart
from agent.utc_text import utc_text
from drivers.errors import DataError
from drivers.transport.recording_file import MAX_FILE, is_header

SUFFIX = ".rec.gz"
RESERVE_OCTETS = 64 * 1024 * 1024  # of the disk: left to the spool, which must never find it full
_CHUNK = 1 << 20
_GZIP = 31  # wbits of zlib: a gzip file, without time and name, so that the same recording gives the same file
_GZIP_MAGIC = b"\x1f\x8b"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_READING_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_UNDER_WAY = re.compile(r"\.visit-(?P<pid>[0-9]+)-[0-9a-f]+\.rec")
_UNSET_CLOCK = datetime(2020, 1, 1, tzinfo=UTC)  # a box without a battery clock starts before this
_OLD_DRAFT = timedelta(minutes=10)
_OLD_VISIT = timedelta(days=1)

_log = logging.getLogger("agent.recordings")


class Recordings:
    """The directory of recordings of one agent. Its blocking work runs on threads; safe beside other processes."""

    def __init__(self, directory: Path, *, keep: timedelta, budget_octets: int) -> None:
        self.directory = directory
        self._keep = keep
        self._budget_octets = budget_octets

    def begin(self) -> Path:
        """Return the path of a new recording, made empty. Raises `LocalTrouble` if there is no room to record."""
        path = self.directory / f".visit-{os.getpid()}-{secrets.token_hex(8)}.rec"
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            free = shutil.disk_usage(self.directory).free
            if free < RESERVE_OCTETS:
                msg = f"only {free:,} octets of the disk are free, which are left to the readings"
                raise LocalTrouble(msg, advice="free some space, or give `recordings.budget_octets` less")
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise LocalTrouble(f"{self.directory} takes no recording: {error.strerror}") from error
        return path

    async def keep(self, path: Path, now: datetime) -> RecordingPart:
        """Keep a compressed copy of the closed recording at `path`, durable on return; the same one twice is one.

        Raises `LocalTrouble` when it cannot be read or kept.
        """
        return await asyncio.to_thread(self._store, path, now)

    async def link(self, reading_id: str, part: RecordingPart) -> None:
        """Note which reading the recording belongs to, durably. Never raises: without the note its hash finds it."""
        await asyncio.to_thread(self._link, reading_id, part.sha256)

    async def open(self, name: str) -> bytes:
        """Return the recording with this SHA-256, or of this reading, as it was recorded.

        Raises `LocalTrouble` if there is none (any more), `DataError` if it was changed since it was kept.
        """
        return await asyncio.to_thread(self._read, name)

    async def adopt(self) -> int:
        """Keep what a crash or power cut left of visits, remove what is of no use; return how many were kept."""
        return await asyncio.to_thread(self._adopt)

    async def prune(self, now: datetime, *, waiting: Collection[str] = ()) -> int:
        """Remove recordings beyond their time, then the oldest ones beyond the budget; return how many.

        Those of the readings `waiting` (ids) for their acknowledgement stay, whatever their age and size.
        """
        return await asyncio.to_thread(self._prune, now, waiting)

    def _store(self, path: Path, now: datetime) -> RecordingPart:
        try:
            part, compressed = _compressed(path)
            if len(compressed) > self._budget_octets:
                raise LocalTrouble(f"{len(compressed):,} octets are more than `recordings.budget_octets` allows")
            target = self._path(part.sha256)
            if not target.exists():
                write_durably(target, compressed)
            os.utime(target, (now.timestamp(), now.timestamp()))
        except OSError as error:
            raise LocalTrouble(f"the recording {path} cannot be kept: {error.strerror}") from error
        return RecordingPart(sha256=part.sha256, octets=part.octets, kept_until=utc_text(now + self._keep))

    def _link(self, reading_id: str, sha256: str) -> None:
        try:
            if not _READING_ID.fullmatch(reading_id):
                return
            with suppress(FileExistsError):
                self._path(reading_id).symlink_to(self._path(sha256).name)
            sync_directory(self.directory)
        except OSError as error:
            _log.warning("reading %s cannot be linked to its recording: %s", reading_id, error.strerror)

    def _read(self, name: str) -> bytes:
        if not _READING_ID.fullmatch(name):
            raise LocalTrouble(f"{name!r} names no recording", advice="give a SHA-256 or the id of a reading")
        path = self._path(name)
        try:
            sha256 = name if _SHA256.fullmatch(name) else path.readlink().name.removesuffix(SUFFIX)
            compressed = path.read_bytes()
        except OSError as error:
            missing = f"there is no recording of {name} in {self.directory}: {error.strerror}"
            raise LocalTrouble(missing, advice="it may be beyond `recordings.keep`, or of another agent") from error
        content = inflate(compressed, str(path))
        if hashlib.sha256(content).hexdigest() != sha256:
            raise DataError(f"{path} was changed since it was kept: its SHA-256 is another", advice="restore a backup")
        return content

    def _adopt(self) -> int:
        kept, now = 0, datetime.now(UTC)
        for entry in self._entries():
            age = now - datetime.fromtimestamp(entry.stat(follow_symlinks=False).st_mtime, UTC)
            found = _UNDER_WAY.fullmatch(entry.name)
            if found is None:
                if entry.name.endswith(f"{SUFFIX}.part") and age > _OLD_DRAFT:
                    Path(entry).unlink(missing_ok=True)
            elif age > _OLD_VISIT or not _is_alive(int(found["pid"])):
                kept += self._adopt_one(Path(entry))
        return kept

    def _adopt_one(self, path: Path) -> bool:
        """Keep one recording that was left under way, if there is anything in it; whether it was kept."""
        kept = False
        try:
            if has_content(path):
                part = self._store(path, datetime.fromtimestamp(path.stat().st_mtime, UTC))
                _log.warning("the recording of a visit that was cut short is kept as %s", part.sha256)
                kept = True
        except LocalTrouble as error:
            _log.warning("what is left of a visit is removed: %s", error)
        path.unlink(missing_ok=True)
        return kept

    def _prune(self, now: datetime, waiting: Collection[str]) -> int:
        held = {target for name in waiting if _READING_ID.fullmatch(name) for target in self._target(name)}
        files = sorted(self._kept(now))
        octets = sum(size for _, size, _ in files)
        removed = 0
        for made, size, path in files:
            if made + self._keep >= now and octets <= self._budget_octets and not self._disk_is_full():
                break
            if path.name in held:
                continue
            path.unlink(missing_ok=True)
            octets -= size
            removed += 1
        if removed:
            for entry in self._entries():
                if entry.is_symlink() and not Path(entry).exists():
                    Path(entry).unlink(missing_ok=True)
        return removed

    def _kept(self, now: datetime) -> Iterator[tuple[datetime, int, Path]]:
        """Yield when each recording was made, its octets and its path. One made by a clock astray counts from now."""
        for entry in self._entries():
            name = entry.name.removesuffix(SUFFIX)
            if not _SHA256.fullmatch(name) or entry.is_symlink():
                continue
            facts = entry.stat()
            made = datetime.fromtimestamp(facts.st_mtime, UTC)
            if (made < _UNSET_CLOCK or made > now) and now >= _UNSET_CLOCK:
                os.utime(entry, (now.timestamp(), now.timestamp()))
                made = now
            yield made, facts.st_size, Path(entry)

    def _target(self, reading_id: str) -> Iterator[str]:
        with suppress(OSError):
            yield self._path(reading_id).readlink().name

    def _entries(self) -> list[os.DirEntry[str]]:
        with suppress(FileNotFoundError), os.scandir(self.directory) as entries:
            return list(entries)
        return []

    def _disk_is_full(self) -> bool:
        return shutil.disk_usage(self.directory).free < RESERVE_OCTETS

    def _path(self, name: str) -> Path:
        return self.directory / f"{name}{SUFFIX}"


def digest(path: Path) -> RecordingPart:
    """Return the SHA-256 and the octets of a recording that somebody else keeps. Raises `OSError`."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return RecordingPart(sha256=sha256, octets=file.tell())


def read_recording(path: Path) -> bytes:
    """Return the recording in a file of any name, compressed or not. Raises `UsageError`, `DataError`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"recording {path} cannot be read: {error.strerror}") from error
    return inflate(content, str(path)) if content.startswith(_GZIP_MAGIC) else content


def inflate(compressed: bytes, name: str) -> bytes:
    """Return what a kept recording holds. Raises `DataError` if it is damaged or larger than any recording."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        content = unpacker.decompress(compressed, MAX_FILE + 1)
    except zlib.error as error:
        raise DataError(f"{name} is damaged: {error}") from error
    if len(content) > MAX_FILE or not unpacker.eof:
        raise DataError(f"{name} is damaged: it is cut short, or larger than any recording")
    return content


def _compressed(path: Path) -> tuple[RecordingPart, bytes]:
    """Return digest and compressed content; the same recording always gives the same octets."""
    packer, sha256 = zlib.compressobj(9, zlib.DEFLATED, _GZIP), hashlib.sha256()
    octets, out = 0, bytearray()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            octets += len(chunk)
            if octets > MAX_FILE:
                raise LocalTrouble(f"the recording {path} is larger than {MAX_FILE:,} octets")
            sha256.update(chunk)
            out += packer.compress(chunk)
    return RecordingPart(sha256=sha256.hexdigest(), octets=octets), bytes(out + packer.flush())


def has_content(path: Path) -> bool:
    """Whether there is a recording in the file at all."""
    try:
        with path.open("rb") as file:
            return is_header(file.readline(_CHUNK))
    except FileNotFoundError:
        return False


def is_complete(path: Path) -> bool:
    """Whether the recording goes on until the line was closed."""
    with path.open("rb") as file:
        file.seek(-min(file.seek(0, os.SEEK_END), 256), os.SEEK_CUR)
        return b'"event":"close"' in file.read().rstrip().rpartition(b"\n")[2]


def _is_alive(pid: int) -> bool:
    """Whether another process of this number runs; our own visits under way are none at the start."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
