"""The device's identity and the MDSP's keys: made, loaded, checked and re-read from files; no cryptography of our own.

The device key signs every document. It is made on the device, lives in a 0600 file (PKCS#8 PEM) inside a 0700 directory
and is never overwritten. Its `kid` is the RFC 7638 thumbprint, so that both sides name a key without agreeing on names.
"""

from __future__ import annotations

import logging
import os
import stat
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from agent.durable_file import sync_directory
from agent.errors import LocalTrouble

KEY_FILE = "device-key.pem"
CERTIFICATE_FILE = "device-cert.pem"
EXPIRY_WARNING_DAYS = 30
MAX_JWKS_OCTETS = 262_144  # a key set of a few keys takes some hundred octets each; more is a wrong file
MAX_KEYS = 64

SigningAlgorithm = Literal["ES256", "Ed25519"]
PublicKey = ECKey | OKPKey

_CURVES: dict[str, SigningAlgorithm] = {"P-256": "ES256", "Ed25519": "Ed25519"}
_ENCRYPTION_CURVES = frozenset({"P-256", "X25519"})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """The private key of this device; prints without its value. `algorithm` is the JWS `alg` (RFC 7518, RFC 9864)."""

    path: Path
    algorithm: SigningAlgorithm
    kid: str
    _key: PublicKey

    def signing_key(self) -> PublicKey:
        """Return the key with its private part, for the sealer alone."""
        return self._key

    def public_jwk(self) -> dict[str, Any]:
        """Return the public half as a JWK (RFC 7517) with `kid`, `use` and `alg`: what the MDSP registers."""
        return {**self._key.as_dict(private=False), "kid": self.kid, "use": "sig", "alg": self.algorithm}

    def public_key(self) -> PublicKey:
        """Return the public half, for checking our own signatures."""
        return _import_jwk(self.public_jwk())

    def __repr__(self) -> str:
        return f"DeviceKey({self.path}, {self.algorithm}, kid={self.kid})"


@dataclass(frozen=True, slots=True)
class CertificateStatus:
    """What the certificate says, and whether it belongs to the device key."""

    path: Path
    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    days_left: int  # negative once expired
    matches_key: bool


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """`mrsp keys status`: the identity of this device; `warnings` are sentences for the operator."""

    path: Path
    algorithm: SigningAlgorithm
    kid: str
    certificate: CertificateStatus | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MdspKeySet:
    """One reading of the MDSP's JWKS file: who may acknowledge, and whom to encrypt to (None: nobody)."""

    verification: tuple[PublicKey, ...]
    encryption: PublicKey | None


def create_device_key(directory: Path, algorithm: SigningAlgorithm = "ES256") -> DeviceKey:
    """Make the device key in `directory` (created 0700) and return it; never overwrites one (`LocalTrouble`)."""
    path = directory / KEY_FILE
    key: PublicKey = ECKey.generate_key("P-256") if algorithm == "ES256" else OKPKey.generate_key("Ed25519")
    pem = key.as_pem(private=True)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_open_directory(directory)
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
    return load_device_key(directory)


def load_device_key(directory: Path) -> DeviceKey:
    """Load the device key of `directory`; `LocalTrouble` if missing, readable by others, or not a P-256/Ed25519 key."""
    path = directory / KEY_FILE
    check_private_file(path)
    try:
        pem = path.read_bytes()
    except OSError as err:
        raise LocalTrouble(f"cannot read the device key {path}: {err.strerror}", advice="check its owner") from err
    key, algorithm = _import_private(pem, path)
    return DeviceKey(path=path, algorithm=algorithm, kid=key.thumbprint(), _key=key)


def check_private_file(path: Path) -> None:
    """Refuse a secret file that is missing or that group or others may read or write (`LocalTrouble`)."""
    try:
        status = path.stat()
    except FileNotFoundError as err:
        raise LocalTrouble(f"there is no {path}", advice="`mrsp keys init` makes a device key") from err
    except OSError as err:
        raise LocalTrouble(f"cannot look at {path}: {err.strerror}", advice="check who owns the directory") from err
    if not stat.S_ISREG(status.st_mode):
        raise LocalTrouble(f"{path} is not a regular file", advice="point the configuration at the file itself")
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise LocalTrouble(f"{path} is open to other users (mode {mode:04o})", advice=f"chmod 600 {path}")


