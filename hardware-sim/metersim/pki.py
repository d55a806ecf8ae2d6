"""A certificate authority, certificates and keys for demonstrations and tests, in one directory. Not for production.

DIR/ca.crt ca.key                      the authority
DIR/broker.crt broker.key              the broker's, for localhost and 127.0.0.1
DIR/mdsp.crt mdsp.key                  the MDSP's, as a client of the broker
DIR/mdsp-private.jwks mdsp.jwks        its keys for acknowledgements (sig) and for documents (enc); public half
DIR/agents/ID.jwks                     the agents that the MDSP knows: their public keys
DIR/devices/ID/device-key.pem device-cert.pem   an agent's identity, where it is made here
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from joserfc.jwk import ECKey, JWKRegistry, OKPKey

VALID_DAYS = 3_650
CLOCK_SLACK = timedelta(days=1)  # a test that sets a clock back a little still finds them valid

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class Pki:
    """The directory's files by name."""

    directory: Path

    @property
    def ca(self) -> Path:
        return self.directory / "ca.crt"

    @property
    def broker_certificate(self) -> Path:
        return self.directory / "broker.crt"

    @property
    def broker_key(self) -> Path:
        return self.directory / "broker.key"

    @property
    def mdsp_certificate(self) -> Path:
        return self.directory / "mdsp.crt"

    @property
    def mdsp_key(self) -> Path:
        return self.directory / "mdsp.key"

    @property
    def mdsp_jwks(self) -> Path:
        return self.directory / "mdsp.jwks"

    @property
    def mdsp_private_jwks(self) -> Path:
        return self.directory / "mdsp-private.jwks"

    @property
    def agents(self) -> Path:
        return self.directory / "agents"

    def device(self, agent_id: str) -> Path:
        """Return where the identity of an agent lies: a key directory as the agent uses it."""
        return self.directory / "devices" / agent_id


def create_pki(
    directory: Path,
    *,
    now: datetime,
    hosts: Sequence[str] = ("localhost",),
    addresses: Sequence[str] = ("127.0.0.1",),
    encryption: bool = True,
) -> Pki:
    """Make authority, broker and MDSP in `directory` (0700); without `encryption` documents are signed only."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    pki = Pki(directory)
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("mrsp test authority")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(now + timedelta(days=VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(pki.ca, certificate.public_bytes(serialization.Encoding.PEM))
    _write(directory / "ca.key", _pem(key))
    _issue_pair(pki, "broker", now=now, names=_names(hosts, addresses))
    _issue_pair(pki, "mdsp", now=now)
    _write_mdsp_keys(pki, encryption=encryption)
    pki.agents.mkdir(mode=0o700, exist_ok=True)
    return pki


def add_agent(pki: Pki, agent_id: str, *, now: datetime, public_jwk: dict[str, Any] | None = None) -> Path:
    """Register an agent and issue its certificate; return its key directory.

    With `public_jwk` the key was made on the device and only its public half came here; else a key is made too.
    """
    directory = pki.device(agent_id)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if public_jwk is None:
        made = ECKey.generate_key("P-256")
        _write(directory / "device-key.pem", made.as_pem(private=True))
        jwk: dict[str, Any] = {**made.as_dict(private=False), "kid": made.thumbprint(), "use": "sig", "alg": "ES256"}
    else:
        jwk = public_jwk
    public = JWKRegistry.import_key(jwk).public_key
    certificate = issue_certificate(pki, agent_id, public, now=now)
    _write(directory / "device-cert.pem", certificate)
    _write(pki.agents / f"{agent_id}.jwks", json.dumps({"keys": [jwk]}).encode())
    return directory


def issue_certificate(
    pki: Pki,
    common_name: str,
    public_key: Any,
    *,
    now: datetime,
    names: x509.SubjectAlternativeName | None = None,
    valid: timedelta = timedelta(days=VALID_DAYS),
) -> bytes:
    """Return a certificate (PEM) for `public_key`: a server's with `names`, else a client's."""
    authority = x509.load_pem_x509_certificate(pki.ca.read_bytes())
    key = serialization.load_pem_private_key((pki.directory / "ca.key").read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's key is made here, on P-256")
    purpose = ExtendedKeyUsageOID.CLIENT_AUTH if names is None else ExtendedKeyUsageOID.SERVER_AUTH
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .issuer_name(authority.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, now + valid) - CLOCK_SLACK)
        .not_valid_after(now + valid)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(_usage(sign_certificates=False), critical=True)
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def issue_server(pki: Pki, stem: str, *, now: datetime, hosts: Sequence[str], valid: timedelta) -> tuple[Path, Path]:
    """Issue one more server certificate, e.g. expired or for a wrong host; return certificate and key file."""
    return _issue_pair(pki, stem, now=now, names=_names(hosts, ()), valid=valid)


def _issue_pair(
    pki: Pki,
    stem: str,
    *,
    now: datetime,
    names: x509.SubjectAlternativeName | None = None,
    valid: timedelta = timedelta(days=VALID_DAYS),
) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate, key_file = pki.directory / f"{stem}.crt", pki.directory / f"{stem}.key"
    _write(key_file, _pem(key))
    _write(certificate, issue_certificate(pki, stem, key.public_key(), now=now, names=names, valid=valid))
    return certificate, key_file


def _write_mdsp_keys(pki: Pki, *, encryption: bool) -> None:
    uses: list[Literal["sig", "enc"]] = ["sig", "enc"] if encryption else ["sig"]
    private, public = [], []
    for use in uses:
        key: ECKey | OKPKey = ECKey.generate_key("P-256", auto_kid=True)
        private.append({**key.as_dict(private=True), "use": use})
        public.append({**key.as_dict(private=False), "use": use})
    _write(pki.mdsp_private_jwks, json.dumps({"keys": private}).encode())
    _write(pki.mdsp_jwks, json.dumps({"keys": public}).encode())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _names(hosts: Sequence[str], addresses: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(
        [*(x509.DNSName(host) for host in hosts), *(x509.IPAddress(ipaddress.ip_address(one)) for one in addresses)]
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes) -> None:
    """Write 0600, replacing: test keys may be made again."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`metersim pki DIR --agent ID …`"""
    parser.add_argument("directory", type=Path, metavar="DIR", help="where everything is written")
    parser.add_argument("--agent", action="append", default=[], metavar="ID", help="register an agent (repeatable)")
    parser.add_argument("--host", action="append", default=[], help="further host name of the broker (repeatable)")
    parser.add_argument("--sign-only", action="store_true", help="the MDSP has no encryption key")


async def serve(args: argparse.Namespace) -> None:
    """Make the directory, print it, and end."""
    now = datetime.now(UTC)
    pki = create_pki(args.directory, now=now, hosts=("localhost", *args.host), encryption=not args.sign_only)
    for agent_id in args.agent:
        add_agent(pki, agent_id, now=now)
    sys.stdout.write(f"{args.directory}\n")
    sys.stdout.flush()
