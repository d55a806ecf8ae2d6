"""The device key is made once, private, and named by its thumbprint; the MDSP's keys follow their file."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from agent.errors import LocalTrouble
from agent.identity.status import key_status
from agent.keys import MdspKeys, create_device_key, load_device_key
from metersim.pki import Pki, add_agent, create_pki, issue_certificate

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(("algorithm", "curve"), [("ES256", "P-256"), ("Ed25519", "Ed25519")])
def test_a_key_is_made_private_and_named_by_its_thumbprint(tmp_path: Path, algorithm: Any, curve: str) -> None:
    made = create_device_key(tmp_path / "a" / "keys", algorithm)
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert made.path.parent.stat().st_mode & 0o777 == 0o700
    assert b"BEGIN PRIVATE KEY" in made.path.read_bytes()  # PKCS#8
    load_pem_private_key(made.path.read_bytes(), password=None)
    jwk = made.public_jwk()
    assert (jwk["crv"], jwk["alg"], jwk["use"]) == (curve, algorithm, "sig")
    assert "d" not in jwk
    kind = ECKey if algorithm == "ES256" else OKPKey
    assert made.kid == jwk["kid"] == kind.import_key(jwk).thumbprint()
    assert load_device_key(made.path.parent) == made
    assert [one.name for one in made.path.parent.iterdir()] == ["device-key.pem"]


def test_the_thumbprint_is_that_of_rfc_7638(tmp_path: Path) -> None:
    made = create_device_key(tmp_path / "keys")
    import base64
    import hashlib

    jwk = made.public_jwk()
    text = json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    assert made.kid == base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def test_a_key_never_shows(tmp_path: Path) -> None:
    made = create_device_key(tmp_path / "keys")
    secret = made.signing_key().as_dict(private=True)["d"]
    assert str(secret) not in f"{made!r} {made} {made.public_jwk()} {key_status(tmp_path / 'keys', now=NOW)}"


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    made = create_device_key(tmp_path / "keys")
    before = made.path.read_bytes()
    with pytest.raises(LocalTrouble, match="already is a device key"):
        create_device_key(tmp_path / "keys", "Ed25519")
    assert made.path.read_bytes() == before
    assert [one.name for one in made.path.parent.iterdir()] == ["device-key.pem"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_that_others_can_touch_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    made = create_device_key(tmp_path / "keys")
    made.path.chmod(mode)
    with pytest.raises(LocalTrouble, match="chmod 600") as caught:
        load_device_key(tmp_path / "keys")
    assert f"{mode:04o}" in str(caught.value)
    assert caught.value.exit_code == 6


def test_an_open_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir(mode=0o755)
    with pytest.raises(LocalTrouble, match="chmod 700"):
        create_device_key(tmp_path / "keys")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"rubbish",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        RSAKey.generate_key(2048).as_pem(private=True),
        ECKey.generate_key("P-384").as_pem(private=True),
        OKPKey.generate_key("X25519").as_pem(private=True),
        ECKey.generate_key("P-256").as_pem(private=False),
    ],
    ids=["empty", "rubbish", "broken", "rsa", "p-384", "x25519", "public"],
)
def test_a_file_that_holds_no_usable_key_is_refused(tmp_path: Path, content: bytes) -> None:
    made = create_device_key(tmp_path / "keys")
    made.path.write_bytes(content)
    with pytest.raises(LocalTrouble, match="no key that can sign"):
        load_device_key(tmp_path / "keys")


def test_a_missing_key_and_a_directory_in_its_place_are_named(tmp_path: Path) -> None:
    with pytest.raises(LocalTrouble, match="mrsp keys init"):
        load_device_key(tmp_path)
    (tmp_path / "device-key.pem").mkdir()
    with pytest.raises(LocalTrouble, match="not a regular file"):
        load_device_key(tmp_path)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    made = create_pki(tmp_path_factory.mktemp("pki") / "pki", now=NOW)
    add_agent(made, "gw-0001", now=NOW)
    return made


def test_status_without_a_certificate_says_so(tmp_path: Path) -> None:
    create_device_key(tmp_path / "keys")
    status = key_status(tmp_path / "keys", now=NOW)
    assert status.certificate is None
    assert "no certificate" in status.warnings[0]


def test_status_reads_the_certificate_beside_the_key(pki: Pki) -> None:
    status = key_status(pki.device("gw-0001"), now=NOW)
    assert status.certificate is not None
    assert status.certificate.subject == "CN=gw-0001"
    assert status.certificate.issuer == "CN=mrsp test authority"
    assert status.certificate.matches_key
    assert status.certificate.days_left == 3650
    assert status.warnings == ()


@pytest.mark.parametrize(("days", "match"), [(31, None), (30, "expires in 30 days"), (0, "expired"), (-3, "expired")])
def test_an_expiring_certificate_is_a_warning(pki: Pki, tmp_path: Path, days: int, match: str | None) -> None:
    made = create_device_key(tmp_path / "keys")
    pem = issue_certificate(pki, "gw-0001", made.public_key().public_key, now=NOW, valid=timedelta(days=days))
    (tmp_path / "keys" / "device-cert.pem").write_bytes(pem)
    warnings = key_status(tmp_path / "keys", now=NOW).warnings
    assert [match in one for one in warnings if match] == [True] * (match is not None)
    assert bool(warnings) == (match is not None)


def test_a_certificate_of_another_key_or_of_tomorrow_is_a_warning(pki: Pki, tmp_path: Path) -> None:
    create_device_key(tmp_path / "keys")
    other = pki.device("gw-0001") / "device-cert.pem"
    status = key_status(tmp_path / "keys", now=NOW - timedelta(days=9), certificate=other)
    assert status.certificate is not None
    assert not status.certificate.matches_key
    assert [one.split(" ", 3)[2] for one in status.warnings] == ["was", "is"]
    (tmp_path / "rubbish.pem").write_text("x")
    for path in (tmp_path / "rubbish.pem", tmp_path / "missing.pem"):
        with pytest.raises(LocalTrouble, match="certificate"):
            key_status(tmp_path / "keys", now=NOW, certificate=path)


def jwks(path: Path, *keys: dict[str, Any]) -> MdspKeys:
    path.write_text(json.dumps({"keys": keys}))
    return MdspKeys(path)


def public(use: str, key: ECKey | OKPKey | None = None, **more: Any) -> dict[str, Any]:
    made = key or ECKey.generate_key("P-256")
    return {**made.as_dict(private=False), "kid": made.thumbprint(), "use": use, **more}


def test_mdsp_keys_are_sorted_by_use(tmp_path: Path) -> None:
    signing, encrypting = public("sig"), public("enc", OKPKey.generate_key("X25519"))
    keys = jwks(
        tmp_path / "a.jwks", signing, public("sig", OKPKey.generate_key("Ed25519"), alg="EdDSA"), encrypting
    ).load()
    assert keys.verification[0].kid == signing["kid"]
    assert len(keys.verification) == 2
    assert [one.kid for one in keys.encryption] == [encrypting["kid"]]


def test_mdsp_keys_are_read_again_when_the_file_changes_and_kept_when_it_breaks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "mdsp.jwks"
    first, second = public("sig"), public("sig")
    keys = jwks(path, first)
    assert keys.load() is keys.load()
    draft = tmp_path / "draft"
    draft.write_text(json.dumps({"keys": [second]}))
    os.utime(draft, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    draft.rename(path)  # same size and time, another inode
    assert keys.load().verification[0].kid == second["kid"]
    path.write_text("{")
    for _ in range(3):
        assert keys.load().verification[0].kid == second["kid"]
    path.unlink()
    assert keys.load().verification[0].kid == second["kid"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    path.write_text(json.dumps({"keys": [first]}))
    assert keys.load().verification[0].kid == first["kid"]


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [public("enc")],
        [{"kty": "EC"}],
        [{**OctKey.generate_key(256).as_dict(private=True), "use": "sig"}],
        [{**RSAKey.generate_key(2048).as_dict(private=False), "use": "sig"}],
        [public("sig", ECKey.generate_key("P-384"))],
        [public("sig", OKPKey.generate_key("X25519"))],
        [public("sig"), public("enc", OKPKey.generate_key("Ed25519"))],
        [public("sig")] * 65,
        [{**public("sig"), "x": "AAAA"}],
    ],
)
def test_a_key_set_that_cannot_work_is_refused(tmp_path: Path, keys: list[dict[str, Any]]) -> None:
    with pytest.raises(LocalTrouble, match=r"mdsp\.jwks"):
        jwks(tmp_path / "mdsp.jwks", *keys).load()


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"keys": 1}', b" " * 300_000])
def test_a_file_that_is_no_key_set_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mdsp.jwks"
    path.write_bytes(content)
    with pytest.raises(LocalTrouble, match=r"mdsp\.jwks"):
        MdspKeys(path).load()


def test_required_encryption_is_not_given_up_silently(tmp_path: Path) -> None:
    path = tmp_path / "mdsp.jwks"
    jwks(path, public("sig"))
    with pytest.raises(LocalTrouble, match="encryption is required"):
        MdspKeys(path, require_encryption=True).load()