def key_status(directory: Path, *, now: datetime, certificate: Path | None = None) -> KeyStatus:
    """Describe the identity in `directory`; `certificate` defaults to the one beside the key, if there is one."""
    key = load_device_key(directory)
    path = certificate or directory / CERTIFICATE_FILE
    if certificate is None and not path.exists():
        advice = "no certificate beside the key: the broker will refuse this device until one is issued for it"
        return KeyStatus(key.path, key.algorithm, key.kid, None, (advice,))
    found = certificate_status(path, key=key, now=now)
    return KeyStatus(key.path, key.algorithm, key.kid, found, _certificate_warnings(found, now))


def certificate_status(path: Path, *, key: DeviceKey, now: datetime) -> CertificateStatus:
    """Read a certificate (PEM) and compare it with `key`; `LocalTrouble` if it cannot be read."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as err:
        raise LocalTrouble(
            f"cannot read the certificate {path}: {err.strerror}", advice="check path and owner"
        ) from err
    except ValueError as err:
        raise LocalTrouble(f"{path} is not a PEM certificate", advice="import the file that your CA issued") from err
    return CertificateStatus(
        path=path,
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        days_left=(certificate.not_valid_after_utc - now).days,
        matches_key=_spki(certificate.public_key()) == _spki(key.public_key().public_key),
    )


class MdspKeys:
    """The MDSP's public keys from a JWKS file, re-read whenever the file changes (mtime, size or inode).

    Keys with `use: sig` (P-256, Ed25519) verify acknowledgements; the first key with `use: enc` (P-256, X25519), if
    any, is what documents are encrypted to. A file that becomes unreadable later keeps the keys last read, with a
    warning: rotation must not stop a device in the field. `require_encryption` refuses a set without such a key.
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
        except msgspec.DecodeError as err:
            raise self._trouble(f"is not a JWK set: {err}") from err
        if len(listed) > MAX_KEYS:
            raise self._trouble(f"has more than {MAX_KEYS} keys")
        verification: list[PublicKey] = []
        encryption: PublicKey | None = None
        for entry in listed:
            key = self._import(entry)
            if entry.get("use") == "sig":
                verification.append(key)
            elif entry.get("use") == "enc" and encryption is None:
                encryption = key
        if not verification:
            raise self._trouble('has no key with "use": "sig", so no acknowledgement could be verified')
        if encryption is None and self._require_encryption:
            raise self._trouble('has no key with "use": "enc", but encryption is required')
        return MdspKeySet(tuple(verification), encryption)

    def _import(self, entry: dict[str, Any]) -> PublicKey:
        try:
            key = _import_jwk(entry)
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


def _import_jwk(entry: dict[str, Any]) -> PublicKey:
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


def _certificate_warnings(certificate: CertificateStatus, now: datetime) -> tuple[str, ...]:
    warnings = []
    if not certificate.matches_key:
        warnings.append("the certificate was issued for another key")
    if now >= certificate.not_after:
        warnings.append(f"the certificate expired on {certificate.not_after:%Y-%m-%d}")
    elif certificate.days_left < EXPIRY_WARNING_DAYS:
        warnings.append(f"the certificate expires in {certificate.days_left} days, on {certificate.not_after:%Y-%m-%d}")
    if now < certificate.not_before:
        warnings.append(f"the certificate is not valid before {certificate.not_before:%Y-%m-%d}")
    return tuple(warnings)


def _spki(key: Any) -> bytes:
    der: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return der


def _refuse_open_directory(directory: Path) -> None:
    mode = stat.S_IMODE(directory.stat().st_mode)
    if mode & 0o077:
        raise LocalTrouble(
            f"the key directory {directory} is open to other users (mode {mode:04o})", advice=f"chmod 700 {directory}"
        )


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
