"""Changes to a key directory: a certificate comes in, a key is succeeded by the next. Each survives a power cut.

A certificate that replaces another keeps that one, with its key, until the broker has accepted the new one (`worked`):
a mistake of the CA must not cut off a device in the field. Replacing `device-cert.pem` is the step that counts; see
`agent.identity.layout`.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agent.durable_file import sync_directory, write_durably
from agent.errors import LocalTrouble
from agent.identity.chain import Chain, check_chain
from agent.identity.layout import (
    CERTIFICATE_FILE,
    KEY_FILE,
    NEXT_KEY_FILE,
    PREVIOUS_CERTIFICATE_FILE,
    PREVIOUS_KEY_FILE,
    TOKEN_FILE,
)
from agent.identity.present import retire
from agent.identity.token import TokenPlace
from agent.identity.token_file import add_token_key, read_token_file
from agent.keys import (
    MAX_CHAIN_OCTETS,
    DeviceKey,
    SigningAlgorithm,
    certified,
    create_device_key,
    load_device_key,
    load_tls_key,
    read_key,
)
from agent.private_file import refuse_open_directory


@dataclass(frozen=True, slots=True)
class Installed:
    """What an import did. `rotated`: with it, the next key became the present one."""

    chain: Chain
    rotated: bool
    unchanged: bool = False  # this very chain was installed already


def create_identity(
    directory: Path, algorithm: SigningAlgorithm = "ES256", *, place: TokenPlace | None = None
) -> DeviceKey:
    """Make the keys of a new device; return the one that signs documents. Never overwrites (`LocalTrouble`).

    With a `place` that key is made on the token there, and the one in the file is for TLS alone.
    """
    if (directory / TOKEN_FILE).exists():
        raise LocalTrouble(
            f"{directory / TOKEN_FILE} names keys of this device on a token already",
            advice="restore the key file that belongs to it, or move both away for a new identity",
        )
    made = create_device_key(directory, algorithm)
    if place is None:
        return made
    try:
        add_token_key(directory, place, beside=made.kid)
    except BaseException:
        made.path.unlink()  # of no use to anybody yet: the next attempt starts afresh
        raise
    return load_device_key(directory)


def import_certificate(directory: Path, octets: bytes, *, agent_id: str, now: datetime) -> Installed:
    """Check a chain (PEM) and install it durably; with one of the next key, that key takes over.

    Raises `CertificateRefused` for a chain that would not work, `LocalTrouble`; then all is as it was.
    """
    settle(directory)
    present, following = load_tls_key(directory), _next_key(directory)
    keys = [present, *([following] if following is not None else [])]
    chain = check_chain(octets, keys=keys, agent_id=agent_id, now=now)
    refuse_open_directory(directory)
    target = directory / CERTIFICATE_FILE
    installed = _content(target)
    if installed == chain.pem():
        return Installed(chain, rotated=False, unchanged=True)
    rotated = chain.key.kid != present.kid
    if rotated:
        retire(directory, load_device_key(directory))
    previous = directory / PREVIOUS_CERTIFICATE_FILE
    if installed is not None and certified(target) == present.kid and not previous.exists():
        write_durably(previous, installed)
    write_durably(target, chain.pem())
    settle(directory)
    return Installed(chain, rotated)


def start_rotation(directory: Path, algorithm: SigningAlgorithm | None = None) -> DeviceKey:
    """Make the next key, by default of the kind of the present one; nothing changes until its certificate is imported.

    Raises `LocalTrouble` if one is under way, or if the present key is not in this directory.
    """
    settle(directory)
    present = load_tls_key(directory)
    if present.path.parent != directory:
        raise LocalTrouble(
            f"the device key is the systemd credential {present.path.name}: it is not ours to replace",
            advice="make the new key where the credential comes from, then restart the service",
        )
    following = _next_key(directory)
    if following is None:
        following = create_device_key(directory, algorithm or present.algorithm, name=NEXT_KEY_FILE)
    else:
        raise LocalTrouble(
            f"a rotation is under way already, to the key {following.kid}",
            advice="import its certificate (`mrsp keys csr --next` prints the request), or `mrsp keys rotate --cancel`",
        )
    held = read_token_file(directory)
    if held is not None:
        try:
            add_token_key(directory, held.place, beside=following.kid)
        except BaseException:
            following.path.unlink()
            raise
    return following


def next_keys(directory: Path) -> tuple[DeviceKey, DeviceKey] | None:
    """Return the key of a rotation under way that TLS will use, and the one that will sign documents; None if none."""
    following = _next_key(directory)
    if following is None:
        return None
    return following, load_device_key(directory, beside=following)


def cancel_rotation(directory: Path) -> None:
    """Give up a rotation under way; `LocalTrouble` if there is none, or if its certificate was imported."""
    settle(directory)
    if _next_key(directory) is None:
        raise LocalTrouble("no rotation is under way", advice="`mrsp keys status` shows the present key")
    (directory / NEXT_KEY_FILE).unlink()
    sync_directory(directory)


def settle(directory: Path) -> None:
    """Finish a rotation that was interrupted after its certificate was installed."""
    current, following = directory / KEY_FILE, _next_key(directory)
    if following is None or certified(directory / CERTIFICATE_FILE) != following.kid:
        return
    try:
        replaced = certified(directory / PREVIOUS_CERTIFICATE_FILE)
        if replaced is not None and current.exists() and read_key(current).kid == replaced:
            draft = directory / f".{PREVIOUS_KEY_FILE}.part"
            with suppress(FileNotFoundError):
                draft.unlink()
            os.link(current, draft)
            draft.rename(directory / PREVIOUS_KEY_FILE)
        following.path.rename(current)
        sync_directory(directory)
    except OSError as err:
        raise LocalTrouble(
            f"the new device key cannot be put in place in {directory}: {err.strerror}",
            advice="check free space and the owner of the directory; it is tried again",
        ) from err


def worked(directory: Path) -> bool:
    """Let go of the certificate before the present one, and of its key: the broker accepted the present one.

    Returns whether there was one.
    """
    previous = directory / PREVIOUS_CERTIFICATE_FILE
    if not previous.exists():
        return False
    settle(directory)
    (directory / PREVIOUS_KEY_FILE).unlink(missing_ok=True)
    previous.unlink(missing_ok=True)
    sync_directory(directory)
    return True


def _next_key(directory: Path) -> DeviceKey | None:
    path = directory / NEXT_KEY_FILE
    return read_key(path) if path.exists() else None


def _content(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MAX_CHAIN_OCTETS)
    except FileNotFoundError:
        return None
    except OSError as err:
        raise LocalTrouble(f"cannot read the certificate {path}: {err.strerror}", advice="check its owner") from err
