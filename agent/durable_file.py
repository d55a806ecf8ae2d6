"""A file that is there whole or not at all, and survives a power cut once it is there."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from agent.errors import LocalTrouble


def write_durably(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write `content` under a temporary name beside `path`, sync it, rename it, sync the directory.

    The directory is made if missing (0700). Raises `LocalTrouble`; then `path` is as it was, or, where only the last
    sync failed, whole and new, but not for sure after a power cut.
    """
    draft = path.with_name(f".{path.name}.part")
    try:
        make_directory(path.parent)
        with suppress(FileNotFoundError):
            draft.unlink()  # left by a power cut
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        sync_directory(path.parent)
    except OSError as err:
        with suppress(OSError):
            draft.unlink()
        advice = "check free space and the owner of the directory"
        raise LocalTrouble(f"cannot write {path}: {err.strerror}", advice=advice) from err


def make_directory(directory: Path) -> None:
    """Make `directory` (0700) and those above it, where they are missing, and make their names durable (`OSError`)."""
    missing = [one for one in (directory, *directory.parents) if not one.exists()]
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for one in missing:
        sync_directory(one.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in `directory` durable (`OSError` if the disk fails)."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
