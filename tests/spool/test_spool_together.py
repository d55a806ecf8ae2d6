"""Visits that end together share one sync of the disk; each gets its own place, or its own refusal."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from agent.errors import LocalTrouble
from agent.spool import AlreadySpooled, Entry
from tests.spool.spool_kit import document, open_spool


def broken(_sequence: int) -> bytes:
    raise LookupError("a bug in what renders it")


async def test_documents_that_come_together_keep_their_order(tmp_path: Path) -> None:
    async with await open_spool(tmp_path) as spool:
        entries = await asyncio.gather(*(spool.add("reading", f"r{number}", document()) for number in range(1, 121)))
        assert [entry.sequence for entry in entries] == list(range(1, 121))
        assert [entry.document_id for entry in entries] == [f"r{number}" for number in range(1, 121)]
        assert (await spool.verify()).sound


async def test_they_cost_fewer_transactions_than_they_are(tmp_path: Path) -> None:
    async with await open_spool(tmp_path) as spool:
        said: list[str] = []
        await spool._call(lambda: spool._store.database._db.set_trace_callback(said.append))
        await asyncio.gather(*(spool.add("reading", f"r{number}", document()) for number in range(40)))
        assert said.count("COMMIT") <= 3


async def test_what_is_wrong_with_one_is_told_to_that_one_alone(tmp_path: Path) -> None:
    async with await open_spool(tmp_path) as spool:
        await spool.add("reading", "known", document())
        results = await asyncio.gather(
            spool.add("reading", "r1", document()),
            spool.add("reading", "known", document()),
            spool.add("reading", "r2", broken),
            spool.add("reading", "not a name", document()),
            spool.add("anomaly", "a1", document()),
            spool.add("reading", "r3", document()),
            return_exceptions=True,
        )
        kinds = [type(one) for one in results]
        assert kinds == [Entry, AlreadySpooled, LookupError, ValueError, Entry, Entry]
        entries = await spool.entries()
        assert [(entry.document_id, entry.seq, entry.sequence) for entry in entries] == [
            ("known", 1, 1), ("r1", 2, 2), ("a1", 3, 1), ("r3", 4, 3),
        ]  # fmt: skip
        assert (await spool.verify()).sound


async def test_what_the_disk_refuses_is_refused_to_all(tmp_path: Path) -> None:
    async with await open_spool(tmp_path) as spool:
        await spool.add("reading", "r0", document())
        pages = (await spool.status()).octets // 4096 + 4
        await spool._call(lambda: spool._store.database._db.execute(f"PRAGMA max_page_count = {pages}").fetchone())
        results = await asyncio.gather(
            *(spool.add("reading", f"r{number}", document("x" * 9_000)) for number in range(1, 9)),
            return_exceptions=True,
        )
        assert any(isinstance(one, LocalTrouble) and "the disk is full" in one.message for one in results)
        stored = [one.document_id for one in results if isinstance(one, Entry)]
        assert [entry.document_id for entry in await spool.entries()] == ["r0", *stored]
        await spool._call(lambda: spool._store.database._db.execute("PRAGMA max_page_count = 100000").fetchone())
        assert (await spool.add("reading", "later", document())).sequence == len(stored) + 2
        assert (await spool.verify()).sound


async def test_a_caller_that_goes_away_leaves_a_whole_document_and_takes_nobody_along(tmp_path: Path) -> None:
    async with await open_spool(tmp_path) as spool:
        tasks = [asyncio.create_task(spool.add("reading", f"r{number}", document())) for number in range(6)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(results[2], asyncio.CancelledError)
        assert sum(isinstance(one, Entry) for one in results) == 5
        assert (await spool.verify()).sound
        assert (await spool.add("reading", "next", document())).seq == 7


async def test_closing_waits_for_what_is_being_added(tmp_path: Path) -> None:
    spool = await open_spool(tmp_path)
    tasks = [asyncio.create_task(spool.add("reading", f"r{number}", document())) for number in range(60)]
    await asyncio.sleep(0)
    await spool.close()
    assert len(await asyncio.gather(*tasks)) == 60
    with sqlite3.connect(tmp_path / "spool" / "spool.db") as db:
        assert db.execute("SELECT count(*) FROM document").fetchone() == (60,)
    db.close()
