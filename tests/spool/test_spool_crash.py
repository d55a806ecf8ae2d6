"""`kill -9` at random instants: what was added is there, what was acknowledged is gone, the chain has no gap."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.spool import spool_victim
from tests.spool.spool_kit import device_key, document, open_spool

KILLS = 60
SEED = 20261121


@dataclass
class Witness:
    """What the victims said that they had done."""

    added: list[str] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    in_doubt: set[str] = field(default_factory=set)  # killed while it acknowledged these

    def hear(self, what: str, name: str) -> None:
        match what:
            case "added":
                self.added.append(name)
            case "acking":
                self.in_doubt.add(name)
            case _:
                self.in_doubt.discard(name)
                self.acknowledged.add(name)


def kill_many(directory: Path, dice: random.Random) -> Witness:
    """Start a worker on the spool and kill it at a random instant, again and again."""
    witness = Witness()
    command = [sys.executable, spool_victim.__file__, str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as victims:
        assert victims.stdin is not None
        assert victims.stdout is not None
        for run in range(KILLS):
            victims.stdin.write(f"run{run}\n".encode())
            victims.stdin.flush()
            worker = int(victims.stdout.readline().split()[1])
            for _ in range(dice.randrange(25)):
                witness.hear(*victims.stdout.readline().decode().split())
            for _ in range(dice.randrange(50_000)):  # up to a random instant of the next step, some 2 ms
                pass
            os.kill(worker, signal.SIGKILL)
            while (line := victims.stdout.readline().decode().split()) != ["dead"]:
                witness.hear(*line)
    return witness


@pytest.mark.system
async def test_kill_9_at_any_instant_loses_nothing_and_leaves_a_sound_chain(tmp_path: Path) -> None:
    device_key(tmp_path)
    witness = await asyncio.to_thread(kill_many, tmp_path, random.Random(SEED))  # noqa: S311
    async with await open_spool(tmp_path) as spool:
        report = await spool.verify()
        assert report.problems == ()
        entries = await spool.entries(limit=100_000, delivered=True)
        names = [entry.document_id for entry in entries]
        assert [name for name in names if name in set(witness.added)] == witness.added
        assert len(witness.added) > KILLS
        assert len(names) <= len(witness.added) + KILLS  # at most one more a kill: stored, killed before it was said
        assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
        gone = {entry.document_id for entry in entries if entry.acked_at}
        assert witness.acknowledged <= gone <= witness.acknowledged | witness.in_doubt
        assert (await spool.add("reading", "next", document())).sequence == len(entries) + 1
