"""A spool in trouble says so in words, takes nothing by halves, and loses nothing; tampering is found and named."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from agent import sqlite_file
from agent.errors import LocalTrouble
from agent.seal import Sealer
from agent.spool import Spool, SpoolFull
from tests.spool.spool_kit import AGENT, device_key, document, open_spool

PATH = Path("spool") / "spool.db"


async def limit_pages(spool: Spool, pages: int) -> None:
    """Let SQLite find the disk full when the file reaches `pages`."""
    await spool._call(lambda: spool._store.database._db.execute(f"PRAGMA max_page_count = {pages}").fetchone())


async def add_until_refused(spool: Spool, octets: int) -> None:
    for number in range(1000):
        await spool.add("reading", f"n{number}", document("x" * octets))


@pytest.mark.parametrize("margin", range(12))
async def test_a_full_disk_is_said_and_costs_nothing(tmp_path: Path, margin: int) -> None:
    async with await open_spool(tmp_path) as spool:
        await spool.add("reading", "r1", document())
        used = (await spool.status()).octets // 4096
        await limit_pages(spool, used + margin)
        with pytest.raises(LocalTrouble, match="the disk is full") as caught:
            await add_until_refused(spool, 9000)
        assert "free space" in caught.value.advice
        assert caught.value.exit_code == 6
        entries = await spool.entries()
        assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
        assert (await spool.verify()).sound
        await limit_pages(spool, 1_000_000)
        assert (await spool.add("reading", "late", document())).sequence == len(entries) + 1
        assert (await spool.verify()).sound


async def test_the_budget_warns_stops_and_goes_on_after_deliveries(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with await open_spool(tmp_path, budget_octets=1_000_000) as spool:
        with pytest.raises(SpoolFull, match="takes nothing more") as caught:
            await add_until_refused(spool, 10_000)
        ids = [entry.document_id for entry in await spool.entries()]
        assert "nothing is dropped" in caught.value.advice
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        status = await spool.status()
        assert status.depth == len(ids)
        assert status.level in {"warn", "full"}
        assert 90 <= status.percent <= 95
        await spool.acknowledge(ids[:40])
        assert (await spool.status()).level == "ok"
        assert (await spool.add("reading", "more", document())).sequence == len(ids) + 1


async def test_a_spool_open_to_others_is_refused(tmp_path: Path) -> None:
    async with await open_spool(tmp_path):
        pass
    (tmp_path / PATH).chmod(0o644)
    with pytest.raises(LocalTrouble, match="chmod 600"):
        await open_spool(tmp_path)


async def test_a_spool_of_another_agent_is_refused(tmp_path: Path) -> None:
    async with await open_spool(tmp_path):
        pass
    with pytest.raises(LocalTrouble, match=f"belongs to agent {AGENT}"):
        await Spool.open(tmp_path / PATH, agent_id="gw-0002", sealer=Sealer(device_key(tmp_path)))


async def test_a_file_that_is_no_spool_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / PATH).write_bytes(b"these are not the pages you are looking for" * 100)
    (tmp_path / PATH).chmod(0o600)
    with pytest.raises(LocalTrouble, match="not a spool file"):
        await open_spool(tmp_path)


async def test_a_spool_that_was_made_by_a_newer_version_is_refused(tmp_path: Path) -> None:
    async with await open_spool(tmp_path):
        pass
    with sqlite3.connect(tmp_path / PATH) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(LocalTrouble, match="schema 99"):
        await open_spool(tmp_path)


async def test_an_empty_file_is_not_taken_for_a_spool_when_only_looking(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch(mode=0o600)
    with pytest.raises(LocalTrouble, match="never used"):
        await Spool.open(tmp_path / "empty.db")


async def test_a_spool_locked_by_another_process_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_S", 0.05)
    async with await open_spool(tmp_path) as spool:
        other = sqlite3.connect(tmp_path / PATH, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LocalTrouble, match="another process holds it"):
            await spool.add("reading", "r", document())
        other.execute("ROLLBACK")
        other.close()
        assert (await spool.add("reading", "r", document())).seq == 1


async def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file")
    with pytest.raises(LocalTrouble, match="cannot open the spool"):
        await open_spool(tmp_path)


async def test_damaged_pages_are_found_and_the_rest_is_saved(tmp_path: Path) -> None:
    async with await open_spool(tmp_path) as spool:
        for number in range(60):
            await spool.add("reading", f"r{number}", document("x" * 3000))
        bodies = {one.entry.seq: one.body for one in await spool.pending(99)}
    content = bytearray((tmp_path / PATH).read_bytes())
    for seq in (10, 30):
        place = content.index(bodies[seq][:200]) // 4096 * 4096
        content[place : place + 64] = b"\xa5" * 64
    (tmp_path / PATH).write_bytes(content)
    async with await open_spool(tmp_path) as spool:
        report = await spool.verify()
        assert "the file is damaged" in report.problems[0]
        exported = await spool.export(tmp_path / "out")
    assert exported.written + len(exported.unreadable) == 60
    assert {10, 30} <= set(exported.unreadable)
    saved = {int(file.name[:10]): file.read_bytes() for file in (tmp_path / "out").iterdir()}
    assert len(saved) == exported.written >= 40  # a page of the tree holds up to ten
    assert all(bodies[seq] == body for seq, body in saved.items())


TAMPERINGS = {
    "a body is exchanged": "UPDATE sealed SET body = (SELECT body FROM sealed WHERE seq = 2) WHERE seq = 3",
    "a body is cut": "UPDATE sealed SET body = substr(body, 1, 40) WHERE seq = 3",
    "a body is removed": "DELETE FROM sealed WHERE seq = 3",
    "a document is removed": "DELETE FROM sealed WHERE seq = 3; DELETE FROM document WHERE seq = 3",
    "the last is removed": "DELETE FROM sealed WHERE seq = 5; DELETE FROM document WHERE seq = 5",
    "all are removed": "DELETE FROM sealed; DELETE FROM document",
    "a digest is changed": "UPDATE document SET digest = prev WHERE seq = 3",
    "a link is changed": "UPDATE document SET prev = digest WHERE seq = 3",
    "an id is changed": "UPDATE document SET document_id = 'other' WHERE seq = 3",
    "a receipt is exchanged": "UPDATE document SET receipt = (SELECT receipt FROM document LIMIT 1) WHERE seq = 3",
    "a receipt is rubbish": "UPDATE document SET receipt = 'x' WHERE seq = 3",
    "an end is moved": "UPDATE chain SET head_seq = 4",
    "a head is changed": "UPDATE chain SET head_digest = 'x'",
    "a link is moved": "UPDATE document SET seq = 9 WHERE seq = 5; UPDATE sealed SET seq = 9 WHERE seq = 5",
}


@pytest.mark.parametrize("encrypt", [False, True], ids=["signed", "encrypted"])
@pytest.mark.parametrize("what", TAMPERINGS)
async def test_tampering_with_the_file_is_found(tmp_path: Path, what: str, encrypt: bool) -> None:
    recipient = ECKey.generate_key("P-256", auto_kid=True) if encrypt else None
    async with await open_spool(tmp_path, sealer=Sealer(device_key(tmp_path), lambda: recipient)) as spool:
        for number in range(1, 6):
            await spool.add("reading", f"r{number}", document(str(number)))
        assert (await spool.verify()).sound
        other = sqlite3.connect(tmp_path / PATH)
        other.executescript(TAMPERINGS[what])
        other.close()
        report = await spool.verify()
        assert not report.sound
        assert report.problems


async def test_a_spool_signed_by_another_device_does_not_verify(tmp_path: Path) -> None:
    async with await open_spool(tmp_path) as spool:
        await spool.add("reading", "r", document())
        report = await spool.verify([device_key(tmp_path / "other").public_key()])
        assert "no known key" in report.problems[0]


async def test_a_spool_that_is_wrong_throughout_is_described_in_a_hundred_lines(tmp_path: Path) -> None:
    async with await open_spool(tmp_path) as spool:
        for number in range(150):
            await spool.add("reading", f"r{number}", document())
        report = await spool.verify([device_key(tmp_path / "other").public_key()])
        assert len(report.problems) == 100


async def test_a_copy_made_while_in_use_verifies(tmp_path: Path) -> None:
    async with await open_spool(tmp_path) as spool:
        for number in range(10):
            await spool.add("reading", f"r{number}", document())
        shutil.copytree(tmp_path / "spool", tmp_path / "copy")
    async with await Spool.open(tmp_path / "copy" / "spool.db") as copy:
        assert (await copy.verify([device_key(tmp_path).public_key()])).sound
        assert (await copy.status()).depth == 10
