"""A bundle as octets: a plain ustar archive, its signed manifest first, then each file in the manifest's order. Pure.

There is one way to write a manifest and its files, and only that is read: a link, another name, another mode, something
between or behind the files is not looked at, but differs. Nothing is believed before the signature was verified.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from agent.fleet.manifest import MOST_MANIFEST_OCTETS, MOST_OCTETS, Manifest, open_signed, refused
from agent.keys import PublicKey

MANIFEST = "manifest.jws"
BLOCK = 512
MOST_BUNDLE_OCTETS = MOST_OCTETS + 1_048_576 + MOST_MANIFEST_OCTETS  # files, their headers and padding, the manifest
_END = bytes(2 * BLOCK)
_SIZE = slice(124, 135)  # of a header: octal (POSIX.1-1988, ustar)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose signature and digests were verified."""

    manifest: Manifest
    kid: str  # of the key that signed it
    token: bytes  # the manifest as it was signed
    files: Mapping[str, bytes]


def pack(token: bytes, manifest: Manifest, files: Mapping[str, bytes]) -> bytes:
    """Return the bundle of a signed manifest and its files."""
    parts = [_member(MANIFEST, token), *(_member(file.name, files[file.name]) for file in manifest.files)]
    return b"".join(parts) + _END


def unpack(octets: bytes, keys: Collection[PublicKey]) -> Bundle:
    """Return what is in a bundle that one of `keys` signed. Raises `BundleRefused`."""
    if len(octets) > MOST_BUNDLE_OCTETS:
        raise refused(f"it is larger than {MOST_BUNDLE_OCTETS} octets")
    size = _first_size(octets)
    token = octets[BLOCK : BLOCK + size]
    kid, manifest = open_signed(token, keys)
    files, at = {}, _taken(octets, 0, MANIFEST, size)
    for file in manifest.files:
        begin, at = at + BLOCK, _taken(octets, at, file.name, file.octets)
        files[file.name] = octets[begin : begin + file.octets]
        if hashlib.sha256(files[file.name]).hexdigest() != file.sha256:
            raise refused(f"{file.name} is not what its manifest says")
    if octets[at:] != _END:
        raise refused("something follows its last file, or it ends too early")
    return Bundle(manifest, kid, token, files)


def _first_size(octets: bytes) -> int:
    text = octets[_SIZE]
    size = int(text, 8) if len(text) == 11 and all(0x30 <= digit <= 0x37 for digit in text) else -1
    if not 0 < size <= MOST_MANIFEST_OCTETS:
        raise refused(f"it does not begin with {MANIFEST}")
    return size


def _taken(octets: bytes, at: int, name: str, size: int) -> int:
    """Return where the member after that at `at` begins. Raises `BundleRefused` unless that is `name` of this size."""
    end = at + BLOCK + size
    after = end + -size % BLOCK
    if octets[at : at + BLOCK] != _header(name, size) or len(octets) < after or any(octets[end:after]):
        raise refused(f"where the file {name} should be, there is something else")
    return after


def _member(name: str, content: bytes) -> bytes:
    return _header(name, len(content)) + content + bytes(-len(content) % BLOCK)


def _header(name: str, size: int) -> bytes:
    import tarfile  # noqa: PLC0415 - only where a bundle is read or made, never in the service

    header = tarfile.TarInfo(name)
    header.size, header.mode, header.mtime = size, 0o600, 0
    return header.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
