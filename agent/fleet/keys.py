"""The public keys that may sign bundles: a JWKS file that only the box's administrator can change."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import msgspec
from joserfc.errors import JoseError

from agent.errors import LocalTrouble
from agent.keys import MAX_JWKS_OCTETS, MAX_KEYS, PublicKey, import_jwk

_CURVES = frozenset({"P-256", "Ed25519"})


class _Jwks(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


def load_fleet_keys(path: Path) -> tuple[PublicKey, ...]:
    """Return the keys in `path` (RFC 7517). Raises `LocalTrouble` for a file of no use, or that anybody may write."""
    try:
        with path.open("rb") as file:
            status = path.stat()
            text = file.read(MAX_JWKS_OCTETS + 1)
    except OSError as error:
        raise _trouble(path, f"cannot be read: {error.strerror}") from error
    if stat.S_IMODE(status.st_mode) & 0o022:
        raise LocalTrouble(f"the fleet's keys {path} can be changed by others", advice=f"chmod 644 {path}")
    if len(text) > MAX_JWKS_OCTETS:
        raise _trouble(path, f"is larger than {MAX_JWKS_OCTETS} octets")
    try:
        listed = msgspec.json.decode(text, type=_Jwks).keys
        keys = tuple(map(import_jwk, listed[:MAX_KEYS]))
    except (msgspec.DecodeError, UnicodeError, RecursionError, JoseError, ValueError, TypeError, KeyError) as error:
        raise _trouble(path, f"cannot be used: {error!s:.200}") from error
    if not keys or len(listed) > MAX_KEYS or any(key.curve_name not in _CURVES for key in keys):
        raise _trouble(path, f"must have 1 to {MAX_KEYS} keys on {' or '.join(sorted(_CURVES))}")
    return keys


def _trouble(path: Path, what: str) -> LocalTrouble:
    return LocalTrouble(f"the file {path} with the fleet's keys {what}", advice="`mrsp fleet key` prints such a file")
