"""User names and passwords as Logon and Security carry them (C12.18 §9.4)."""

from __future__ import annotations

import binascii
import contextlib
from typing import Literal

from drivers.errors import UsageError
from drivers.psem.services import PASSWORD_LENGTH, USER_LENGTH
from drivers.secret import Secret

Padding = Literal["nul", "space"]


def padded_user(user: str, padding: Padding) -> bytes:
    """Return the 10 octets of a user name. Raises `UsageError` if it is longer or not ASCII."""
    try:
        value = user.encode("ascii")
    except UnicodeEncodeError:
        msg = f"the user name {user!r} has characters that are not ASCII"
        raise UsageError(msg) from None
    return _padded(value, USER_LENGTH, padding, "user name")


def padded_password(password: Secret, padding: Padding) -> Secret:
    """Return the 20 octets of a password; 40 hexadecimal digits stand for 20 octets. Raises `UsageError` if longer."""
    value = password.reveal()
    if len(value) == 2 * PASSWORD_LENGTH:
        with contextlib.suppress(binascii.Error):
            value = binascii.unhexlify(value)
    return Secret(_padded(value, PASSWORD_LENGTH, padding, "password"))


def _padded(value: bytes, size: int, padding: Padding, what: str) -> bytes:
    if len(value) > size:
        msg = f"the {what} has {len(value)} octets"
        raise UsageError(msg, advice=f"C12.18 allows {size}")
    return value.ljust(size, b"\0" if padding == "nul" else b" ")
