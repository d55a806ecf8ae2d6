"""The keys of a box that takes over: those of the backup, or new ones beside what still verifies the old documents."""

from __future__ import annotations

from pathlib import Path

import msgspec

from agent.backup.manifest import Manifest
from agent.durable_file import write_durably
from agent.errors import LocalTrouble
from agent.identity.layout import (
    CERTIFICATE_FILE,
    CREDENTIAL,
    KEY_FILE,
    NEXT_KEY_FILE,
    PREVIOUS_CERTIFICATE_FILE,
    PREVIOUS_KEY_FILE,
    RETIRED_FILE,
    TOKEN_FILE,
)
from agent.keys import DeviceKey, create_device_key, load_device_key
from agent.private_file import credential

_OF_THE_DEAD = (
    KEY_FILE,
    CERTIFICATE_FILE,
    NEXT_KEY_FILE,
    PREVIOUS_KEY_FILE,
    PREVIOUS_CERTIFICATE_FILE,
    TOKEN_FILE,
)
_NEW = "--new-identity makes a key for this box; the MDSP must then register it"


def identity_for(directory: Path, manifest: Manifest, *, new: bool) -> DeviceKey:
    """Return the key that signs from now on; `directory` has the key files of the backup. Raises `LocalTrouble`.

    `new`: made here. The key of a box that was stolen, or kept it on a token, must not or cannot go on.
    """
    if new:
        return _new_key(directory, manifest)
    if manifest.key == "credential" and credential(CREDENTIAL) is None:
        raise LocalTrouble(
            f"the device key is not in the backup: it was the systemd credential {CREDENTIAL}",
            advice=f"give it to this command too (systemd-run -p LoadCredential=…), or {_NEW}",
        )
    key = load_device_key(directory)
    if key.kid != manifest.kid:
        raise LocalTrouble(
            f"the device key here is {key.kid}, the one that signed the documents {manifest.kid}", advice=_NEW
        )
    return key


def _new_key(directory: Path, manifest: Manifest) -> DeviceKey:
    for name in _OF_THE_DEAD:
        (directory / name).unlink(missing_ok=True)
    key = create_device_key(directory)
    retired = msgspec.json.format(msgspec.json.encode({"keys": list(manifest.public_keys)}), indent=2)
    write_durably(directory / RETIRED_FILE, retired + b"\n")
    return key
