"""Photographs from the field, kept in the state directory: evidence, named by their content, never interpreted."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Literal, get_args

from agent.durable_file import make_directory, sync_directory
from agent.errors import LocalTrouble, UsageError

PHOTOS = "field/photos"  # the directory's name among the agent's state
LARGEST_PHOTO = 16 * 1024 * 1024  # octets
BUDGET = 2 * 1024 * 1024 * 1024
RECENT = timedelta(days=40)  # never removed to make room: the MDSP may still ask
PHOTO_NAME = re.compile(r"(?P<sha256>[0-9a-f]{64})\.(?P<suffix>jpg|png|webp|heic)")
_PIECE = 1 << 20
_HEAD = 16  # octets that tell what it is
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}  # brands (ISO 23008-12)

Suffix = Literal["jpg", "png", "webp", "heic"]
MediaType = Literal["image/jpeg", "image/png", "image/webp", "image/heic"]
_TYPES: dict[str, MediaType] = dict(zip(get_args(Suffix), get_args(MediaType), strict=True))

_log = logging.getLogger("agent.field")


@dataclass(frozen=True, slots=True)
class Photo:
    """One photograph. `name`, `<sha256>.<jpg|png|webp|heic>`, is fit for a URL and for `Entry.photos`."""

    name: str
    media_type: MediaType
    octets: int
    sha256: str


class Photos:
    """The photographs of one agent, in `directory`, made if missing (0700)."""

    def __init__(self, directory: Path, *, most_octets: int = LARGEST_PHOTO, budget_octets: int = BUDGET) -> None:
        """`most_octets`: of one; `budget_octets`: of all, beyond which the oldest go, but for those of late."""
        self._directory = directory
        self._most_octets = most_octets
        self._budget_octets = budget_octets
        self._one = asyncio.Lock()

    async def keep(self, source: BinaryIO) -> Photo:
        """Keep what `source` holds, durably; the same picture twice is kept once.

        What it is, its first octets say, whatever its name was. Raises `UsageError` for what is too large or no
        photograph, `LocalTrouble` if the disk refuses it or there is no room.
        """
        async with self._one:
            return await asyncio.to_thread(self._keep, source)

    async def find(self, name: str) -> Photo:
        """Return the photograph of that name. Raises `UsageError` if there is none."""
        return await asyncio.to_thread(self._find, name)

    def path(self, photo: Photo) -> Path:
        """Return where it is."""
        return self._directory / photo.name

    def _keep(self, source: BinaryIO) -> Photo:
        draft = self._directory / f".{secrets.token_hex(8)}.part"
        try:
            make_directory(self._directory)
            try:
                photo = self._copied(source, draft)
                self._make_room(photo.octets)
                draft.rename(self.path(photo))
                sync_directory(self._directory)
            finally:
                with suppress(FileNotFoundError):
                    draft.unlink()
        except OSError as error:
            advice = "check free space and the owner of the directory"
            raise LocalTrouble(f"the photograph cannot be kept: {error.strerror}", advice=advice) from error
        return photo

    def _copied(self, source: BinaryIO, draft: Path) -> Photo:
        """Write the picture to `draft`, synced, in pieces; return what it is."""
        digest, octets, head = hashlib.sha256(), 0, b""
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            while piece := source.read(_PIECE):
                octets += len(piece)
                if octets > self._most_octets:
                    raise UsageError(f"the photograph has more than {self._most_octets:,} octets")
                if len(head) < _HEAD:
                    head += piece[:_HEAD]
                digest.update(piece)
                file.write(piece)
            suffix = sniffed(head)
            file.flush()
            os.fsync(file.fileno())
        return Photo(f"{digest.hexdigest()}.{suffix}", _TYPES[suffix], octets, digest.hexdigest())

    def _find(self, name: str) -> Photo:
        found = PHOTO_NAME.fullmatch(name)
        try:
            if found is None:
                raise FileNotFoundError  # noqa: TRY301 - said below
            octets = (self._directory / name).stat().st_size
        except FileNotFoundError:
            raise UsageError("there is no such photograph") from None
        except OSError as error:
            raise LocalTrouble(f"the photograph cannot be read: {error.strerror}") from error
        return Photo(name, _TYPES[found["suffix"]], octets, found["sha256"])

    def _make_room(self, octets: int) -> None:
        """Remove the oldest until `octets` more fit. Raises `LocalTrouble` where only recent ones are left."""
        found = [(path.stat(), path) for path in self._directory.iterdir() if PHOTO_NAME.fullmatch(path.name)]
        excess = sum(status.st_size for status, _path in found) + octets - self._budget_octets
        if excess <= 0:
            return
        before = (datetime.now(UTC) - RECENT).timestamp()
        for status, path in sorted(found, key=lambda one: one[0].st_mtime_ns):
            if excess <= 0 or status.st_mtime >= before:
                break
            path.unlink(missing_ok=True)
            _log.info("photograph %s was removed to make room", path.name)
            excess -= status.st_size
        if excess > 0:
            advice = "send what there is to the MDSP, then remove some of the oldest by hand"
            raise LocalTrouble("there is no room for another photograph", advice=advice)


def sniffed(head: bytes) -> Suffix:
    """Return what a picture is by its first octets. Raises `UsageError` for anything but a photograph."""
    if head.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC:
        return "heic"
    raise UsageError("this is no photograph", advice="JPEG, PNG, WebP and HEIC are taken")
