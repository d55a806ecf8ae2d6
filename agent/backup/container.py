"""The inside of a backup: a plain ustar archive (POSIX.1-1988), written and read member by member.

Read strictly: regular files only, each exactly as the manifest says, in its order, nothing before, between or after.
So a link, a device, a name that leads elsewhere, or an endless member is refused at its header.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

from agent.backup.manifest import MANIFEST, MOST_MANIFEST_OCTETS, Manifest, Member, parse_manifest, refused

BLOCK = 512
_PIECE = 65_536
_END = bytes(2 * BLOCK)

#: Takes each member in turn: returns what takes its octets; that is called with b"" when they are all there, verified.
Sink = Callable[[Member], Callable[[bytes], None]]


class Readable(Protocol):
    def read(self, most: int) -> bytes:
        """Return up to `most` octets; none at the end."""


class Writable(Protocol):
    def write(self, octets: bytes) -> None:
        """Take octets."""


class Written(Exception):
    """A member is not what its size and digest, taken before, say: it was changed meanwhile."""


def write_member(out: Writable, member: Member, source: BinaryIO, mtime: int) -> None:
    """Write one member; raises `Written` if `source` is not what `member` says."""
    header = tarfile.TarInfo(member.name)
    header.size, header.mode, header.mtime = member.octets, 0o600, mtime
    out.write(header.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict"))
    left, digest = member.octets, hashlib.sha256()
    while left and (piece := source.read(min(left, _PIECE))):
        left -= len(piece)
        digest.update(piece)
        out.write(piece)
    if left or digest.hexdigest() != member.sha256:
        raise Written(member.name)
    out.write(bytes(-member.octets % BLOCK))


def write_end(out: Writable) -> None:
    """Write what ends an archive."""
    out.write(_END)


def read_backup(source: Readable, sink: Sink) -> Manifest:
    """Read a whole backup, giving each member to `sink`; return its manifest. Raises `ArchiveRefused`."""
    reader = _Exactly(source)
    size = _header(reader, MANIFEST)
    if size > MOST_MANIFEST_OCTETS:
        raise refused(f"its manifest has {size} octets")
    manifest = parse_manifest(b"".join(reader.pieces(size)))
    reader.pad(size)
    for member in manifest.members:
        if _header(reader, member.name) != member.octets:
            raise refused(f"{member.name} has another size than its manifest says")
        take = sink(member)
        digest = hashlib.sha256()
        for piece in reader.pieces(member.octets):
            digest.update(piece)
            take(piece)
        if digest.hexdigest() != member.sha256:
            raise refused(f"{member.name} is not what its manifest says")
        reader.pad(member.octets)
        take(b"")
    if reader.take(len(_END)) != _END or source.read(1):
        raise refused("something follows its last file")
    return manifest


class _Exactly:
    """Reads exactly what is asked for, or refuses the archive."""

    def __init__(self, source: Readable) -> None:
        self._source = source

    def pieces(self, count: int) -> Iterator[bytes]:
        while count:
            piece = self._source.read(min(count, _PIECE))
            if not piece:
                raise refused("it ends too early")
            count -= len(piece)
            yield piece

    def take(self, count: int) -> bytes:
        return b"".join(self.pieces(count))

    def pad(self, count: int) -> None:
        if any(self.take(-count % BLOCK)):
            raise refused("something stands between two of its files")


def _header(reader: _Exactly, name: str) -> int:
    """Read one header; return the size of its member, which must be a regular file called `name`."""
    block = reader.take(BLOCK)
    try:
        found = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, ValueError) as err:
        raise refused(f"there is no header where {name} should begin") from err
    if found.type != tarfile.REGTYPE or found.name != name:
        raise refused(f"where the file {name} should be, there is {found.name!r:.100}")
    return found.size
