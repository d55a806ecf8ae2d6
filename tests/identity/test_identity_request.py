"""Requests are what a CA expects: checked and signed by the real `openssl`, and its certificates are taken back."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from agent.errors import UsageError
from agent.identity.chain import parse_chain
from agent.identity.install import import_certificate
from agent.identity.request import certificate_request, default_name, names_of
from agent.keys import create_device_key
from tests.identity.identity_kit import AGENT, NOW, Authority, make_root

OPENSSL = shutil.which("openssl") or "openssl"


def openssl(*arguments: str, given: bytes = b"") -> str:
    done = subprocess.run([OPENSSL, *arguments], input=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return (done.stdout + done.stderr).decode()


@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519"])
def test_openssl_verifies_the_request_and_reads_what_it_asks_for(tmp_path: Path, algorithm: Any) -> None:
    key = create_device_key(tmp_path / "keys", algorithm)
    request = certificate_request(key, agent_id=AGENT)
    told = openssl("req", "-verify", "-noout", "-text", "-nameopt", "RFC2253", given=request)
    assert "verify OK" in told
    assert "Subject: CN=gw-0001\n" in told
    assert "DNS:gw-0001" in told
    assert "Digital Signature\n" in told
    assert "TLS Web Client Authentication, 1.3.6.1.5.5.7.3.36" in told or "documentSigning" in told.replace(" ", "")
    assert "P-256" in told if algorithm == "ES256" else "ED25519" in told
    assert (b"PRIVATE" in request) is False


def test_a_certificate_that_openssl_issues_is_taken_and_verifies(tmp_path: Path) -> None:
    key = create_device_key(tmp_path / "keys")
    root = make_root()
    ca, ca_key = tmp_path / "ca.pem", root.write_key(tmp_path / "ca.key")
    ca.write_bytes(root.pem)
    request = tmp_path / "r.csr"
    request.write_bytes(certificate_request(key, agent_id=AGENT))
    out = tmp_path / "out.pem"
    openssl(
        *("x509", "-req", "-in", str(request), "-CA", str(ca), "-CAkey", str(ca_key), "-CAcreateserial"),
        *("-days", "90", "-copy_extensions", "copyall", "-out", str(out)),
    )
    issued = parse_chain(out.read_bytes())[0]
    done = import_certificate(tmp_path / "keys", out.read_bytes(), agent_id=AGENT, now=issued.not_valid_before_utc)
    assert names_of(done.chain.leaf) == ("DNS:gw-0001",)
    installed = tmp_path / "keys" / "device-cert.pem"
    assert "OK" in openssl("verify", "-purpose", "sslclient", "-CAfile", str(ca), str(installed))
    ours = openssl("pkey", "-in", str(key.path), "-pubout")
    assert openssl("x509", "-in", str(installed), "-pubkey", "-noout") == ours


@pytest.mark.parametrize(
    ("agent_id", "name"),
    [
        ("GW-0001", "DNS:gw-0001"),
        ("gw.site-7.example", "DNS:gw.site-7.example"),
        ("gw_1", "URI:mrsp:gw_1"),
        ("gw-", "URI:mrsp:gw-"),
        ("gw..1", "URI:mrsp:gw..1"),
        ("a" * 63, "DNS:" + "a" * 63),
    ],
)
def test_an_agent_is_named_by_dns_where_dns_has_such_names(tmp_path: Path, agent_id: str, name: str) -> None:
    assert default_name(agent_id) == name
    key = create_device_key(tmp_path / "keys")
    asked = x509.load_pem_x509_csr(certificate_request(key, agent_id=agent_id))
    held = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [one.value for one in held] == [name.split(":", 1)[1]]


def test_further_names_and_their_way_back(tmp_path: Path, root: Authority) -> None:
    key = create_device_key(tmp_path / "keys")
    names = ("DNS:gw-1.example", "URI:spiffe://mdsp.example/gw-1")
    request = certificate_request(key, agent_id=AGENT, names=names, documents=False)
    assert names_of(parse_chain(root.issue_for(request, start=NOW))[0]) == names
    asked = x509.load_pem_x509_csr(request)
    assert len(asked.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == 1


def test_a_certificate_that_the_console_shows_is_for_servers_too(tmp_path: Path, root: Authority) -> None:
    keys = tmp_path / "keys"
    config = tmp_path / "mrsp.toml"
    config.write_text(f"""[agent]
agent_id = "{AGENT}"
state_directory = "state"
[keys]
directory = "{keys}"
[console]
listen = "192.168.7.1:8443"
hosts = ["van-7.example"]
""")
    create_device_key(keys)
    printed = subprocess.run(
        [sys.executable, "-m", "agent.cli.main", "keys", "csr", "--config", str(config)],
        capture_output=True,
        check=True,
    ).stdout
    issued = root.issue_for(printed, start=NOW)
    assert names_of(parse_chain(issued)[0]) == ("DNS:gw-0001", "DNS:van-7.example", "IP:192.168.7.1")
    wanted = x509.load_pem_x509_csr(printed).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.SERVER_AUTH in wanted
    assert ExtendedKeyUsageOID.CLIENT_AUTH in wanted


@pytest.mark.parametrize(
    "name", ["", "gw", "DNS:", "DNS:a b", "DNS:-a", "IP:1.2.3", "URI:x", "URI:x:\n", "DNS:" + "a" * 64]
)
def test_names_that_cannot_be_are_refused(tmp_path: Path, name: str) -> None:
    key = create_device_key(tmp_path / "keys")
    with pytest.raises(UsageError, match="no name for a certificate"):
        certificate_request(key, agent_id=AGENT, names=[name])


@pytest.mark.parametrize("agent_id", ["", "a" * 64, "a/b", "-a", "a\n", "#"])
def test_an_agent_id_that_cannot_be_is_refused(tmp_path: Path, agent_id: str) -> None:
    key = create_device_key(tmp_path / "keys")
    with pytest.raises(UsageError, match="agent_id"):
        certificate_request(key, agent_id=agent_id)
