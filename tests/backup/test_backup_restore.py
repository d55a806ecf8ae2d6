"""Backup and restore: whole or not at all, from a running agent, over kills at every step, never over another agent."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from agent.backup.age import Passphrase
from agent.backup.create import Contents, create_backup
from agent.backup.errors import ArchiveRefused
from agent.backup.restore import inspect
from agent.backup.takeover import Unknown
from agent.config import load_config
from agent.errors import LocalTrouble, UsageError
from agent.identity.present import own_public_keys
from agent.instance import instance_of
from agent.keys import load_device_key
from agent.spool import Spool, VerifyReport
from drivers.secret import Secret
from tests.backup.backup_kit import (
    NOW,
    PASSPHRASE,
    add_readings,
    back_up,
    document,
    make_agent,
    private,
    restore,
    tree,
)
from tests.backup.dying import dies_before

KEPT = ("mrsp.toml", "mdsp.jwks", "passwords/m1", "keys/device-key.pem", "state/meters/a.json", "state/audit.jsonl")


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """The configuration of an agent."""
    return make_agent(tmp_path / "box")


def verified(file: Path) -> VerifyReport:
    async def verify() -> VerifyReport:
        config = load_config(file)
        async with await Spool.open(config.spool_file, agent_id=config.agent_id) as spool:
            return await spool.verify(own_public_keys(config.key_directory))

    return asyncio.run(verify())


def waiting(file: Path) -> list[str]:
    async def listed() -> list[str]:
        async with await Spool.open(load_config(file).spool_file) as spool:
            return [entry.document_id for entry in await spool.entries()]

    return asyncio.run(listed())


def is_whole(place: Path, original: Path) -> None:
    """Assert that an agent is there that has everything and may run."""
    before, after = tree(original), tree(place)
    assert {name: after[name] for name in KEPT} == {name: before[name] for name in KEPT}
    assert verified(place / "mrsp.toml").sound
    assert waiting(place / "mrsp.toml")[:3] == ["r1", "r2", "r3"]
    assert instance_of(place / "state").generation > 0
    for name in (*KEPT, "state", "keys", "state/spool.sqlite", "state/instance.json"):
        assert stat.S_IMODE((place / name).stat().st_mode) & 0o077 == 0, name


def test_everything_comes_back_and_only_its_owner_may_read_it(box: Path, tmp_path: Path) -> None:
    manifest = back_up(box, tmp_path / "archive")
    assert stat.S_IMODE((tmp_path / "archive").stat().st_mode) == 0o600
    done = restore(tmp_path / "archive", tmp_path / "new")
    assert done.restart is None
    assert (manifest.chain_seq, manifest.waiting) == (3, 3)
    is_whole(tmp_path / "new", box.parent)
    assert not (tmp_path / "new" / "state" / "clock-proof.json").exists()  # of that box and boot alone
    assert add_readings(tmp_path / "new" / "mrsp.toml", 1, start=9) == ["r9"]
    assert verified(tmp_path / "new" / "mrsp.toml").links == 4


def test_no_secret_is_readable_in_the_archive(box: Path, tmp_path: Path) -> None:
    back_up(box, tmp_path / "archive")
    octets = (tmp_path / "archive").read_bytes()
    assert b"PRIVATE KEY" not in octets
    assert b"gw-0001" not in octets
    assert list(box.parent.glob("state/.backup-*")) == []


def test_what_is_not_wanted_stays_out_and_is_named(box: Path, tmp_path: Path) -> None:
    private(box.parent / "state" / "recordings" / "one.rec", b"bytes of a visit")
    manifest = back_up(box, tmp_path / "lean", passwords=False)
    assert any("passwords/m1" in left for left in manifest.left_out)
    assert any("recordings" in left for left in manifest.left_out)
    assert not any(member.name.startswith("recordings") for member in manifest.members)
    restore(tmp_path / "lean", tmp_path / "new")
    assert not (tmp_path / "new" / "passwords").exists()
    back_up(box, tmp_path / "full", recordings=True)
    restore(tmp_path / "full", tmp_path / "newer")
    assert (tmp_path / "newer" / "state" / "recordings" / "one.rec").read_bytes() == b"bytes of a visit"


def test_a_backup_of_a_running_agent_is_of_one_moment(box: Path, tmp_path: Path) -> None:
    started, stop = threading.Event(), threading.Event()

    def run() -> None:
        number = 100
        while not stop.is_set():
            add_readings(box, 5, start=number)
            number += 5
            started.set()

    agent = threading.Thread(target=run)
    agent.start()
    try:
        started.wait()
        manifests = [back_up(box, tmp_path / f"archive-{number}") for number in range(4)]
    finally:
        stop.set()
        agent.join()
    for number, manifest in enumerate(manifests):
        restore(tmp_path / f"archive-{number}", tmp_path / f"new-{number}")
        report = verified(tmp_path / f"new-{number}" / "mrsp.toml")
        assert (report.sound, report.links, report.head.seq) == (True, manifest.chain_seq, manifest.chain_seq)


def test_nothing_is_overwritten(box: Path, tmp_path: Path) -> None:
    back_up(box, tmp_path / "archive")
    with pytest.raises(UsageError, match="exists already"):
        back_up(box, tmp_path / "archive")
    before = tree(box.parent)
    with pytest.raises(LocalTrouble, match="something is there already"):
        restore(tmp_path / "archive", box.parent)
    assert tree(box.parent) == before


def test_replace_moves_aside_what_is_there(box: Path, tmp_path: Path) -> None:
    back_up(box, tmp_path / "archive")
    other = make_agent(tmp_path / "other", readings=5)
    theirs = tree(other.parent)
    restore(tmp_path / "archive", other.parent, replace=True)
    is_whole(other.parent, box.parent)
    after = tree(other.parent)
    for name in ("keys/device-key.pem", "state/spool.sqlite", "mrsp.toml"):
        assert theirs[name] in after.values(), f"{name} of the agent that was there is gone"


def test_a_file_that_is_there_already_as_it_should_be_is_no_hindrance(box: Path, tmp_path: Path) -> None:
    back_up(box, tmp_path / "archive")
    private(tmp_path / "new" / "mdsp.jwks", (box.parent / "mdsp.jwks").read_bytes())
    (tmp_path / "new" / "state").mkdir(mode=0o700)
    assert restore(tmp_path / "archive", tmp_path / "new").restart is None
    is_whole(tmp_path / "new", box.parent)


def test_what_lies_elsewhere_goes_there_only_when_that_is_asked_for(box: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    text = box.read_text().replace('state_directory = "state"', f'state_directory = "{elsewhere}"')
    (box.parent / "state").rename(elsewhere)
    box.write_text(text)
    back_up(box, tmp_path / "archive")
    with pytest.raises(UsageError, match="outside of"):
        restore(tmp_path / "archive", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_new_identity_keeps_what_verifies_the_old_documents(box: Path, tmp_path: Path) -> None:
    manifest = back_up(box, tmp_path / "archive")
    done = restore(tmp_path / "archive", tmp_path / "new", claim=Unknown(), new_identity=True)
    assert done.kid != manifest.kid
    assert load_device_key(tmp_path / "new" / "keys").kid == done.kid
    assert {key.kid for key in own_public_keys(tmp_path / "new" / "keys")} == {done.kid, manifest.kid}
    assert verified(tmp_path / "new" / "mrsp.toml").sound


def test_one_backup_at_a_time(box: Path, tmp_path: Path) -> None:
    import fcntl

    descriptor = os.open(box.parent / "state", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        with pytest.raises(LocalTrouble, match="another backup"):
            back_up(box, tmp_path / "archive")
    finally:
        os.close(descriptor)
    assert not (tmp_path / "archive").exists()


def test_a_damaged_schedule_in_a_backup_is_refused_and_nothing_stays(box: Path, tmp_path: Path) -> None:
    path = box.parent / "state" / "schedule.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE meter (name TEXT)")
        db.executemany("INSERT INTO meter VALUES (?)", [("x" * 500,)] * 100)
        db.commit()
    octets = bytearray(path.read_bytes())
    octets[4096:12288] = b"\xaa" * 8192
    path.write_bytes(octets)
    back_up(box, tmp_path / "archive")
    before = tree(tmp_path)
    with pytest.raises(ArchiveRefused, match=r"schedule.sqlite of the backup is damaged"):
        restore(tmp_path / "archive", tmp_path / "new")
    assert tree(tmp_path) == before


def test_a_disk_that_is_full_leaves_everything_as_it_was(
    box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(box, tmp_path / "archive")
    room = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: room)
    with pytest.raises(LocalTrouble, match="no room"):
        back_up(box, tmp_path / "another")
    with pytest.raises(LocalTrouble, match="no room"):
        restore(tmp_path / "archive", tmp_path / "new")
    assert not (tmp_path / "another").exists()
    assert not (tmp_path / "new").exists()


def test_a_wrong_passphrase_writes_nothing(box: Path, tmp_path: Path) -> None:
    lock = Passphrase(Secret(b"another passphrase"), work_factor=4)
    create_backup(box, load_config(box), tmp_path / "archive", lock, Contents(), NOW)
    with pytest.raises(ArchiveRefused, match="does not open"):
        restore(tmp_path / "archive", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_killed_at_any_step_a_backup_is_whole_or_not_there(box: Path, tmp_path: Path) -> None:
    archive, steps = tmp_path / "archive", 0
    while dies_before(steps, lambda: back_up(box, archive)):
        if archive.exists():
            assert inspect(archive, PASSPHRASE)[0].chain_seq == 3
            archive.unlink()
        steps += 1
    assert steps > 10
    archive.unlink()
    back_up(box, archive)
    assert inspect(archive, PASSPHRASE)[0].waiting == 3
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert list((box.parent / "state").glob(".backup-*")) == []
    assert verified(box).sound


@pytest.mark.parametrize("unknown", [False, True])
def test_killed_at_any_step_a_restore_can_be_made_again(unknown: bool, box: Path, tmp_path: Path) -> None:
    archive, place, steps = tmp_path / "archive", tmp_path / "new", 0
    back_up(box, archive)
    claim = Unknown() if unknown else None
    while dies_before(steps, lambda: restore(archive, place, claim=claim)):
        if (place / "mrsp.toml").exists():
            is_whole(place, box.parent)  # the configuration comes last
        try:
            restore(archive, place, claim=claim)
        except LocalTrouble:  # something is there already
            restore(archive, place, claim=claim, replace=True)
        is_whole(place, box.parent)
        shutil.rmtree(place)
        steps += 1
    assert steps > 20


def test_killed_at_any_step_a_restore_over_an_agent_loses_nothing_of_it(box: Path, tmp_path: Path) -> None:
    archive, place, steps = tmp_path / "archive", tmp_path / "other", 0
    back_up(box, archive)
    kept = make_agent(tmp_path / "kept", readings=5).parent
    theirs = tree(kept)
    shutil.copytree(kept, place)
    while dies_before(steps, lambda: restore(archive, place, replace=True)):
        restore(archive, place, replace=True)
        is_whole(place, box.parent)
        found = tree(place).values()
        assert all(theirs[name] in found for name in ("keys/device-key.pem", "state/spool.sqlite", "mrsp.toml"))
        shutil.rmtree(place)
        shutil.copytree(kept, place)
        steps += 1
    assert steps > 20


def test_documents_are_the_same_octets(box: Path, tmp_path: Path) -> None:
    back_up(box, tmp_path / "archive")
    restore(tmp_path / "archive", tmp_path / "new")

    async def bodies(file: Path) -> list[tuple[str, bytes | None]]:
        async with await Spool.open(load_config(file).spool_file) as spool:
            return [(one.document_id, (await spool.show(one.document_id)).document) for one in await spool.entries()]

    expected = [(f"r{number}", document(f"r{number}", number)) for number in (1, 2, 3)]
    assert asyncio.run(bodies(tmp_path / "new" / "mrsp.toml")) == asyncio.run(bodies(box)) == expected
