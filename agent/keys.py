"""The keys that documents are signed with, verified with and encrypted to; no cryptography of our own.

The device key is made on the device and never overwritten. It lies in a 0600 file (PKCS#8 PEM) inside a 0700 directory,
comes as a systemd credential, or stays on a PKCS#11 token. Its `kid` is the RFC 7638 thumbprint, so that both sides
name a key without agreeing on names. `agent.identity` has its certificate and its successors.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
from cryptography import x509
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from agent.durable_file import sync_directory
from agent.errors import LocalTrouble
from agent.identity.layout import CERTIFICATE_FILE, CREDENTIAL, KEY_FILE, NEXT_KEY_FILE, TOKEN_FILE
from agent.identity.token_file import read_token_file, token_key
from agent.private_file import credential, read_private_file, refuse_open_directory

MAX_KEY_OCTETS = 16_384
MAX_CHAIN_OCTETS = 65_536  # a chain of eight certificates takes some 15 kB
MAX_JWKS_OCTETS = 262_144  # a key set of a few keys takes some hundred octets each; more is a wrong file
MAX_KEYS = 64
MAX_RECIPIENTS = 8

SigningAlgorithm = Literal["ES256", "Ed25519"]
PublicKey = ECKey | OKPKey

_CURVES: dict[str, SigningAlgorithm] = {"P-256": "ES256", "Ed25519": "Ed25519"}
_ENCRYPTION_CURVES = frozenset({"P-256", "X25519"})
_ROLES = frozenset({"acknowledge", "request"})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """A private key of this device; prints without its value. `algorithm` is the JWS `alg` (RFC 7518, RFC 9864)."""

    path: Path  # the file that holds it, or that says where on a token it is
    algorithm: SigningAlgorithm
    kid: str
    _key: PublicKey
    token: str | None = None  # label of the PKCS#11 token that holds it

    def signing_key(self) -> PublicKey:
        """Return the key with its private part, for the sealer alone."""
        return self._key

    def public_jwk(self) -> dict[str, Any]:
        """Return the public half as a JWK (RFC 7517) with `kid`, `use` and `alg`: what the MDSP registers."""
        return {**self._key.as_dict(private=False), "kid": self.kid, "use": "sig", "alg": self.algorithm}

    def public_key(self) -> PublicKey:
        """Return the public half, for checking our own signatures."""
        return import_jwk(self.public_jwk())

    def __repr__(self) -> str:
        return f"DeviceKey({self.path}, {self.algorithm}, kid={self.kid})"


@dataclass(frozen=True, slots=True)
class MdspKeySet:
    """One reading of the MDSP's JWKS file: who may acknowledge and request, and whom to encrypt to (empty: nobody)."""

    verification: tuple[PublicKey, ...]
    requesters: tuple[PublicKey, ...]
    encryption: tuple[PublicKey, ...]


def create_device_key(directory: Path, algorithm: SigningAlgorithm = "ES256", *, name: str = KEY_FILE) -> DeviceKey:
    """Make a key in `directory` (created 0700) and return it; never overwrites one (`LocalTrouble`)."""
    path = directory / name
    key: PublicKey = ECKey.generate_key("P-256") if algorithm == "ES256" else OKPKey.generate_key("Ed25519")
    pem = key.as_pem(private=True)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_open_directory(directory)
        _write_new(path, pem)
    except FileExistsError as err:
        raise LocalTrouble(
            f"there already is a device key at {path}",
            advice="it is the identity of this device and is never overwritten; move it away yourself if it must go",
        ) from err
    except OSError as err:
        raise LocalTrouble(
            f"cannot write the device key to {path}: {err.strerror}",
            advice="check the directory's owner and free space",
        ) from err
    return read_key(path)


