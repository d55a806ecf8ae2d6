"""A backlog drains in order, in memory that does not grow with it; `scripts/crash --backlog` has a million of them."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent import spool_store
from agent.keys import create_device_key
from agent.seal import Sealer
from agent.spool_store import SpoolStore
from agent.spool_verify import verify_store
from tests.crash.backlog_place import drained_backlog

DOCUMENTS = 4_000
MOST_GROWTH_MB = 16.0  # buffers and caches; six were measured, whatever the backlog


@pytest.mark.system
@pytest.mark.timeout(120)
def test_a_backlog_drains_in_order_and_in_constant_memory(tmp_path: Path) -> None:
    drained, complaints = drained_backlog(tmp_path, DOCUMENTS, limit_s=90)
    assert complaints == ""
    assert drained.most_mb - drained.began_mb < MOST_GROWTH_MB


def test_letting_go_of_a_backlog_looks_at_no_more_than_what_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand times the backlog may cost a thousand times the work, not a million times."""
    monkeypatch.setattr(spool_store, "KEEP_ACKNOWLEDGED", 10)
    key = create_device_key(tmp_path / "keys")
    work = []
    for count in (300, 1_200):
        path = tmp_path / f"spool{count}.db"
        store = SpoolStore(
            path, agent_id="gw", sealer=Sealer(key), budget_octets=1 << 30, now=lambda: datetime.now(UTC)
        )
        for number in range(count):
            store.add("reading", f"r{number}", lambda sequence: b'{"sequence":%d}' % sequence)
        steps = 0

        def step() -> int:
            nonlocal steps
            steps += 1
            return 0

        store.database._db.set_progress_handler(step, 100)
        for number in range(count):
            store.acknowledge([f"r{number}"])
        store.database._db.set_progress_handler(None, 100)
        work.append(steps / count)
        assert verify_store(store.database, [key.public_key()]).problems == ()
        assert [entry.seq for entry in store.entries(limit=99, delivered=True)] == list(range(count - 9, count + 1))
        store.close()
    few, many = work
    assert many < 2 * few, "steps of SQLite for each document"


def test_what_is_acknowledged_out_of_order_is_forgotten_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_store, "KEEP_ACKNOWLEDGED", 5)
    key = create_device_key(tmp_path / "keys")
    store = SpoolStore(
        tmp_path / "spool.db", agent_id="gw", sealer=Sealer(key), budget_octets=1 << 30, now=lambda: datetime.now(UTC)
    )
    for number in range(1, 41):
        store.add("reading", f"r{number}", lambda sequence: b'{"sequence":%d}' % sequence)
        if number % 2 and number > 10:
            store.acknowledge([f"r{number - 8}"])
    for number in (40, 2, 38, 1, 3):
        store.acknowledge([f"r{number}"])
    kept = {entry.document_id for entry in store.entries(limit=99, delivered=True)}
    waiting = {entry.document_id for entry in store.entries(limit=99)}
    with sqlite3.connect(store.database.path) as db:
        (pruned,) = db.execute("SELECT pruned_seq FROM chain").fetchone()
    db.close()
    assert pruned == 35
    assert {name for name in kept - waiting if int(name[1:]) <= pruned} == set()
    assert {"r38", "r40"} <= kept
    assert verify_store(store.database, [key.public_key()]).problems == ()
    store.close()
