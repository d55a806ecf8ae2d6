"""Of a bundle nothing is believed but what the fleet's key signed, and only the one way to write it is read."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.fleet.bundle import BLOCK, MOST_BUNDLE_OCTETS, pack, unpack
from agent.fleet.errors import BundleRefused
from agent.fleet.manifest import BundleFile, Manifest, is_name, not_meant, place_of, refuse_older_agent
from agent.keys import DeviceKey, create_device_key
from agent.seal import sign_manifest
from tests.fleet.fleet_kit import NOW, Fleet

FILES = {"mrsp.toml": b"[agent]\n", "profiles/a.toml": b"x" * 700, "profiles/empty.md": b""}
PEOPLE = ["gw-1", "gw-2", "gw-3"]


def listed(files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    return [
        {"name": name, "octets": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    ]


def manifest(files: Mapping[str, bytes] = FILES, **terms: Any) -> Manifest:
    whole = {"schema": "mrsp.fleet/1", "version": 7, "made_at": NOW, "files": listed(files)}
    return msgspec.convert(whole | terms, Manifest)


def bundle(key: DeviceKey, said: Manifest | None = None, files: Mapping[str, bytes] = FILES) -> bytes:
    found = said or manifest(files)
    return pack(sign_manifest(key, msgspec.json.encode(found)), found, files)


@pytest.fixture(scope="session")
def whole(fleet: Fleet) -> bytes:
    return bundle(fleet.key)


def test_what_was_signed_comes_back(fleet: Fleet, whole: bytes) -> None:
    found = unpack(whole, [fleet.key.public_key()])
    assert (found.files, found.manifest, found.kid) == (FILES, manifest(), fleet.key.kid)
    assert whole == bundle(fleet.key)  # Ed25519 draws no lots: the same folder is the same bundle


def test_tar_reads_it(whole: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        assert archive.getnames() == ["manifest.jws", *FILES]
        member = archive.extractfile("profiles/a.toml")
        assert member is not None
        assert member.read() == FILES["profiles/a.toml"]


def test_another_key_is_refused(fleet: Fleet, whole: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = create_device_key(tmp_path_factory.mktemp("other"), "ES256")
    with pytest.raises(BundleRefused, match="not signed by a key that this box trusts"):
        unpack(whole, [other.public_key()])
    with pytest.raises(BundleRefused, match="not signed by a key that this box trusts"):
        unpack(bundle(other), [fleet.key.public_key()])
    assert unpack(bundle(other), [fleet.key.public_key(), other.public_key()]).kid == other.kid


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "mdsp-request+jws"},
        {"crit": ["x"], "x": 1},
        {"alg": "none"},
        {"alg": "ES256"},
        {"kid": "another"},
        {"x": 1},
    ],
)
def test_what_was_signed_for_another_purpose_is_no_bundle(fleet: Fleet, header: dict[str, Any]) -> None:
    said = manifest()
    whole = {"alg": "Ed25519", "kid": fleet.key.kid, "typ": "mrsp-fleet+jws"}
    private = fleet.key.signing_key().private_key
    assert isinstance(private, Ed25519PrivateKey)

    def token(protected: dict[str, Any]) -> bytes:
        parts = [json.dumps(protected).encode(), msgspec.json.encode(said)]
        signed = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)
        return signed + b"." + urlsafe_b64encode(private.sign(signed)).rstrip(b"=")

    assert unpack(pack(token(whole), said, FILES), [fleet.key.public_key()]).kid == fleet.key.kid
    with pytest.raises(BundleRefused, match="not signed by a key that this box trusts"):
        unpack(pack(token(whole | header), said, FILES), [fleet.key.public_key()])


@settings(max_examples=150, deadline=None)
@given(at=st.integers(min_value=0), flip=st.integers(min_value=1, max_value=255))
def test_no_octet_can_be_changed(fleet: Fleet, whole: bytes, at: int, flip: int) -> None:
    place = at % len(whole)
    altered = whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :]
    with pytest.raises(BundleRefused):
        unpack(altered, [fleet.key.public_key()])


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(min_value=0), more=st.binary(max_size=40))
def test_nothing_can_be_cut_off_or_added(fleet: Fleet, whole: bytes, cut: int, more: bytes) -> None:
    altered = whole[: cut % len(whole)] + more
    with pytest.raises(BundleRefused):
        unpack(altered, [fleet.key.public_key()])


@settings(max_examples=100, deadline=None)
@given(octets=st.binary(max_size=3 * BLOCK))
def test_noise_is_refused(fleet: Fleet, octets: bytes) -> None:
    with pytest.raises(BundleRefused):
        unpack(octets, [fleet.key.public_key()])


def _link(info: tarfile.TarInfo) -> None:
    info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc/passwd", 0


def _renamed(info: tarfile.TarInfo) -> None:
    info.name = "../../etc/passwd"


def _executable(info: tarfile.TarInfo) -> None:
    info.mode = 0o4755


@pytest.mark.parametrize("change", [_link, _renamed, _executable])
def test_a_hostile_header_is_refused(fleet: Fleet, whole: bytes, change: Callable[[tarfile.TarInfo], None]) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(whole)) as source, tarfile.open(fileobj=out, mode="w") as target:
        for member in source.getmembers():
            content = source.extractfile(member)
            if member.name == "mrsp.toml":
                change(member)
            target.addfile(member, content)
    with pytest.raises(BundleRefused, match="something else"):
        unpack(out.getvalue(), [fleet.key.public_key()])


def test_a_bundle_that_is_too_large_is_not_looked_at(fleet: Fleet) -> None:
    with pytest.raises(BundleRefused, match="larger than"):
        unpack(bytes(MOST_BUNDLE_OCTETS + 1), [fleet.key.public_key()])


@pytest.mark.parametrize(
    "name",
    [
        *(
            "/etc/passwd.txt",
            "../a.toml",
            "a/../b.toml",
            "a//b.toml",
            ".hidden.toml",
            "a/.b.toml",
            "a\\b.toml",
            "a b.toml",
        ),
        *("a.toml\n", "é.toml", "a", "a.so", "a.toml.lock", "a/b/c/d/e.toml", "-a.toml", "", "~/a.toml", "a.toml/"),
    ],
)
def test_a_name_leads_nowhere_else(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(msgspec.ValidationError):
        manifest({name: b""})


@settings(max_examples=40, deadline=None)
@given(levels=st.lists(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,9}", fullmatch=True), min_size=1, max_size=3))
def test_a_plain_name_is_taken(levels: list[str]) -> None:
    assert is_name("/".join([*levels, "x.toml"]))


@pytest.mark.parametrize(
    "terms",
    [
        {"schema": "mrsp.fleet/2"},
        {"version": 0},
        {"version": 1 << 53},
        {"version": "7"},
        {"percent": 0},
        {"percent": 101},
        {"made_at": "2026-03-01T00:00:00"},
        {"more": 1},
        {"agents": ["../gw"]},
        {"requires": "newest"},
        {"files": []},
        {"files": listed(FILES) + listed({"mrsp.toml": b""})},
        {"files": listed(FILES) + listed({"profiles.toml": b"", "profiles.toml/a.toml": b""})},
        {"files": [{"name": f"{k}.txt", "octets": 4 << 20, "sha256": "0" * 64} for k in range(3)]},
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused_though_signed(fleet: Fleet, terms: dict[str, Any]) -> None:
    said = {"schema": "mrsp.fleet/1", "version": 7, "made_at": NOW, "files": listed(FILES)} | terms
    token = sign_manifest(fleet.key, msgspec.json.encode(said))
    with pytest.raises(BundleRefused, match="not as it should be"):
        unpack(pack(token, manifest(), FILES), [fleet.key.public_key()])


@settings(max_examples=60, deadline=None)
@given(payload=st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists, max_leaves=6))
def test_any_signed_payload_is_a_manifest_or_refused(fleet: Fleet, payload: object) -> None:
    token = sign_manifest(fleet.key, json.dumps(payload).encode())
    with pytest.raises(BundleRefused):
        unpack(pack(token, manifest(), FILES), [fleet.key.public_key()])


@settings(max_examples=40, deadline=None)
@given(agent=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True), version=st.integers(1, 1 << 40))
def test_a_wider_stage_takes_in_all_of_the_narrower(agent: str, version: int) -> None:
    place = place_of(version, agent)
    assert 1 <= place <= 100
    for percent in (1, 10, 50, 99, 100):
        said = manifest(version=version, percent=percent)
        assert (not_meant(said, agent, ()) == "") is (percent >= place)
        assert said.content == manifest(version=version).content


def test_lots_are_drawn_evenly_and_anew() -> None:
    first = {f"gw-{k:04}" for k in range(2000) if place_of(1, f"gw-{k:04}") <= 10}
    second = {f"gw-{k:04}" for k in range(2000) if place_of(2, f"gw-{k:04}") <= 10}
    assert 140 < len(first) < 260
    assert len(first & second) < 60


def test_a_bundle_is_for_whom_it_says() -> None:
    assert not_meant(manifest(agents=["gw-1"]), "gw-2", ["north"]) == "it is for other agents than gw-2"
    assert not_meant(manifest(groups=["south", "west"]), "gw-2", ["north"]) == "it is for the groups south, west"
    assert not_meant(manifest(agents=PEOPLE, groups=["north"]), "gw-2", ["north", "lab"]) == ""


def test_an_agent_that_is_too_old_is_told() -> None:
    refuse_older_agent(manifest(requires="0.1"))
    with pytest.raises(BundleRefused, match=r"needs mrsp-agent 99\.0"):
        refuse_older_agent(manifest(requires="99.0"))


def test_each_agent_may_have_a_configuration_of_its_own() -> None:
    own = {"agents/gw-1.toml": b"", "mrsp.toml": b""}
    assert manifest(own).configuration_for("gw-1") == "agents/gw-1.toml"
    assert manifest(own).configuration_for("gw-2") == "mrsp.toml"
    with pytest.raises(BundleRefused, match=r"agents/gw-2\.toml"):
        manifest({"agents/gw-1.toml": b""}).configuration_for("gw-2")


def test_a_file_is_what_its_digest_says() -> None:
    one = BundleFile("a.toml", 1, "0" * 64)
    assert msgspec.json.decode(msgspec.json.encode(one), type=BundleFile) == one
