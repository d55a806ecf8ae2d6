"""`mrsp backup` as people type it: what it says, what it refuses, and that no secret is ever printed."""

from __future__ import annotations

import argparse
import json
import stat
from pathlib import Path

import pytest

from agent.cli import backup
from agent.errors import LocalTrouble, MrspError, UsageError
from agent.instance import instance_of
from tests.backup.backup_kit import make_agent, private

CLAIM = ("--stopped",)


def mrsp(verb: str, *arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    backup.add_arguments(parser)
    return backup.run(parser.parse_args([verb, *map(str, arguments)]))


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    return private(tmp_path / "passphrase", b"correct horse battery\n")


@pytest.fixture
def box(tmp_path: Path) -> Path:
    return make_agent(tmp_path / "box")


def test_with_a_passphrase(box: Path, passphrase: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = tmp_path / "archive"
    assert mrsp("create", "--config", box, "--output", archive, "--passphrase-file", passphrase) == 0
    assert mrsp("show", archive, "--passphrase-file", passphrase, "--json") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["agent_id"] == "gw-0001"
    assert "chain up to link 3, 3 documents waiting" in shown.err
    assert "not in it: " in shown.err
    assert mrsp("show", archive, "--passphrase-file", passphrase) == 0
    assert "keys/device-key.pem" in capsys.readouterr().out
    assert mrsp("restore", archive, "--into", tmp_path / "new", "--passphrase-file", passphrase, *CLAIM) == 0
    said = capsys.readouterr()
    assert "the chain goes on where it was" in said.err
    assert "correct horse" not in said.err + said.out + shown.err
    assert "PRIVATE" not in said.err + said.out + shown.out


def test_with_a_recovery_key(box: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, archive = tmp_path / "recovery.key", tmp_path / "archive"
    assert mrsp("keygen", "--output", key) == 0
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    said = capsys.readouterr()
    recipient = said.out.strip()
    assert recipient.startswith("age1")
    assert "SECRET" not in said.out + said.err
    with pytest.raises(LocalTrouble, match="exists already"):
        mrsp("keygen", "--output", key)
    assert mrsp("create", "--config", box, "--output", archive, "--recipient", recipient) == 0
    target = tmp_path / "new" / "agent.toml"
    assert mrsp("restore", archive, "--config", target, "--identity", key, "--unknown-head", "--by", "Ann") == 0
    assert target.is_file()
    assert "the last one known is 3; 3 documents wait" in capsys.readouterr().err
    assert instance_of(target.parent / "state").generation > 0
    key.chmod(0o644)
    with pytest.raises(LocalTrouble, match="open to other users"):
        mrsp("show", archive, "--identity", key)


@pytest.mark.parametrize(
    ("claim", "why"),
    [
        ((), "what may the box before have made"),
        (("--stopped", "--unknown-head"), "what may the box before have made"),
        (("--last-seq", "4"), "43 letters"),
        (("--last-digest", "A" * 43), "from 1"),
        (("--last-seq", "4", "--last-digest", "A" * 43, "--stopped"), "what may the box before have made"),
    ],
)
def test_it_must_be_said_what_the_box_before_made(
    claim: tuple[str, ...], why: str, box: Path, passphrase: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    mrsp("create", "--config", box, "--output", archive, "--passphrase-file", passphrase)
    with pytest.raises(UsageError, match=why):
        mrsp("restore", archive, "--into", tmp_path / "new", "--passphrase-file", passphrase, *claim)
    with pytest.raises(UsageError, match=why):
        mrsp("takeover", "--config", box, *claim)
    assert not (tmp_path / "new").exists()


def test_a_takeover_by_hand(box: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mrsp("takeover", "--config", box, "--last-seq", "9", "--last-digest", "A" * 43, "--by", "Ann") == 0
    assert "goes on at link 1010; the last one known is 9" in capsys.readouterr().err


def test_what_cannot_be_is_refused(box: Path, passphrase: Path, tmp_path: Path) -> None:
    short = private(tmp_path / "short", b"short\n")
    archive = tmp_path / "archive"
    with pytest.raises(UsageError, match="at least 12"):
        mrsp("create", "--config", box, "--output", archive, "--passphrase-file", short)
    with pytest.raises(UsageError, match="no recovery key's public half"):
        mrsp("create", "--config", box, "--output", archive, "--recipient", "age1nonsense")
    passphrase.chmod(0o644)
    with pytest.raises(MrspError, match="open to other users"):
        mrsp("create", "--config", box, "--output", archive, "--passphrase-file", passphrase)
    with pytest.raises(LocalTrouble, match="cannot read the backup"):
        mrsp("show", tmp_path / "none", "--passphrase-file", short)
    (tmp_path / "junk").write_bytes(b"not a backup")
    with pytest.raises(LocalTrouble, match=r"no backup of an agent|damaged"):
        mrsp("show", tmp_path / "junk", "--passphrase-file", short)
    assert not archive.exists()
