"""A certificate is installed only if it is ours, in order, valid, and for what we need; a refusal says what to do."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.identity.chain import CertificateRefused, check_chain, parse_chain
from agent.identity.install import import_certificate
from agent.keys import DeviceKey, create_device_key
from tests.identity.identity_kit import AGENT, NOW, YEAR, Authority


def public(key: DeviceKey) -> ec.EllipticCurvePublicKey:
    found = key.public_key().public_key
    assert isinstance(found, ec.EllipticCurvePublicKey)
    return found


def refused(octets: bytes, key: DeviceKey) -> str:
    with pytest.raises(CertificateRefused) as caught:
        check_chain(octets, keys=[key], agent_id=AGENT, now=NOW)
    assert caught.value.advice
    assert caught.value.exit_code == 6
    return caught.value.message


def test_a_whole_chain_is_taken_with_or_without_its_root(made: DeviceKey, issuing: Authority, root: Authority) -> None:
    leaf = issuing.issue(public(made))
    for rest in (b"", issuing.pem, issuing.pem + root.pem):
        chain = check_chain(b"# from the CA\n" + leaf + rest, keys=[made], agent_id=AGENT, now=NOW)
        assert chain.pem() == leaf + rest
        assert chain.not_after == NOW + YEAR
        assert chain.key is made


def test_the_first_of_the_chain_to_expire_decides(made: DeviceKey, root: Authority) -> None:
    short = root.below("a short CA", valid=timedelta(days=20))
    chain = check_chain(short.issue(public(made)) + short.pem, keys=[made], agent_id=AGENT, now=NOW)
    assert chain.not_after == NOW + timedelta(days=20)


def test_of_another_key(made: DeviceKey, issuing: Authority, tmp_path: Path) -> None:
    other = create_device_key(tmp_path / "other")
    message = refused(issuing.issue(public(other)), made)
    assert other.kid in message
    assert made.kid in message
    assert "another key" in refused(issuing.issue(ec.generate_private_key(ec.SECP384R1()).public_key()), made)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"valid": timedelta(seconds=0)}, "expired on 2026-11-21T12:00:00Z; by the clock of this device"),
        ({"start": NOW + timedelta(days=3)}, "not valid before 2026-11-23"),
        ({"common_name": "gw-0002"}, "CN=gw-0002, but this agent is CN=gw-0001"),
        ({"purpose": ExtendedKeyUsageOID.SERVER_AUTH}, "clientAuth"),
        ({"signatures": False}, "digitalSignature"),
        ({"ca": True}, "a CA's certificate"),
    ],
)
def test_what_would_not_work(made: DeviceKey, issuing: Authority, options: dict[str, object], match: str) -> None:
    assert match in refused(issuing.issue(public(made), **options) + issuing.pem, made)  # type: ignore[arg-type]


def test_no_usage_at_all_is_any_usage(made: DeviceKey, issuing: Authority) -> None:
    chain = check_chain(issuing.issue(public(made), purpose=None), keys=[made], agent_id=AGENT, now=NOW)
    assert chain.key is made


def test_out_of_order(made: DeviceKey, issuing: Authority, root: Authority) -> None:
    leaf = issuing.issue(public(made))
    assert "not the first" in refused(issuing.pem + leaf, made)
    assert "out of order" in refused(leaf + root.pem + issuing.pem, made)
    assert "out of order" in refused(leaf + root.pem, made)
    stranger = root.below("an issuing CA")  # the right name, another key
    assert "out of order" in refused(leaf + stranger.pem, made)


def test_an_issuer_that_is_no_authority(made: DeviceKey, issuing: Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = issuing.issue(key.public_key(), "no CA")
    fake = Authority(parse_chain(pem)[0], key)
    assert "is no CA" in refused(fake.issue(public(made)) + pem, made)


def test_an_expired_issuer(made: DeviceKey, root: Authority) -> None:
    old = root.below("an old CA", valid=timedelta(hours=-1))
    assert "CN=an old CA expired" in refused(old.issue(public(made)) + old.pem, made)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\0" * 100,
        b"rubbish",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n",
        os.urandom(1000),
        b"x" * 10_000_000,
    ],
    ids=["empty", "nul", "text", "broken", "cut", "noise", "10 MB"],
)
def test_garbage(made: DeviceKey, octets: bytes) -> None:
    assert refused(octets, made)


def test_a_file_with_a_private_key_in_it_is_refused_without_showing_it(made: DeviceKey, issuing: Authority) -> None:
    pem = made.path.read_bytes()
    message = refused(issuing.issue(public(made)) + pem, made)
    assert "private key" in message
    assert pem.splitlines()[1].decode() not in message


def test_the_whole_collection_of_a_ca_is_no_chain(made: DeviceKey, issuing: Authority) -> None:
    assert "1 to 8" in refused(issuing.issue(public(made)) + issuing.pem * 8, made)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 2_000), value=st.integers(0, 255))
def test_a_flipped_octet_is_refused_or_harmless(made: DeviceKey, issuing: Authority, position: int, value: int) -> None:
    octets = bytearray(issuing.issue(public(made)) + issuing.pem)
    octets[position % len(octets)] = value
    try:
        chain = check_chain(bytes(octets), keys=[made], agent_id=AGENT, now=NOW)
    except CertificateRefused:
        return
    assert chain.key is made


def test_nothing_is_installed_of_what_is_refused(made: DeviceKey, keys: Path, issuing: Authority) -> None:
    import_certificate(keys, issuing.issue(public(made)) + issuing.pem, agent_id=AGENT, now=NOW)
    before = {one.name: one.read_bytes() for one in keys.iterdir()}
    with pytest.raises(CertificateRefused):
        import_certificate(keys, issuing.issue(public(made), "gw-0002"), agent_id=AGENT, now=NOW)
    assert {one.name: one.read_bytes() for one in keys.iterdir()} == before
