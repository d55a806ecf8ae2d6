"""An EST server (RFC 7030) to enrol at: `openssl` checks the requests and wraps the answers. Not for production.

/simpleenroll asks for name and password or a client certificate of the authority, /simplereenroll for that certificate,
with the same subject; /cacerts for nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import subprocess
import sys
import tempfile
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from metersim.pki import VALID_DAYS, Pki, issue_certificate

MAX_REQUEST_OCTETS = 65_536
ROOT = "/.well-known/est/"


@dataclass(frozen=True, slots=True)
class EstConfig:
    """Where `metersim pki` wrote its files, whom to let in, and what to do wrong on purpose."""

    pki: Pki
    login: str = "device:secret"
    port: int = 0
    valid: timedelta = timedelta(days=VALID_DAYS)
    status: int = 200  # answered instead of a certificate
    body: bytes | None = None  # likewise


@contextmanager
def est_server(config: EstConfig) -> Iterator[str]:
    """Serve on a thread of its own; yields the URL."""

    class Handler(_Handler):
        settings = config

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(config.pki.broker_certificate, config.pki.broker_key)
    tls.load_verify_locations(cafile=config.pki.ca)
    tls.verify_mode = ssl.CERT_OPTIONAL
    with ThreadingHTTPServer(("127.0.0.1", config.port), Handler) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02))
        thread.start()
        try:
            yield f"https://localhost:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    settings: EstConfig

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the interface's name)
        """Say nothing."""

    def do_GET(self) -> None:
        if self.path == f"{ROOT}cacerts":
            self._answer(_pkcs7(self.settings.pki.ca.read_bytes()))
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        operation = self.path.removeprefix(ROOT)
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(min(length, MAX_REQUEST_OCTETS))
        if operation not in {"simpleenroll", "simplereenroll"}:
            self.send_error(404)
        elif self.headers.get("Content-Type") != "application/pkcs10":
            self.send_error(415)
        elif self.settings.status != 200:
            self.send_response(self.settings.status)
            self.send_header("Retry-After", "300")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._issue(b64decode(body), again=operation == "simplereenroll")

    def _issue(self, der: bytes, *, again: bool) -> None:
        asked = x509.load_der_x509_csr(der)
        _openssl("req", "-inform", "DER", "-verify", "-noout", given=der)
        name = str(asked.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
        shown = dict(pair[0] for pair in (self.connection.getpeercert() or {}).get("subject", ()))
        login = self.headers.get("Authorization", "") == "Basic " + b64encode(self.settings.login.encode()).decode()
        if not (shown.get("commonName") == name or (login and not again)):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="est"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        now = datetime.now(UTC)
        pem = issue_certificate(self.settings.pki, name, asked.public_key(), now=now, valid=self.settings.valid)
        self._answer(self.settings.body if self.settings.body is not None else _pkcs7(pem))

    def _answer(self, der: bytes) -> None:
        body = b64encode(der)
        self.send_response(200)
        self.send_header("Content-Type", "application/pkcs7-mime; smime-type=certs-only")
        self.send_header("Content-Transfer-Encoding", "base64")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _pkcs7(pem: bytes) -> bytes:
    with tempfile.NamedTemporaryFile() as file:
        file.write(pem)
        file.flush()
        return _openssl("crl2pkcs7", "-nocrl", "-certfile", file.name, "-outform", "DER")


def _openssl(*arguments: str, given: bytes = b"") -> bytes:
    command = ["openssl", *arguments]
    return subprocess.run(command, input=given, capture_output=True, check=True).stdout  # noqa: S603


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`metersim est DIR --port 8443`"""
    parser.add_argument("directory", type=Path, metavar="DIR", help="certificates as `metersim pki` makes them")
    parser.add_argument("--port", type=int, default=0, help="default: a free one; printed as part of the URL")
    parser.add_argument("--login", default="device:secret", metavar="USER:PASSWORD", help="who may enrol")


async def serve(args: argparse.Namespace) -> None:
    """Print the URL and serve until stopped."""
    with est_server(EstConfig(Pki(args.directory), args.login, args.port)) as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


__all__ = ["EstConfig", "add_arguments", "est_server", "serve"]
