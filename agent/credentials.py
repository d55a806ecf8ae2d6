"""Passwords: from a 0600 file or a systemd credential, never from the command line, never printed.

A path `credential:NAME` names the credential NAME that systemd gave the service (`LoadCredential=`,
`LoadCredentialEncrypted=`; systemd.exec(5)): with the latter nothing readable is on the disk.
"""

from __future__ import annotations

import hmac
import os
import re
from pathlib import Path

from agent.errors import LocalTrouble, UsageError
from agent.private_file import credential, read_private_file
from drivers.secret import Secret

LONGEST = 20  # C12.18 Security carries 20 octets
LONGEST_SECRET = 1_024  # octets of any other password
HEXADECIMAL = re.compile(rb"[0-9A-Fa-f]{40}")
_CREDENTIAL = "credential:"
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}")  # a file name of its own (systemd.exec(5), Credentials)
_LINE_END = 2  # octets
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")  # that editors put before UTF-8 and UTF-16


def is_credential(text: str) -> bool:
    """Whether a path of the configuration names a systemd credential, which lies beside no file of ours."""
    return text.startswith(_CREDENTIAL)


def has_credentials() -> bool:
    """Whether systemd gave this process any credential; a command at a terminal has none, and cannot look one up."""
    return bool(os.environ.get("CREDENTIALS_DIRECTORY"))


def located(path: Path) -> Path:
    """Return the file that `path` names: itself, or that of the credential in `credential:NAME`.

    Raises `UsageError` for a name that is none, `LocalTrouble` for a credential that this process was not given.
    """
    text = str(path)
    if not is_credential(text):
        return path
    name = text.removeprefix(_CREDENTIAL)
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{text!r:.300} names no credential", advice="letters, digits, dot, dash, underscore: credential:meter-4711"
        )
    found = credential(name)
    if found is None:
        why = "" if has_credentials() else ": only systemd gives it any"
        raise LocalTrouble(
            f"the credential {name} was not given to this process{why}",
            advice=f"write LoadCredential={name}:/path/to/file (or LoadCredentialEncrypted=) in the service's unit",
        )
    return found


def load_password(path: Path) -> Secret:
    """Return the meter password that `path` names: up to 20 octets, or exactly 40 hexadecimal digits for any 20 octets.

    One line end at the end of the file is not part of it. Raises `LocalTrouble` for a file that is missing, a symbolic
    link, of another user or open to others, `UsageError` for one that holds no password.
    """
    octets = _line(located(path), 2 * LONGEST, "meter password", "one line of 1 to 20 octets, or 40 hex digits")
    if HEXADECIMAL.fullmatch(octets):
        return Secret(bytes.fromhex(octets.decode()))
    if len(octets) > LONGEST:
        raise UsageError(
            f"the password file {path} holds no meter password", advice="one line of 1 to 20 octets, or 40 hex digits"
        )
    return Secret(octets)


def load_secret(path: Path, what: str) -> Secret:
    """Return any other password, of a broker or a carrier: one line of UTF-8. Raises as `load_password` does."""
    advice = f"one line of text, 1 to {LONGEST_SECRET} octets"
    octets = _line(located(path), LONGEST_SECRET, what, advice)
    try:
        octets.decode()
    except UnicodeDecodeError:
        raise UsageError(f"the password file {path} holds no {what}: it is not UTF-8", advice=advice) from None
    return Secret(octets)


def password_mark(path: Path, salt: bytes) -> str:
    """Return what changes when the password that `path` names is replaced, and tells next to nothing of it.

    Of a file: which one it is, its size, and when it was written. A credential is a new file whenever the service
    starts: eight bits of a digest stand for it, so that one change in 256 is missed. Raises as `located` does, and
    `LocalTrouble` for a file that cannot be looked at.
    """
    found = located(path)
    try:
        if found.parent == Path(os.environ.get("CREDENTIALS_DIRECTORY") or "/nowhere"):
            return hmac.digest(salt, found.read_bytes(), "sha256")[:1].hex()
        status = found.stat()
    except OSError as error:
        raise LocalTrouble(f"cannot look at {found}: {error.strerror}") from error
    return f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"


def _line(path: Path, longest: int, what: str, advice: str) -> bytes:
    """Return the one line of a private file. What is wrong with it is said without showing any of it."""
    missing = f"write the {what} into it, and `chmod 600` it"
    octets = read_private_file(path, limit=longest + _LINE_END + 1, advice=missing)
    octets = octets.removesuffix(b"\n").removesuffix(b"\r")
    wrong = ""
    if not octets:
        wrong = "it is empty"
    elif octets.startswith(_MARKS) or b"\0" in octets:
        wrong = "it begins with a byte order mark or has NUL octets, as editors save UTF-16"
    elif b"\n" in octets or b"\r" in octets:
        wrong = "it has more than one line"
    elif len(octets) > longest:
        wrong = "it is too long"
    if wrong:
        raise UsageError(f"the password file {path} holds no {what}: {wrong}", advice=advice)
    return octets
