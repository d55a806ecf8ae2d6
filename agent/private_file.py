"""Files that hold a secret: read only if nobody else can read or change them."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from agent.errors import LocalTrouble
from drivers.key_file import open_to_others


def read_private_file(path: Path, *, limit: int, advice: str) -> bytes:
    """Return the content of `path`, at most `limit` octets; `advice` is what to do if there is no such file.

    The file that was checked is the one that is read. Raises `LocalTrouble` for one that is missing, a symbolic link,
    no regular file, larger, of another user, or open to group or others.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            _refuse_open(path, os.fstat(descriptor))
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(limit + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError as err:
        raise LocalTrouble(f"there is no {path}", advice=advice) from err
    except OSError as err:
        if err.errno == errno.ELOOP:
            raise LocalTrouble(
                f"{path} is a symbolic link", advice="put the file itself there: replacing it would replace the link"
            ) from err
        raise LocalTrouble(
            f"cannot read {path}: {err.strerror}", advice="check its owner, and the directory's"
        ) from err
    if len(content) > limit:
        raise LocalTrouble(f"{path} is larger than the {limit} octets that it may have", advice="it is a wrong file")
    return content


def check_private_file(path: Path) -> None:
    """Refuse a secret file that is missing or that group or others may read or write (`LocalTrouble`)."""
    if path.name.startswith("pkcs11:"):
        raise LocalTrouble(
            "the key of TLS cannot be on a PKCS#11 token: Python's ssl reads keys from files only",
            advice="documents can be signed by a token (`mrsp keys init --pkcs11-module …`); TLS has a key in a file",
        )
    try:
        status = path.stat()
    except FileNotFoundError as err:
        raise LocalTrouble(f"there is no {path}", advice="`mrsp keys init` makes a device key") from err
    except OSError as err:
        raise LocalTrouble(f"cannot look at {path}: {err.strerror}", advice="check who owns the directory") from err
    _refuse_open(path, status)


def credential(name: str) -> Path | None:
    """Return the file of the systemd credential `name`, or None if the service was given none of that name."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(directory, name) if directory else None
    return path if path is not None and path.exists() else None


def refuse_open_directory(directory: Path) -> None:
    """Refuse a directory for secrets that others may enter, or that is not ours to write into (`LocalTrouble`)."""
    status = directory.stat()
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise LocalTrouble(
            f"the key directory {directory} is open to other users (mode {mode:04o})", advice=f"chmod 700 {directory}"
        )
    if status.st_uid != os.geteuid():
        raise LocalTrouble(
            f"the key directory {directory} belongs to user {status.st_uid}, not to {os.geteuid()}",
            advice="run this as the user of the service (`sudo -u mrsp mrsp keys …`): it has to read what is written",
        )


def _refuse_open(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise LocalTrouble(f"{path} is not a regular file", advice="point the configuration at the file itself")
    mode = stat.S_IMODE(status.st_mode)
    if open_to_others(path, status):
        raise LocalTrouble(f"{path} is open to other users (mode {mode:04o})", advice=f"chmod 600 {path}")
    if status.st_uid not in {0, os.geteuid()} and os.geteuid() != 0:
        raise LocalTrouble(
            f"{path} belongs to user {status.st_uid}, who could change it", advice=f"chown {os.geteuid()} {path}"
        )