def load_device_key(directory: Path, *, beside: DeviceKey | None = None) -> DeviceKey:
    """Load the key that signs documents now; `LocalTrouble` if missing, open to others, or not a P-256/Ed25519 key.

    With `beside`: the one that signs while that key is the one of TLS.
    """
    tls = beside or load_tls_key(directory)
    held = read_token_file(directory)
    if held is None:
        return tls
    for entry in held.keys:
        if entry.beside == tls.kid:
            key = token_key(held.place, entry)
            return DeviceKey(directory / TOKEN_FILE, "ES256", key.thumbprint(), key, held.place.label)
    raise LocalTrouble(
        f"{directory / TOKEN_FILE} names no key on the token {held.place.label!r} beside {tls.path}",
        advice="restore token.json from a backup; without one, `mrsp keys rotate` makes new keys",
    )


def load_tls_key(directory: Path) -> DeviceKey:
    """Load the key that proves this device to the broker: of those in `directory`, the one the certificate is of."""
    given, path = credential(CREDENTIAL), directory / KEY_FILE
    if given is not None and path.exists():
        raise LocalTrouble(
            f"there are two device keys: {path}, and the systemd credential {CREDENTIAL}",
            advice="move one of them away; the MDSP must know the other",
        )
    key = read_key(given or path)
    following = directory / NEXT_KEY_FILE
    if following.exists():
        successor = read_key(following)
        if certified(directory / CERTIFICATE_FILE) == successor.kid:  # a rotation that was not tidied up yet
            return successor
    return key


def read_key(path: Path) -> DeviceKey:
    """Load the private key in one file; raises `LocalTrouble` like `load_device_key`."""
    pem = read_private_file(path, limit=MAX_KEY_OCTETS, advice="`mrsp keys init` makes a device key")
    key, algorithm = _import_private(pem, path)
    return DeviceKey(path=path, algorithm=algorithm, kid=key.thumbprint(), _key=key)


def certified(path: Path) -> str | None:
    """Return the thumbprint of the key that the first certificate in `path` is of; None if there is no such key."""
    try:
        with path.open("rb") as file:
            return thumbprint(x509.load_pem_x509_certificate(file.read(MAX_CHAIN_OCTETS)).public_key())
    except (OSError, ValueError):
        return None


def thumbprint(public: Any) -> str | None:
    """Return the RFC 7638 thumbprint of a key of `cryptography`; None if it is of a kind that is not used here."""
    for kind in (ECKey, OKPKey):
        try:
            return kind(public, None).thumbprint()
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            continue
    return None


