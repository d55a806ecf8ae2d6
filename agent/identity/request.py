"""Certificate signing requests (PKCS#10, RFC 2986): who this device is, and the key that it proves it with."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from contextlib import suppress

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.errors import UsageError
from agent.keys import DeviceKey

URI_SCHEME = "mrsp"  # of the name of an agent that cannot be a DNS name
_DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")  # RFC 9336
_AGENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_DNS_NAME = re.compile(
    r"(?=.{1,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)


def certificate_request(
    key: DeviceKey, *, agent_id: str, names: Sequence[str] = (), documents: bool = True, serves: bool = False
) -> bytes:
    """Return a PKCS#10 request (PEM), signed by `key`: subject CN=`agent_id`, and as subject alternative names `names`.

    `names` are `DNS:…`, `IP:…` or `URI:…`; without any, the agent_id itself. Asked for is digitalSignature, for TLS
    clients and, with `documents`, for signing documents: false where another key, on a token, signs those. `serves`:
    for TLS servers, too, since browsers are shown this certificate by the console.
    Raises `UsageError` for names that cannot be, `LocalTrouble` if a token does not sign.
    """
    alternative = check_names(agent_id, names)
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH]
    purposes += [ExtendedKeyUsageOID.SERVER_AUTH] if serves else []
    purposes += [_DOCUMENT_SIGNING] if documents else []
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, agent_id)]))
        .add_extension(x509.SubjectAlternativeName(alternative), critical=False)
        .add_extension(_signatures_only(), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    )
    private = key.signing_key().private_key
    if private is None:
        raise TypeError("a device key has a private part")
    hashed = None if isinstance(private, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(private, hashed).public_bytes(Encoding.PEM)  # type: ignore[arg-type]


def check_names(agent_id: str, names: Sequence[str]) -> list[x509.GeneralName]:
    """Return the subject alternative names of a request; `UsageError` for an agent_id or a name that cannot be."""
    if not _AGENT_ID.fullmatch(agent_id):
        raise UsageError(f"{agent_id!r:.80} cannot be an agent_id", advice="1 to 63 letters, digits, '.', '_' or '-'")
    return [_general_name(one) for one in names or [default_name(agent_id)]]


def default_name(agent_id: str) -> str:
    """Return the alternative name of an agent: its id as a DNS name, or as a URI where DNS allows no such name."""
    return f"DNS:{agent_id.lower()}" if _DNS_NAME.fullmatch(agent_id) else f"URI:{URI_SCHEME}:{agent_id}"


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the DNS names, addresses and URIs of a certificate, as `certificate_request` takes them."""
    try:
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    dns = (f"DNS:{name}" for name in held.get_values_for_type(x509.DNSName))
    addresses = (f"IP:{address}" for address in held.get_values_for_type(x509.IPAddress))
    return (*dns, *addresses, *(f"URI:{name}" for name in held.get_values_for_type(x509.UniformResourceIdentifier)))


def _general_name(text: str) -> x509.GeneralName:
    kind, _, value = text.partition(":")
    if kind == "DNS" and _DNS_NAME.fullmatch(value):
        return x509.DNSName(value)
    if kind == "URI" and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]{1,500}", value):
        return x509.UniformResourceIdentifier(value)
    with suppress(ValueError):
        if kind == "IP":
            return x509.IPAddress(ipaddress.ip_address(value))
    raise UsageError(
        f"{text!r:.80} is no name for a certificate",
        advice="DNS:gw-0001.example, IP:192.168.7.1 or URI:urn:example:gw-1",
    )


def _signatures_only() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
