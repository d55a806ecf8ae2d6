"""What the identity tests share: a CA of two levels that issues what a real one issues, and what none should."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AGENT = "gw-0001"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
YEAR = timedelta(days=365)


@dataclass(frozen=True)
class Authority:
    """One CA: issues certificates, and further CAs."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(
        self,
        public: Any,
        common_name: str = AGENT,
        *,
        start: datetime = NOW,
        valid: timedelta = YEAR,
        purpose: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.CLIENT_AUTH,
        signatures: bool = True,
        ca: bool = False,
        names: x509.SubjectAlternativeName | None = None,
    ) -> bytes:
        """Return a certificate (PEM)."""
        builder = _builder(common_name, self.certificate.subject, public, start, valid)
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        builder = builder.add_extension(usage(signatures=signatures, certificates=ca), critical=True)
        if purpose is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def issue_for(self, request: bytes, **options: Any) -> bytes:
        """Return a certificate for a PKCS#10 request, with its alternative names."""
        asked = x509.load_pem_x509_csr(request)
        names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        name = str(asked.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
        return self.issue(asked.public_key(), name, names=names, **options)

    def below(self, name: str, *, valid: timedelta = 5 * YEAR) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = self.issue(key.public_key(), name, ca=True, purpose=None, valid=valid)
        return Authority(x509.load_pem_x509_certificate(pem), key)

    def write_key(self, path: Path) -> Path:
        path.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        path.chmod(0o600)
        return path


def make_root(name: str = "a root") -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(name, subject, key.public_key(), NOW - YEAR, 20 * YEAR)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(usage(signatures=True, certificates=True), critical=True)
    return Authority(builder.sign(key, hashes.SHA256()), key)


def usage(*, signatures: bool, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signatures,
        content_commitment=False,
        key_encipherment=not signatures,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    common_name: str, issuer: x509.Name, public: Any, start: datetime, valid: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - timedelta(days=1))
        .not_valid_after(start + valid)
    )
