"""What there is to say of this device's identity: keys, certificate, days left, and what the operator should do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from agent.errors import LocalTrouble
from agent.identity.chain import thumbprint_of
from agent.identity.install import next_keys
from agent.identity.layout import CERTIFICATE_FILE, PREVIOUS_CERTIFICATE_FILE
from agent.identity.present import retired_keys
from agent.keys import MAX_CHAIN_OCTETS, SigningAlgorithm, load_device_key, load_tls_key

EXPIRY_WARNING_DAYS = 30


@dataclass(frozen=True, slots=True)
class CertificateStatus:
    """What the certificate says, and whether it belongs to the device's TLS key."""

    path: Path
    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime  # the first of the chain to expire
    days_left: int  # negative once expired
    matches_key: bool


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """`mrsp keys status`: the identity of this device; `warnings` are sentences for the operator."""

    path: Path  # of the key that signs documents
    algorithm: SigningAlgorithm
    kid: str
    token: str | None  # label of the PKCS#11 token that holds it
    tls_kid: str  # the same key, unless documents are signed by a token
    certificate: CertificateStatus | None
    unproven: bool  # the broker has not accepted this certificate yet; the one before is kept
    next_kid: str | None  # a rotation is under way, to this key for documents
    retired: tuple[str, ...]  # keys that signed documents before
    warnings: tuple[str, ...]


def key_status(directory: Path, *, now: datetime, certificate: Path | None = None) -> KeyStatus:
    """Describe the identity in `directory`; `certificate` defaults to the one beside the key, if there is one."""
    key, tls, following = load_device_key(directory), load_tls_key(directory), next_keys(directory)
    path = certificate or directory / CERTIFICATE_FILE
    found: CertificateStatus | None = None
    if certificate is None and not path.exists():
        warnings: tuple[str, ...] = (
            "no certificate beside the key: the broker will refuse this device until one is issued for it",
        )
    else:
        found = certificate_status(path, tls_kid=tls.kid, now=now)
        warnings = _warnings(found, now)
    return KeyStatus(
        path=key.path,
        algorithm=key.algorithm,
        kid=key.kid,
        token=key.token,
        tls_kid=tls.kid,
        certificate=found,
        unproven=(directory / PREVIOUS_CERTIFICATE_FILE).exists(),
        next_kid=following[1].kid if following is not None and following[0].kid != tls.kid else None,
        retired=tuple(str(one.kid) for one in retired_keys(directory) if one.kid != key.kid),
        warnings=warnings,
    )


def certificate_status(path: Path, *, tls_kid: str, now: datetime) -> CertificateStatus:
    """Read a certificate or chain (PEM) and compare it with the key `tls_kid`; `LocalTrouble` if it cannot be read."""
    chain = _read(path)
    not_after = min(one.not_valid_after_utc for one in chain)
    return CertificateStatus(
        path=path,
        subject=chain[0].subject.rfc4514_string(),
        issuer=chain[0].issuer.rfc4514_string(),
        not_before=max(one.not_valid_before_utc for one in chain),
        not_after=not_after,
        days_left=(not_after - now).days,
        matches_key=thumbprint_of(chain[0]) == tls_kid,
    )


def certificate_days(path: Path, now: datetime) -> int | None:
    """Return the whole days until the chain in `path` expires, negative afterwards; None if it cannot be read."""
    try:
        return (min(one.not_valid_after_utc for one in _read(path)) - now).days
    except LocalTrouble:
        return None


def _read(path: Path) -> list[x509.Certificate]:
    try:
        with path.open("rb") as file:
            return x509.load_pem_x509_certificates(file.read(MAX_CHAIN_OCTETS))
    except OSError as err:
        raise LocalTrouble(
            f"cannot read the certificate {path}: {err.strerror}", advice="check path and owner"
        ) from err
    except ValueError as err:
        raise LocalTrouble(f"{path} is not a PEM certificate", advice="import the file that your CA issued") from err


def _warnings(certificate: CertificateStatus, now: datetime) -> tuple[str, ...]:
    warnings = []
    if not certificate.matches_key:
        warnings.append("the certificate was issued for another key")
    if now >= certificate.not_after:
        warnings.append(f"the certificate expired on {certificate.not_after:%Y-%m-%d}")
    elif certificate.days_left <= EXPIRY_WARNING_DAYS:
        warnings.append(f"the certificate expires in {certificate.days_left} days, on {certificate.not_after:%Y-%m-%d}")
    if now < certificate.not_before:
        warnings.append(f"the certificate is not valid before {certificate.not_before:%Y-%m-%d}")
    return tuple(warnings)
