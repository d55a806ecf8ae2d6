"""Which key signs now, followed while the service runs; and which keys signed before."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import msgspec
from joserfc.errors import JoseError

from agent.durable_file import write_durably
from agent.errors import LocalTrouble
from agent.identity.layout import CERTIFICATE_FILE, KEY_FILE, NEXT_KEY_FILE, RETIRED_FILE, TOKEN_FILE
from agent.keys import MAX_JWKS_OCTETS, DeviceKey, PublicKey, import_jwk, load_device_key
from agent.private_file import read_private_file

_log = logging.getLogger("agent.identity")


class DeviceKeys:
    """The key that signs documents, read again when its files change: a rotation needs no restart.

    A change that cannot be read keeps the key in use, with a warning. Used by one thread.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen: tuple[object, ...] = ()
        self._key: DeviceKey | None = None
        self._complaint = ""

    def present(self) -> DeviceKey:
        """Return the key to sign with now; `LocalTrouble` if there never was one that could be read."""
        names = (KEY_FILE, NEXT_KEY_FILE, CERTIFICATE_FILE, TOKEN_FILE)
        seen = tuple(file_state(self._directory / name) for name in names)
        if self._key is not None and seen == self._seen:
            return self._key
        try:
            key = load_device_key(self._directory)
        except LocalTrouble as err:
            if self._key is None:
                raise
            if str(err) != self._complaint:
                _log.warning("%s; documents are signed with the key %s as before", err, self._key.kid)
            self._complaint = str(err)
            return self._key
        if self._key is not None and key.kid != self._key.kid:
            _log.warning("documents are signed with the key %s from now on; before, with %s", key.kid, self._key.kid)
        self._seen, self._key, self._complaint = seen, key, ""
        return key

    def own(self) -> tuple[PublicKey, ...]:
        """Return what verifies every document of ours: the present key's public half, then the retired ones."""
        return _each_once(self.present(), retired_keys(self._directory))


def own_public_keys(directory: Path) -> tuple[PublicKey, ...]:
    """Return what verifies every document of this device: the present key's public half, then the retired ones."""
    return _each_once(load_device_key(directory), retired_keys(directory))


def retired_keys(directory: Path) -> tuple[PublicKey, ...]:
    """Return the public halves of the keys that signed before; `LocalTrouble` if the file is damaged."""
    path = directory / RETIRED_FILE
    try:
        return tuple(import_jwk(entry) for entry in _retired(path))
    except (JoseError, ValueError, TypeError, KeyError) as err:
        raise _damaged(path, err) from err


def retire(directory: Path, key: DeviceKey) -> None:
    """Keep the public half of `key`, durably, for checking what it signed; the MDSP must keep it too."""
    path = directory / RETIRED_FILE
    kept = [entry for entry in _retired(path) if entry.get("kid") != key.kid]
    octets = msgspec.json.format(msgspec.json.encode({"keys": [*kept, key.public_jwk()]}), indent=2)
    if len(octets) > MAX_JWKS_OCTETS:
        raise LocalTrouble(
            f"{path} is full", advice="it holds the keys of some hundred rotations: ask for a new device"
        )
    write_durably(path, octets + b"\n")


def file_state(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is replaced or rewritten; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


class _Jwks(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


def _retired(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        return msgspec.json.decode(read_private_file(path, limit=MAX_JWKS_OCTETS, advice="restore it"), type=_Jwks).keys
    except (msgspec.DecodeError, RecursionError, UnicodeError) as err:
        raise _damaged(path, err) from err


def _damaged(path: Path, err: Exception) -> LocalTrouble:
    return LocalTrouble(
        f"{path} is damaged: {err}",
        advice="it holds public keys only: take them from a backup, or from the MDSP's register",
    )


def _each_once(present: DeviceKey, retired: tuple[PublicKey, ...]) -> tuple[PublicKey, ...]:
    found = {key.kid: key for key in (*retired, present.public_key())}
    return (found.pop(present.kid), *found.values())