class MdspKeys:
    """The MDSP's public keys from a JWKS file, re-read whenever the file changes (mtime, size or inode).

    Keys with `use: sig` (P-256, Ed25519) verify acknowledgements and requests, or only those that their `mdsp_roles`
    name. Documents are encrypted to every key with `use: enc` (P-256, X25519): each of them opens any. A file that
    becomes unreadable later keeps the keys last read, with a warning: rotation must not stop a device in the field.
    `require_encryption` refuses a set without such a key.
    """

    def __init__(self, path: Path, *, require_encryption: bool = False) -> None:
        self._path = path
        self._require_encryption = require_encryption
        self._seen: tuple[int, int, int] | None = None
        self._keys: MdspKeySet | None = None
        self._complaint = ""

    def load(self) -> MdspKeySet:
        """Return the keys as the file has them now; `LocalTrouble` if they were never readable."""
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if self._keys is not None and seen == self._seen:
                return self._keys
            keys = self._read()
        except (OSError, LocalTrouble) as err:
            trouble = err if isinstance(err, LocalTrouble) else self._trouble(f"cannot be read: {err.strerror}")
            if self._keys is None:
                raise trouble from err
            self._complain(str(trouble))
            return self._keys
        self._seen, self._keys, self._complaint = seen, keys, ""
        return keys

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            _log.warning("%s; the MDSP keys read before stay in use", complaint)
        self._complaint = complaint

    def _read(self) -> MdspKeySet:
        with self._path.open("rb") as file:
            text = file.read(MAX_JWKS_OCTETS + 1)
        if len(text) > MAX_JWKS_OCTETS:
            raise self._trouble(f"is larger than {MAX_JWKS_OCTETS} octets")
        try:
            listed = msgspec.json.decode(text, type=_Jwks).keys
        except (msgspec.DecodeError, UnicodeError, RecursionError) as err:
            raise self._trouble(f"is not a JWK set: {err}") from err
        if len(listed) > MAX_KEYS:
            raise self._trouble(f"has more than {MAX_KEYS} keys")
        verification: list[PublicKey] = []
        requesters: list[PublicKey] = []
        encryption: list[PublicKey] = []
        for entry in listed:
            key = self._import(entry)
            if entry.get("use") == "enc":
                encryption.append(key)
            elif entry.get("use") == "sig":
                roles = self._roles(entry)
                verification += [key] if "acknowledge" in roles else []
                requesters += [key] if "request" in roles else []
        if not verification:
            raise self._trouble('has no key with "use": "sig", so no acknowledgement could be verified')
        if not encryption and self._require_encryption:
            raise self._trouble('has no key with "use": "enc", but encryption is required')
        if len(encryption) > MAX_RECIPIENTS:
            raise self._trouble(f'has more than {MAX_RECIPIENTS} keys with "use": "enc"')
        return MdspKeySet(tuple(verification), tuple(requesters), tuple(encryption))

    def _roles(self, entry: dict[str, Any]) -> frozenset[str]:
        """Return what a key may sign (RFC 7517 §4 allows members of our own)."""
        roles = entry.get("mdsp_roles", list(_ROLES))
        if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles) or not set(roles) <= _ROLES:
            raise self._trouble(f"holds a key whose mdsp_roles are not among {', '.join(sorted(_ROLES))}")
        return frozenset(roles)

    def _import(self, entry: dict[str, Any]) -> PublicKey:
        try:
            key = import_jwk(entry)
        except (JoseError, ValueError, TypeError, KeyError) as err:
            raise self._trouble(f"holds a key that cannot be used ({entry.get('kid', 'no kid')!s:.60}): {err}") from err
        allowed = _ENCRYPTION_CURVES if entry.get("use") == "enc" else frozenset(_CURVES)
        if key.curve_name not in allowed:
            raise self._trouble(f"holds a key on {key.curve_name}; taken are {', '.join(sorted(allowed))}")
        return key

    def _trouble(self, what: str) -> LocalTrouble:
        return LocalTrouble(f"the MDSP key file {self._path} {what}", advice="fetch the MDSP's JWKS again")


class _Jwks(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


def import_jwk(entry: dict[str, Any]) -> PublicKey:
    """Return the public key of a JWK on P-256, Ed25519 or X25519; its `kid` is made if it has none."""
    public = {name: value for name, value in entry.items() if name not in {"d", "alg", "key_ops"}}
    if entry.get("kty") == "EC":
        key: PublicKey = ECKey.import_key(public)
    elif entry.get("kty") == "OKP":
        key = OKPKey.import_key(public)
    else:
        raise ValueError(f"key type {entry.get('kty')!r:.20} is not one of EC, OKP")
    _ = key.public_key  # builds it: a point that is not on its curve is refused here
    key.ensure_kid()
    return key


def _import_private(pem: bytes, path: Path) -> tuple[PublicKey, SigningAlgorithm]:
    advice = "the device key is a PKCS#8 PEM file with a P-256 or Ed25519 key, as `mrsp keys init` makes it"
    for kind in (ECKey, OKPKey):
        try:
            key = kind.import_key(pem)
            if key.is_private and key.curve_name in _CURVES:
                return key, _CURVES[key.curve_name]
        except (JoseError, ValueError, TypeError):
            continue
    raise LocalTrouble(f"{path} holds no key that can sign documents", advice=advice)


def _write_new(path: Path, content: bytes) -> None:
    """Create `path` 0600 with `content`, whole or not at all, durable; `FileExistsError` if there is one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike a rename, a link refuses to replace
    finally:
        draft.unlink()
    sync_directory(path.parent)
