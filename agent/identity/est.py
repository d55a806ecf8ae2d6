"""Enrolment over Secure Transport (RFC 7030), the client's part: `/simpleenroll`, `/simplereenroll` and `/cacerts`.

The server is trusted by an explicit anchor alone (§4.1.1); the device proves itself by the certificate that it has
(§3.3.2) or by name and password (§3.2.3). Not done: proof-of-possession linked to the TLS session, keys made by the
server, full CMC. No redirection is followed.
"""

from __future__ import annotations

import binascii
import http.client
import ssl
from base64 import b64decode, b64encode
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates

from agent.errors import LocalTrouble, UsageError
from agent.identity.chain import MAX_CERTIFICATES, thumbprint_of
from agent.keys import thumbprint
from agent.private_file import check_private_file, read_private_file
from drivers.errors import MrspError
from drivers.secret import Secret

TIMEOUT_S = 30.0
MAX_ANSWER_OCTETS = 131_072
LONGEST_LOGIN = 1_024
WELL_KNOWN = "/.well-known/est"  # §3.2.2


class EnrolmentFailed(MrspError):
    """The EST server cannot be reached, or did not issue a certificate; nothing was changed."""

    exit_code = 3
    retry = True


class Est:
    """One EST server. `url` is `https://host[:port][/label]`; `anchor` a PEM file; `login` `USER:PASSWORD`."""

    def __init__(
        self,
        url: str,
        anchor: Path,
        *,
        certificate: Path | None = None,
        key: Path | None = None,
        login: Secret | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or parts.username or parts.query or parts.fragment:
            raise UsageError(f"{url!r:.200} is no EST server", advice="https://HOST[:PORT][/LABEL], without a password")
        self._where = f"EST server {parts.hostname}:{parts.port or 443}"
        self._host, self._port = parts.hostname, parts.port or 443
        label = parts.path.strip("/")
        self._path = WELL_KNOWN if not label else f"{WELL_KNOWN}/{label}"
        if label.startswith(WELL_KNOWN.strip("/")):
            self._path = f"/{label}"
        self._login = login
        self._tls = self._context(anchor, certificate, key)

    def enroll(self, request: bytes, *, again: bool) -> bytes:
        """Return the chain (PEM) issued for `request` (PKCS#10, PEM), the device's certificate first, without the root.

        `again`: a renewal (§4.2.2), proven by the certificate that is replaced. Raises `EnrolmentFailed`.
        """
        asked = x509.load_pem_x509_csr(request)
        operation = "simplereenroll" if again else "simpleenroll"
        body = b64encode(asked.public_bytes(Encoding.DER))
        issued = self._certificates(self._exchange("POST", operation, body))
        kid = thumbprint(asked.public_key())
        ours = [one for one in issued if thumbprint_of(one) == kid]
        if len(ours) != 1:
            raise self._failed("did not answer with a certificate for our key")
        authorities = self._certificates(self._exchange("GET", "cacerts", None))
        return b"".join(one.public_bytes(Encoding.PEM) for one in _climb(ours[0], [*issued, *authorities]))

    def _context(self, anchor: Path, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            tls.load_verify_locations(cafile=anchor)
            if certificate is not None and key is not None:
                check_private_file(key)
                tls.load_cert_chain(certificate, key)
        except ssl.SSLError as err:
            raise LocalTrouble(
                f"the TLS files for the EST server cannot be used: {err.reason}", advice="PEM files; `mrsp keys status`"
            ) from err
        except OSError as err:
            raise LocalTrouble(f"cannot read {anchor}: {err.strerror}", advice="check --est-ca") from err
        return tls

    def _exchange(self, method: str, operation: str, body: bytes | None) -> bytes:
        """Return the decoded body of a 200 answer."""
        headers = {"Accept": "application/pkcs7-mime"}
        if body is not None:
            headers |= {"Content-Type": "application/pkcs10", "Content-Transfer-Encoding": "base64"}
        if self._login is not None:
            headers["Authorization"] = "Basic " + b64encode(self._login.reveal()).decode()
        connection = http.client.HTTPSConnection(self._host, self._port, timeout=TIMEOUT_S, context=self._tls)
        try:
            connection.request(method, f"{self._path}/{operation}", body=body, headers=headers)
            with connection.getresponse() as answer:
                content = answer.read(MAX_ANSWER_OCTETS + 1)
                status, later = answer.status, answer.headers.get("Retry-After")
        except (OSError, http.client.HTTPException) as err:
            raise self._failed(f"cannot be asked: {err or type(err).__name__}") from err
        finally:
            connection.close()
        self._refuse_status(status, later)
        if len(content) > MAX_ANSWER_OCTETS:
            raise self._failed(f"answered with more than {MAX_ANSWER_OCTETS} octets")
        try:
            return b64decode(b"".join(content.split()), validate=True)
        except binascii.Error as err:
            raise self._failed("answered with something that is no base64") from err

    def _refuse_status(self, status: int, later: str | None) -> None:
        if status == 202:  # §4.2.3: a person has to agree first
            when = f"in {later} s" if later is not None and later.isdigit() else "later"
            raise self._failed("has the request, and wants to be asked again", f"repeat the command {when}")
        if status in {401, 403}:
            raise self._failed("does not accept who we are", "--est-password-file, or a certificate that it knows")
        if status != 200:
            raise self._failed(f"answered with HTTP {status}", "check the URL and its label, and ask its operator")

    def _certificates(self, der: bytes) -> Sequence[x509.Certificate]:
        try:
            found = load_der_pkcs7_certificates(der)
            _ = [(one.subject, one.issuer) for one in found]
        except (ValueError, UnsupportedAlgorithm) as err:
            raise self._failed("answered with something that holds no certificates (PKCS#7)") from err
        return found

    def _failed(self, what: str, advice: str = "check the URL, the network, and --est-ca") -> EnrolmentFailed:
        return EnrolmentFailed(f"{self._where} {what}", advice=advice)


def credentials_of(path: Path) -> Secret:
    """Return `USER:PASSWORD` from a 0600 file; raises `LocalTrouble` or `UsageError`."""
    octets = read_private_file(path, limit=LONGEST_LOGIN, advice="one line USER:PASSWORD, chmod 600")
    login = octets.removesuffix(b"\n").removesuffix(b"\r")
    if b":" not in login or b"\n" in login:
        raise UsageError(f"{path} does not hold name and password", advice="one line USER:PASSWORD")
    return Secret(login)


def _climb(leaf: x509.Certificate, others: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """Return `leaf` and its issuers among `others`, without the self-signed root."""
    chain = [leaf]
    while len(chain) < MAX_CERTIFICATES:
        above = next((one for one in others if _issued(chain[-1], one) and one not in chain), None)
        if above is None or above.subject == above.issuer:
            break
        chain.append(above)
    return chain


def _issued(below: x509.Certificate, above: x509.Certificate) -> bool:
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
