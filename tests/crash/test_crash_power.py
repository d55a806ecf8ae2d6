"""The power goes below SQLite: whatever part of the unsynced writes reached the disk, no promise is broken."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from agent import spool_store
from agent.errors import LocalTrouble
from agent.keys import create_device_key
from tests.crash.file_layer import library
from tests.crash.power_cut import crash_states
from tests.crash.power_life import broken_promises, life, power_cuts

pytestmark = pytest.mark.skipif(library() is None, reason="this Python has SQLite built in")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", [1, 2])
def test_no_power_cut_breaks_a_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(spool_store, "KEEP_ACKNOWLEDGED", 6)
    key = create_device_key(tmp_path / "keys")
    for found in power_cuts(tmp_path / "spool.db", key, seed, documents=24, every=5, each=1):
        assert found == []


@pytest.mark.parametrize("synchronous", ["OFF", "NORMAL"])
def test_a_spool_that_does_not_sync_would_be_found_out(tmp_path: Path, synchronous: str) -> None:
    key = create_device_key(tmp_path / "keys")
    disk = life(tmp_path / "spool.db", key, 3, documents=12, synchronous=synchronous)
    dice = random.Random(3)  # noqa: S311
    found: list[str] = []
    for state in crash_states(disk, range(0, len(disk.changes) + 1, 5), dice, each=1):
        try:
            found += broken_promises(state, disk.promised(state.moment), key)
        except LocalTrouble as trouble:
            found.append(trouble.message)
    assert any(line.startswith("lost") for line in found)
