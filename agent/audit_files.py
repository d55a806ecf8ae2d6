"""The files of an audit log: the newest as it grows, the older ones, which are compressed in time and stay readable.

audit.jsonl              the newest lines
audit.jsonl.000001.gz    an older file: its name, and the SHA-256 that a later line tells of it, are of its content
audit.jsonl.000002       … as it was before it is compressed (and where both are found, this one is read)
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.audit_chain import LONGEST_LINE, BrokenChain, Chain, lines_of
from agent.durable_file import sync_directory, write_durably
from agent.errors import LocalTrouble

LARGEST = 67_108_864  # octets of one file's content; a file is closed at a sixteenth of it
ADVICE = "put the files aside as they are and find out who changed them; a new log begins where there is none"
_GZ = ".gz"
_GZIP = 31  # wbits of zlib: a gzip file


class AuditBroken(LocalTrouble):
    """The chain does not hold: somebody changed the log, or the disk did."""


class Newest:
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


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of the log at `path`, made with its directory if need be. Raises `OSError`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def older_files(path: Path) -> list[Path]:
    """Return the older files of a log, oldest first, each once."""
    pattern = re.compile(re.escape(path.name) + r"\.\d{6,12}(\.gz)?")
    found = [file for file in path.parent.glob(f"{path.name}.*") if pattern.fullmatch(file.name)]
    by_number = {number_of(file): file for file in sorted(found, key=_is_packed, reverse=True)}
    return [by_number[number] for number in sorted(by_number)]


def number_of(file: Path) -> int:
    """Return the number of an older file."""
    return int(name_of(file).rpartition(".")[2])


def name_of(file: Path) -> str:
    """Return the name of an older file as lines of the log tell it, compressed or not."""
    return file.name.removesuffix(_GZ)


def octets_of(file: Path) -> bytes:
    """Return the content of one file of the log. Raises `OSError`, and `LocalTrouble` for one that is damaged."""
    with file.open("rb") as stream:
        octets = stream.read(LARGEST + 1)
    if _is_packed(file):
        unpacker = zlib.decompressobj(_GZIP)
        try:
            octets = unpacker.decompress(octets, LARGEST + 1)
        except zlib.error as error:
            raise LocalTrouble(f"the audit log {file} is damaged: {error}", advice=ADVICE) from error
        if not unpacker.eof and len(octets) <= LARGEST:
            raise LocalTrouble(f"the audit log {file} is damaged: it is cut short", advice=ADVICE)
    if len(octets) > LARGEST:
        raise LocalTrouble(f"the audit log {file} is larger than any of its files", advice=ADVICE)
    return octets


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a whole file's content, hexadecimal."""
    return hashlib.sha256(octets_of(file)).hexdigest()


def end_of(file: Path) -> Chain:
    """Return the chain as it stands after the last line of an older file. Raises `LocalTrouble`."""
    lines = list(lines_of(octets_of(file)[-LONGEST_LINE:]))
    chain = Chain()
    try:
        chain.begin(lines[-1] if lines else b"")
    except BrokenChain as broken:
        raise LocalTrouble(f"the audit log {file} is broken: its last line {broken.why}", advice=ADVICE) from broken
    chain.new_file()
    return chain


def remove(file: Path) -> None:
    """Remove an older file, also where it is there both compressed and not."""
    plain = file.with_name(name_of(file))
    plain.unlink(missing_ok=True)
    plain.with_name(plain.name + _GZ).unlink(missing_ok=True)


def pack_older(path: Path) -> int:
    """Compress what older files are not yet, durably; return how many. Raises `OSError`, `LocalTrouble`."""
    packed = 0
    for file in older_files(path):
        if _is_packed(file):
            continue
        packer = zlib.compressobj(9, zlib.DEFLATED, _GZIP)
        content = packer.compress(octets_of(file)) + packer.flush()
        with locked(path):  # nobody counts or follows the files meanwhile
            if file.exists():
                write_durably(file.with_name(file.name + _GZ), content)
                file.unlink()
                packed += 1
    return packed


def _is_packed(file: Path) -> bool:
    return file.name.endswith(_GZ)
