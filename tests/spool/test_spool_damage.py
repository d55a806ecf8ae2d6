"""A spool that was damaged on purpose: noticed, said, the rest saved; the chain goes on so that both ends can follow.

Nothing that damage does may end in anything but a `LocalTrouble`, a finding of `verify`, or no harm at all.
"""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.errors import LocalTrouble, UsageError
from agent.keys import DeviceKey, create_device_key
from agent.seal import Sealer, open_document, payload_of
from agent.spool_anchor import anchor_file, read_anchor
from agent.spool_database import SpoolDamaged
from agent.spool_restart import ROOM, ChainRestart, Leave, findings, restart_chain
from agent.spool_rows import Outgoing
from agent.spool_store import SpoolStore
from agent.spool_verify import verify_store
from tests.spool.spool_kit import AGENT, NOW, document

LEAVE = Leave(by="ops@example.com", reason="the SD card failed")
LINKS = 40


class Box:
    """A device with a spool of `LINKS` documents, every third of them delivered. Closed, so that it can be damaged."""

    def __init__(self, directory: Path, *, checkpointed: bool = True) -> None:
        self.path = directory / "spool.db"
        self.key: DeviceKey = create_device_key(directory / "keys")
        self.bodies: dict[str, bytes] = {}
        self.delivered = {f"r{number}" for number in range(1, LINKS + 1, 3)}
        store = self.open()
        store.database._db.execute("PRAGMA wal_autocheckpoint = 0").fetchone()
        for number in range(1, LINKS + 1):
            octets = (200, 3_000, 20_000)[number % 3]
            store.add("reading", f"r{number}", document("x" * octets))
            if number == LINKS // 2:
                store.database._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self.bodies = {one.entry.document_id: one.body for one in store.pending(100, ())}
        store.acknowledge(self.delivered)
        if checkpointed:
            store.close()
        else:  # as a power cut leaves it: half of it is in the -wal
            copy = directory / "copy"
            shutil.copytree(directory, copy, ignore=shutil.ignore_patterns("copy", "keys", "*-shm"))
            store.close()
            for name in ("spool.db", "spool.db-wal"):
                shutil.move(copy / name, directory / name)

    @property
    def waiting(self) -> set[str]:
        return set(self.bodies) - self.delivered

    @property
    def wal(self) -> Path:
        return self.path.with_name("spool.db-wal")

    def open(self) -> SpoolStore:
        return SpoolStore(
            self.path, agent_id=AGENT, sealer=Sealer(self.key), budget_octets=1_000_000_000, now=lambda: NOW
        )

    def restart(self, leave: Leave = LEAVE) -> ChainRestart:
        restarted = restart_chain(self.path, Sealer(self.key), leave, agent_id=AGENT, now=NOW)
        assert restarted.report is not None
        return restarted.report


def use(store: SpoolStore) -> list[Outgoing]:
    """Do everything that can be done with a spool; return what it would send."""
    store.status()
    store.entries(limit=1_000, delivered=True)
    sent = store.pending(1_000, ())
    list(store.bodies())
    store.has("r2")
    store.acknowledged(["r1", "r2"])
    store.is_empty()
    store.acknowledge(["r2"])
    store.add("reading", "one-more", document("y" * 5_000))
    return sent


def goes_on(box: Box, report: ChainRestart) -> list[Outgoing]:
    """See that a chain that was started again is sound and usable; return what it sends."""
    store = box.open()
    try:
        assert verify_store(store.database, [box.key.public_key()]).problems == ()
        sent = store.pending(1_000, ())
        first, *others = sent
        assert first.entry.document_id == report.report_id
        opened = open_document(first.body, [box.key.public_key()])
        assert (opened.head.seq, opened.prev) == (report.resumes_at, report.last_known["digest"])
        assert json.loads(opened.document)["schema"] == "mrsp.chain-restart/1"
        assert len(others) == report.carried_over
        for one in others:
            assert one.body == box.bodies[one.entry.document_id]
        assert store.add("reading", "after", document()).seq == report.resumes_at + 1
        assert verify_store(store.database, [box.key.public_key()]).problems == ()
        return others
    finally:
        store.close()


