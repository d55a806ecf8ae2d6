"""What is inside an archive is refused unless it is exactly what its manifest says, before anything is written."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.backup.age import Opening
from agent.backup.errors import ArchiveRefused
from agent.backup.manifest import Member, is_name, parse_manifest
from agent.backup.restore import inspect
from tests.backup.backup_kit import PASSPHRASE, back_up, make_agent, restore, sealed, tar_of, tree

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The inside of a sound backup."""
    place = tmp_path_factory.mktemp("sound")
    back_up(make_agent(place / "box"), place / "archive")
    with (place / "archive").open("rb") as file:
        opening, plain = Opening(file, PASSPHRASE), b""
        while part := opening.read(1 << 16):
            plain += part
    return plain


def member(name: str, content: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    header = tarfile.TarInfo(name)
    header.size = len(content)
    for field, value in fields.items():
        setattr(header, field, value)
    return header, content


def with_manifest(plain: bytes, edit: Edit) -> bytes:
    """Return a backup whose manifest was edited, everything else as it was."""
    size = tarfile.TarInfo.frombuf(plain[:512], "utf-8", "strict").size
    manifest = json.loads(plain[512 : 512 + size])
    edit(manifest)
    return tar_of([member("manifest.json", json.dumps(manifest).encode())])[:-1024] + plain[512 + size + -size % 512 :]


def refused(octets: bytes, place: Path) -> str:
    """Try to restore; return why it is refused. Nothing may have been written."""
    archive = sealed(octets, place / "archive")
    before = tree(place)
    with pytest.raises(ArchiveRefused) as caught:
        restore(archive, place / "new")
    assert tree(place) == before
    return str(caught.value)


def test_a_sound_one_is_read(plain: bytes, tmp_path: Path) -> None:
    manifest, configuration = inspect(sealed(plain, tmp_path / "archive"), PASSPHRASE)
    assert manifest.agent_id == "gw-0001"
    assert b"gw-0001" in configuration
    assert manifest.members[0].name == "config/mrsp.toml"


def test_tar_reads_the_inside(plain: bytes, tmp_path: Path) -> None:
    (tmp_path / "plain.tar").write_bytes(plain)
    with tarfile.open(tmp_path / "plain.tar") as archive:
        names = archive.getnames()
    assert names[0] == "manifest.json"
    assert {"keys/device-key.pem", "state/spool.sqlite", "state/audit.jsonl"} <= set(names)


@pytest.mark.parametrize(
    "name",
    [
        "../etc/passwd", "/etc/passwd", "state/../../x", "state/./x", "state//x", "state/", "state", "keys/.ssh/key",
        "state/a\\b", "state/a\nb", "other/x", "state/" + "x" * 101, "state/ü", "", "config/..", "state/a\0b",
    ],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused(name: str, plain: bytes, tmp_path: Path) -> None:
    def edit(manifest: dict[str, Any]) -> None:
        manifest["members"][1]["name"] = name

    refused(with_manifest(plain, edit), tmp_path)
    assert not is_name(name)


@given(st.text(max_size=40))
def test_no_name_leaves_its_place(text: str) -> None:
    for name in (text, f"state/{text}", f"absolute/{text}/x"):
        if is_name(name):
            path = Path("/somewhere") / name
            assert path == Path(str(path.resolve()))
            assert path.is_relative_to("/somewhere")


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (lambda m: m.update(schema="mrsp.backup/2"), "another format"),
        (lambda m: m.update(agent_version="99.0"), "older"),
        (lambda m: m.update(agent_version="x"), "version"),
        (lambda m: m.update(more=1), "unknown field"),
        (lambda m: m.pop("kid"), "kid"),
        (lambda m: m.update(configuration="config/none"), "no configuration"),
        (lambda m: m.update(configuration="keys/device-key.pem"), "no configuration"),
        (lambda m: m["members"].append(m["members"][0]), "occurs twice"),
        (lambda m: m["members"].reverse(), "should be"),
        (lambda m: m["members"].pop(), "follows its last"),
        (lambda m: m["members"][2].update(octets=10**15), "manifest cannot be read"),
        (lambda m: m["members"][2].update(octets=10**11), "another size"),
        (lambda m: m["members"][2].update(octets=-1), "manifest cannot be read"),
        (lambda m: m["members"][2].update(sha256="0" * 64), "not what its manifest says"),
        (lambda m: m.update(members=m["members"] * 20_000), "manifest"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(edit: Edit, why: str, plain: bytes, tmp_path: Path) -> None:
    assert why in refused(with_manifest(plain, edit), tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.XHDTYPE])
def test_whatever_is_no_regular_file_is_refused(kind: bytes, plain: bytes, tmp_path: Path) -> None:
    header = tarfile.TarInfo.frombuf(plain[:512], "utf-8", "strict")
    header.type, header.linkname = kind, "/etc/passwd"
    assert "should be" in refused(header.tobuf(tarfile.USTAR_FORMAT) + plain[512:], tmp_path)


def test_an_endless_manifest_is_refused_at_its_header(tmp_path: Path) -> None:
    header = tarfile.TarInfo("manifest.json")
    header.size = 8_000_000_000
    assert "8000000000" in refused(header.tobuf(tarfile.USTAR_FORMAT) + bytes(4_096), tmp_path)


class Inside(bytes):
    """The inside of a backup, too long to be shown."""

    def __repr__(self) -> str:
        return f"{len(self)} octets"


@pytest.fixture(scope="module")
def inside(plain: bytes) -> Inside:
    return Inside(plain)


@settings(max_examples=60, deadline=None)
@given(millionth=st.integers(0, 999_999), bit=st.integers(0, 7), how=st.sampled_from(["flip", "cut", "add"]))
def test_no_octet_that_the_manifest_vouches_for_can_be_changed(
    millionth: int, bit: int, how: str, inside: Inside, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As by a mistake of the program that writes. A header's date, owner and mode mean nothing, and may be anything."""
    place = tmp_path_factory.mktemp("changed")
    start = 512 + tarfile.TarInfo.frombuf(inside[:512], "utf-8", "strict").size
    at = start + (len(inside) - start) * millionth // 1_000_000
    if how == "flip":
        changed = inside[:at] + bytes([inside[at] ^ 1 << bit]) + inside[at + 1 :]
    else:
        changed = inside[:at] if how == "cut" else inside[:at] + b"x" + inside[at:]
    try:
        assert inspect(sealed(changed, place / "a"), PASSPHRASE) == inspect(sealed(inside, place / "b"), PASSPHRASE)
        assert how == "flip"
    except ArchiveRefused:
        pass


def test_a_digest_is_of_the_content(plain: bytes, tmp_path: Path) -> None:
    manifest, configuration = inspect(sealed(plain, tmp_path / "archive"), PASSPHRASE)
    digest = hashlib.sha256(configuration).hexdigest()
    assert manifest.members[0] == Member("config/mrsp.toml", len(configuration), digest)


@pytest.mark.parametrize(
    "octets", [b'{"schema": "\xff"}', b'{"public_keys": [{"k": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]}"]
)
def test_a_manifest_that_is_no_manifest_at_all_is_refused(octets: bytes) -> None:
    with pytest.raises(ArchiveRefused, match="manifest cannot be read"):
        parse_manifest(octets)
