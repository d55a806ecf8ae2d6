"""A spool lives, and at each of its writes the power goes: what it promised until then is held against what is left."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from agent.keys import DeviceKey
from tests.crash.file_layer import file_layer
from tests.crash.power_cut import Disk, State, crash_states
from tests.crash.spool_work import Promises, carry_out, open_store, steps


def life(path: Path, key: DeviceKey, seed: int, documents: int, *, synchronous: str = "FULL") -> Disk:
    """Let a spool live; return what it did to its files and what it promised."""
    disk = Disk()
    with file_layer(disk):
        store = open_store(path, key)
        for step in steps(random.Random(seed), documents):  # noqa: S311
            store.database._db.execute(f"PRAGMA synchronous = {synchronous}")
            if step[0] == "reopen":
                store.close()
                store = open_store(path, key)
                continue
            disk.mark(f"before {step[0]} {step[1]}")
            carry_out(store, step)
            disk.mark(f"after {step[0]} {step[1]}")
        store.close()
    return disk


def broken_promises(state: State, told: list[str], key: DeviceKey) -> list[str]:
    """Start again from what the disk holds; return what is wrong with it, then and after one more document."""
    with state.laid_out() as directory:
        store = open_store(directory / "spool.db", key)
        try:
            promises = Promises.of(told)
            found = promises.broken(store)
            for when in ("before", "after"):
                if when == "after":
                    carry_out(store, ("add", "next"))
                promises.hear(when, "add", "next")
            return found or promises.broken(store)
        finally:
            store.close()


def power_cuts(path: Path, key: DeviceKey, seed: int, *, documents: int, every: int, each: int) -> Iterator[list[str]]:
    """Cut the power after every so many changes of one life; yield what is wrong with each state of the disk."""
    disk = life(path, key, seed, documents)
    dice = random.Random(seed)  # noqa: S311
    moments = range(dice.randrange(every), len(disk.changes) + 1, every)
    for state in crash_states(disk, moments, dice, each=each):
        where = f"seed {seed}, power cut after change {state.moment} of {len(disk.changes)}"
        yield [f"{where}: {line}" for line in broken_promises(state, disk.promised(state.moment), key)]