def flip(path: Path, dice: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(dice.randint(1, 40)):
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    path.write_bytes(content)


def zero_pages(path: Path, dice: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(dice.randint(1, 4)):
        page = dice.randrange(len(content) // 4096)
        content[page * 4096 : (page + 1) * 4096] = bytes(4096)
    path.write_bytes(content)


def cut(path: Path, dice: random.Random) -> None:
    with path.open("r+b") as file:
        file.truncate(dice.randrange(path.stat().st_size))


def swap_pages(path: Path, dice: random.Random) -> None:
    content = bytearray(path.read_bytes())
    one, other = dice.sample(range(len(content) // 4096), 2)
    a, b = slice(one * 4096, (one + 1) * 4096), slice(other * 4096, (other + 1) * 4096)
    content[a], content[b] = content[b], content[a]
    path.write_bytes(content)


def rubbish(path: Path, dice: random.Random) -> None:
    content = bytearray(path.read_bytes())
    start = dice.randrange(len(content))
    stretch = dice.randbytes(dice.randint(1, 9_000))[: len(content) - start]
    content[start : start + len(stretch)] = stretch
    path.write_bytes(content)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("harm", [flip, zero_pages, cut, swap_pages, rubbish], ids=lambda harm: harm.__name__)
def test_any_damage_is_said_and_what_is_proven_is_carried_over(
    tmp_path: Path, harm: Callable[[Path, random.Random], None], seed: int
) -> None:
    box = Box(tmp_path, checkpointed=seed % 2 == 0)
    dice = random.Random(f"{harm.__name__} {seed}")  # noqa: S311
    harm(box.wal if seed % 4 == 3 else box.path, dice)
    shutil.copytree(tmp_path, tmp_path / "try", ignore=shutil.ignore_patterns("try", "keys"))
    try:
        store = SpoolStore(
            tmp_path / "try" / "spool.db",
            agent_id=AGENT,
            sealer=Sealer(box.key),
            budget_octets=1_000_000_000,
            now=lambda: NOW,
        )
        try:
            verify_store(store.database, [box.key.public_key()])
            assert all(one.body == box.bodies[one.entry.document_id] for one in use(store))
        finally:
            store.close()
    except LocalTrouble as trouble:
        assert trouble.advice  # noqa: PT017
    if findings(box.path, [box.key.public_key()], AGENT):
        report = box.restart()
        assert report.found
        goes_on(box, report)
    else:  # what was harmed was not in use
        store = box.open()
        assert set(box.bodies) >= {one.entry.document_id for one in store.pending(100, ())} >= box.waiting
        store.close()


def test_one_bad_page_costs_only_what_was_on_it(tmp_path: Path) -> None:
    box = Box(tmp_path)
    content = bytearray(box.path.read_bytes())
    place = content.index(box.bodies["r9"][:200]) // 4096 * 4096
    content[place : place + 64] = b"\xa5" * 64
    box.path.write_bytes(content)
    report = box.restart()
    carried = {one.entry.document_id for one in goes_on(box, report)}
    assert "r9" not in carried
    assert len(carried) > len(box.waiting) - 12
    assert any(first <= 9 <= last for first, last in report.missing)
    assert box.path.with_name("spool.db.damaged-1").exists()


@pytest.mark.parametrize("what", ["zeroed", "gone"])
def test_without_its_first_page_everything_else_is_carried_over(tmp_path: Path, what: str) -> None:
    box = Box(tmp_path)
    content = box.path.read_bytes()
    box.path.write_bytes(bytes(4096) + content[4096:] if what == "zeroed" else b"\xff" * 100 + content[100:])
    with pytest.raises(SpoolDamaged, match="damaged"):
        box.open()
    report = box.restart()
    assert report.carried_over == len(box.waiting)
    goes_on(box, report)


def test_a_deleted_wal_is_noticed_and_no_link_is_made_twice(tmp_path: Path) -> None:
    box = Box(tmp_path, checkpointed=False)
    box.wal.unlink()
    with pytest.raises(SpoolDamaged, match=f"ends at link 20, but link {LINKS} was made") as caught:
        box.open()
    assert "restart-chain" in caught.value.advice
    report = box.restart()
    assert report.last_known["seq"] == LINKS
    assert report.resumes_at == LINKS + ROOM + 1
    assert report.missing == ((21, LINKS + ROOM),)
    goes_on(box, report)


def test_an_old_copy_put_back_is_noticed(tmp_path: Path) -> None:
    box = Box(tmp_path)
    old = box.path.read_bytes()
    store = box.open()
    store.add("reading", "later", document())
    store.close()
    box.path.write_bytes(old)
    with pytest.raises(SpoolDamaged, match="has gone back"):
        box.open()
    assert "it has gone back" in findings(box.path, [box.key.public_key()], AGENT)[0]


def test_a_spool_that_is_gone_is_not_begun_anew_by_itself(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.path.unlink()
    with pytest.raises(SpoolDamaged, match="has gone back"):
        box.open()
    report = box.restart()
    assert report.carried_over == 0
    assert report.missing == ((1, LINKS + ROOM),)
    goes_on(box, report)


def test_the_wal_of_another_spool_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    box, other = Box(tmp_path), Box(tmp_path / "other", checkpointed=False)
    shutil.copy(other.wal, box.wal)
    report = box.restart()
    sent = {one.entry.document_id for one in goes_on(box, report)}
    assert sent <= box.waiting


def test_a_head_that_is_not_its_link_is_noticed(tmp_path: Path) -> None:
    box = Box(tmp_path)
    db = sqlite3.connect(box.path)
    db.execute("UPDATE chain SET head_digest = ?", ("A" * 43,))
    db.commit()
    db.close()
    with pytest.raises(SpoolDamaged, match="head is not its link"):
        box.open()


def test_without_the_note_beside_it_the_operator_can_say_what_the_mdsp_has(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.path.unlink()
    anchor_file(box.path).unlink()
    report = box.restart(Leave(by="ops", reason="stolen disk", after=5_000))
    assert report.resumes_at == 5_000 + ROOM + 1
    store = box.open()
    (first,) = store.pending(10, ())
    assert open_document(first.body, [box.key.public_key()]).prev  # only a first link follows nothing
    store.close()


def test_a_sound_spool_is_left_alone(tmp_path: Path) -> None:
    box = Box(tmp_path)
    before = box.path.read_bytes()
    with pytest.raises(UsageError, match="nothing is wrong"):
        box.restart()
    assert box.path.read_bytes() == before


def test_a_spool_of_another_agent_is_left_alone(tmp_path: Path) -> None:
    box = Box(tmp_path)
    with pytest.raises(LocalTrouble, match=f"belongs to agent {AGENT}"):
        restart_chain(box.path, Sealer(box.key), Leave("ops", "no", after=9), agent_id="gw-0002", now=NOW)


def test_an_interrupted_restart_is_finished_at_the_next_start(tmp_path: Path) -> None:
    """Every place where the power can go between the new spool being whole and its being in place."""
    box = Box(tmp_path, checkpointed=False)
    whole = {name: (tmp_path / name).read_bytes() for name in ("spool.db", "spool.db-wal")}
    anchor = anchor_file(box.path).read_bytes()
    box.wal.unlink()
    report = box.restart()
    anew = box.path.read_bytes()
    for moved in range(3):
        for file in tmp_path.glob("spool.db*"):
            file.unlink()
        names = {
            "spool.db-wal": "spool.db.damaged-1-wal" if moved > 0 else "spool.db-wal",
            "spool.db": "spool.db.damaged-1" if moved > 1 else "spool.db",
        }
        for name, content in whole.items():
            (tmp_path / names[name]).write_bytes(content)
            (tmp_path / names[name]).chmod(0o600)
        anchor_file(box.path).write_bytes(anchor)
        (tmp_path / "spool.db.restarted").write_bytes(anew)
        (tmp_path / "spool.db.restarted").chmod(0o600)
        goes_on(box, report)
        assert (tmp_path / "spool.db.damaged-1-wal").read_bytes() == whole["spool.db-wal"]


def test_a_second_damage_keeps_both_files(tmp_path: Path) -> None:
    box = Box(tmp_path)
    for number in (1, 2):
        box.path.write_bytes(b"\xff" * 200 + box.path.read_bytes()[200:])
        box.restart()
        assert box.path.with_name(f"spool.db.damaged-{number}").exists()
    store = box.open()
    assert verify_store(store.database, [box.key.public_key()]).problems == ()
    assert {one.entry.document_id for one in store.pending(100, ())} >= box.waiting
    store.close()


def test_a_body_that_is_damaged_is_not_sent_and_does_not_hold_up_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = Box(tmp_path)
    content = box.path.read_bytes()
    body = box.bodies["r3"]
    place = content.index(body[:120])
    box.path.write_bytes(content[:place] + b"X" + content[place + 1 :])
    store = box.open()
    sent = [one for _ in range(len(box.waiting) + 1) for one in store.pending(1, ())]
    assert {one.entry.document_id for one in sent} == {"r2"}
    assert len(store.pending(100, ())) == len(box.waiting) - 1
    assert len([line for line in caplog.messages if "link 3 (r3) is damaged and not sent" in line]) == 1
    store.close()


def test_the_note_beside_the_spool_is_as_good_as_its_checksum(tmp_path: Path) -> None:
    box = Box(tmp_path)
    noted = read_anchor(box.path, AGENT)
    assert noted is not None
    assert (noted.head.seq, noted.sequences) == (LINKS, {"reading": LINKS})
    assert read_anchor(box.path, "gw-0002") is None
    content = anchor_file(box.path).read_bytes()
    for place in range(0, len(content.rstrip()), 3):
        anchor_file(box.path).write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        assert read_anchor(box.path, AGENT) in (None, noted)
    for torn in (b"", content[:40], b"\0" * 512, b"\xff" * 512):
        anchor_file(box.path).write_bytes(torn)
        assert read_anchor(box.path, AGENT) is None
        box.open().close()


def test_what_goes_out_after_a_restart_reads_as_it_was(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.path.write_bytes(b"\xff" * 200 + box.path.read_bytes()[200:])
    for one in goes_on(box, box.restart()):
        assert json.loads(payload_of(one.body))["sequence"] == one.entry.sequence
