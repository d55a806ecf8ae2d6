"""A certificate chain from a CA, judged before it is installed: whose it is, in what order, for how long, for what."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.errors import LocalTrouble
from agent.keys import MAX_CHAIN_OCTETS, DeviceKey, thumbprint
from agent.utc_text import utc_text

MAX_CERTIFICATES = 8
_E = TypeVar("_E", bound=x509.ExtensionType)
_EARLY = timedelta(minutes=5)  # a CA whose clock is a little ahead of ours


class CertificateRefused(LocalTrouble):
    """A certificate that would not work, or that is not ours; nothing was installed."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain that was checked: the device's certificate first, each issued by the next."""

    certificates: tuple[x509.Certificate, ...]
    key: DeviceKey  # that the first one is of

    @property
    def leaf(self) -> x509.Certificate:
        return self.certificates[0]

    @property
    def not_after(self) -> datetime:
        """Return when the first of them expires: from then on the chain proves nothing."""
        return min(one.not_valid_after_utc for one in self.certificates)

    def pem(self) -> bytes:
        """Return the chain alone, without whatever else was in the file."""
        return b"".join(one.public_bytes(Encoding.PEM) for one in self.certificates)


def _said(error: Exception) -> str:
    """Return what the library found, without the page that it advises to read."""
    return str(error).splitlines()[0].partition(" See http")[0][:120]


def check_chain(octets: bytes, *, keys: Sequence[DeviceKey], agent_id: str, now: datetime) -> Chain:
    """Return the chain in `octets` (PEM) if it is for one of `keys` and will work; raises `CertificateRefused`.

    RFC 5280 §4.1.2.5 (validity), §4.2.1.3, §4.2.1.9, §4.2.1.12 (usages). Whether its root is trusted is the broker's
    to say.
    """
    certificates = parse_chain(octets)
    kids = [thumbprint_of(one) for one in certificates]
    ours = {key.kid: key for key in keys}
    if kids[0] not in ours:
        if any(kid in ours for kid in kids):
            raise CertificateRefused(
                "the chain is out of order: the device's own certificate is not the first",
                advice="put the device's first, then its issuer's, and so on",
            )
        raise CertificateRefused(
            f"the certificate was issued for another key ({kids[0] or 'of another kind'}), not for {', '.join(ours)}",
            advice="have the CA sign the request that `mrsp keys csr` prints now",
        )
    _check_device(certificates[0], agent_id)
    for below, above in pairwise(certificates):
        _check_issuer(below, above)
    for one in certificates:
        _check_validity(one, now)
    return Chain(certificates, ours[kids[0]])


def parse_chain(octets: bytes) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a PEM file in their order; `CertificateRefused` for anything else."""
    if len(octets) > MAX_CHAIN_OCTETS:
        raise CertificateRefused(
            f"a certificate chain of more than {MAX_CHAIN_OCTETS} octets is not taken", advice="it is a wrong file"
        )
    if b"PRIVATE KEY-----" in octets:
        raise CertificateRefused(
            "the file holds a private key: a key of this device is made on this device, and never travels",
            advice="destroy that key, and have the CA sign the request that `mrsp keys csr` prints",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", CryptographyDeprecationWarning)  # what RFC 5280 forbids and old CAs did
            found = tuple(x509.load_pem_x509_certificates(octets))
            for one in found:  # what is parsed on use
                _ = (one.subject, one.issuer, one.extensions, one.not_valid_after_utc)
    except (
        ValueError,
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
        CryptographyDeprecationWarning,
    ) as err:
        raise CertificateRefused(
            f"that is no PEM certificate chain: {_said(err)}",
            advice="import what the CA issued, as PEM",
        ) from err
    if not 1 <= len(found) <= MAX_CERTIFICATES:
        raise CertificateRefused(
            f"a chain has 1 to {MAX_CERTIFICATES} certificates, not {len(found)}",
            advice="the device's and those between it and the root; not the CA's whole collection",
        )
    return found


def thumbprint_of(certificate: x509.Certificate) -> str | None:
    """Return the thumbprint of the certificate's key; None if it is of a kind that is not used here."""
    try:
        return thumbprint(certificate.public_key())
    except (ValueError, UnsupportedAlgorithm):
        return None


def common_name(certificate: x509.Certificate) -> str:
    """Return the subject's one common name; "" if it has none or several."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""


def _check_device(leaf: x509.Certificate, agent_id: str) -> None:
    if common_name(leaf) != agent_id:
        raise CertificateRefused(
            f"the certificate is of {leaf.subject.rfc4514_string()}, but this agent is CN={agent_id}",
            advice="the broker tells agents apart by that name: have it issued for this agent",
        )
    constraints = _extension(leaf, x509.BasicConstraints)
    usage = _extension(leaf, x509.KeyUsage)
    purposes = _extension(leaf, x509.ExtendedKeyUsage)
    taken = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if constraints is not None and constraints.ca:
        raise CertificateRefused("that is a CA's certificate, not a device's", advice="import the device's own")
    if usage is not None and not usage.digital_signature:
        raise CertificateRefused(
            "the certificate does not allow signatures (key usage digitalSignature)",
            advice="a TLS client proves itself by one: have the CA's profile changed",
        )
    if purposes is not None and taken.isdisjoint(purposes):
        raise CertificateRefused(
            "the certificate is not for TLS clients (extended key usage clientAuth)",
            advice="have the CA's profile changed: brokers refuse it",
        )


def _check_issuer(below: x509.Certificate, above: x509.Certificate) -> None:
    names = f"{below.subject.rfc4514_string()} and {above.subject.rfc4514_string()}"
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as err:
        raise CertificateRefused(
            f"the chain is broken or out of order between {names}",
            advice="each certificate must be followed by that of its issuer",
        ) from err
    constraints, usage = _extension(above, x509.BasicConstraints), _extension(above, x509.KeyUsage)
    if constraints is None or not constraints.ca or (usage is not None and not usage.key_cert_sign):
        raise CertificateRefused(
            f"{above.subject.rfc4514_string()} is no CA, but issued {below.subject.rfc4514_string()}",
            advice="ask the CA what went wrong: such a chain is refused everywhere",
        )


def _check_validity(certificate: x509.Certificate, now: datetime) -> None:
    name = certificate.subject.rfc4514_string()
    clock = f"by the clock of this device it is {utc_text(now.replace(microsecond=0))}"
    if certificate.not_valid_after_utc <= now:
        raise CertificateRefused(
            f"the certificate of {name} expired on {utc_text(certificate.not_valid_after_utc)}; {clock}",
            advice="have a new one issued; or set the clock (`mrsp clock`)",
        )
    if certificate.not_valid_before_utc > now + _EARLY:
        raise CertificateRefused(
            f"the certificate of {name} is not valid before {utc_text(certificate.not_valid_before_utc)}; {clock}",
            advice="prove the clock (`mrsp clock`), then import it again",
        )


def _extension(certificate: x509.Certificate, kind: type[_E]) -> _E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
