"""HTTPS with a certificate that is renewed while the console runs: each handshake shows what the files hold by then."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from agent.errors import LocalTrouble
from agent.identity.present import file_state
from agent.private_file import check_private_file

_log = logging.getLogger("agent.console")
_ADVICE = "`[console] certificate` and `key` name PEM files; without them the device's are used (`mrsp keys status`)"


class RenewedContext:
    """The context of a certificate (PEM, with its chain) and its key (PEM, 0600), made again when one is replaced."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Read them. Raises `LocalTrouble` for files that are missing, open to others, or do not go together."""
        self._files = (certificate, key)
        self._seen = self._state()
        self._present = self._made()
        self.context = _bare()
        self.context.sni_callback = self._choose

    def _choose(self, handshake: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Begin a handshake with the present certificate; Python calls this with and without a server name."""
        seen = self._state()
        if seen != self._seen:
            self._seen = seen
            try:
                self._present = self._made()
            except LocalTrouble as error:
                _log.warning("%s; the console shows the certificate of before", error)
            else:
                _log.info("the console shows a renewed certificate")
        handshake.context = self._present

    def _state(self) -> tuple[object, ...]:
        return tuple(map(file_state, self._files))

    def _made(self) -> ssl.SSLContext:
        certificate, key = self._files
        check_private_file(key)
        context = _bare()
        try:
            context.load_cert_chain(certificate, key, password=_no_password)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise LocalTrouble(
                f"the console's certificate {certificate} with the key {key} cannot be used: {error}", advice=_ADVICE
            ) from error
        return context


def complaints(certificate: Path, names: Iterable[str]) -> tuple[str, ...]:
    """Return why browsers will not take a certificate for a console that is called by `names`: sentences.

    Raises `LocalTrouble` if it cannot be read.
    """
    try:
        shown = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    except (OSError, ValueError) as error:
        raise LocalTrouble(
            f"the console's certificate {certificate} cannot be read: {error}", advice=_ADVICE
        ) from error
    said: list[str] = []
    purposes = _extension(shown, x509.ExtendedKeyUsage)
    taken = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if purposes is not None and taken.isdisjoint(purposes):
        said.append(
            "the certificate is not for TLS servers (extended key usage serverAuth): have it issued for that, too"
        )
    alternative = _extension(shown, x509.SubjectAlternativeName)
    listed: set[str] = set()
    if alternative is not None:
        listed |= {name.lower() for name in alternative.get_values_for_type(x509.DNSName)}
        listed |= {str(address) for address in alternative.get_values_for_type(x509.IPAddress)}
    if missing := [name for name in names if name.lower() not in listed]:
        said.append(f"the certificate does not name {', '.join(missing)} (subject alternative name)")
    return tuple(said)


_E = TypeVar("_E", bound=x509.ExtensionType)


def _extension(certificate: x509.Certificate, kind: type[_E]) -> _E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, ValueError):
        return None


def _bare() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted: nobody is there to type its password")
