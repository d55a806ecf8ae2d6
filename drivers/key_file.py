"""Private keys of TLS in files: used only if nobody else on the box can read or change them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from drivers.errors import UsageError


def refuse_open_key(path: str | Path) -> None:
    """Raise `UsageError` for a key file that is missing, no regular file, another user's, or open to others."""
    try:
        status = Path(path).stat()
    except OSError as error:
        raise UsageError(f"the key file {path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"the key file {path} is not a regular file")
    if open_to_others(Path(path), status):
        mode = stat.S_IMODE(status.st_mode)
        raise UsageError(f"the key file {path} is open to other users (mode {mode:04o})", advice=f"chmod 600 {path}")
    if status.st_uid not in {0, os.geteuid()} and os.geteuid() != 0:
        raise UsageError(
            f"the key file {path} belongs to user {status.st_uid}, who could change it",
            advice=f"chown {os.geteuid()} {path}",
        )


def open_to_others(path: Path, status: os.stat_result) -> bool:
    """Return whether group or others may read or change the file.

    systemd lets the service's user read a credential of root's by an ACL, whose mask shows as the group's read bit.
    """
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    granted = bool(directory) and path.parent == Path(directory or "") and status.st_uid == 0
    return bool(status.st_mode & (0o037 if granted else 0o077))
