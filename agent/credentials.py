"""Meter passwords: from a 0600 file or a systemd credential, never from the command line, never printed."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from agent.errors import LocalTrouble, UsageError
from drivers.secret import Secret

LONGEST = 20  # C12.18 Security carries 20 octets
HEXADECIMAL = re.compile(rb"[0-9A-Fa-f]{40}")


def load_password(path: Path) -> Secret:
    """Return the password in `path`: up to 20 octets, or exactly 40 hexadecimal digits for any 20 octets.

    One line end at the end of the file is not part of it. Raises `LocalTrouble` for a file that is missing or that
    others may read, `UsageError` for one that holds no password.
    """
    try:
        mode = path.stat().st_mode
        octets = path.read_bytes()[: 4 * LONGEST] if stat.S_ISREG(mode) else b""
    except OSError as error:
        raise LocalTrouble(f"the password file {path} cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise LocalTrouble(
            f"the password file {path} is open to others (mode {stat.S_IMODE(mode):04o})", advice=f"chmod 600 {path}"
        )
    octets = octets.removesuffix(b"\n").removesuffix(b"\r")
    if HEXADECIMAL.fullmatch(octets):
        octets = bytes.fromhex(octets.decode())
    if not octets or len(octets) > LONGEST:
        raise UsageError(
            f"the password file {path} holds no meter password", advice="one line of 1 to 20 octets, or 40 hex digits"
        )
    return Secret(octets)
