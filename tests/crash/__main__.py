# ruff: noqa: T201 - a command
"""Kill the agent again and again, at any step of a reading's way to the MDSP, and prove that nothing was lost.

`scripts/crash --kills 10000`: each agent is `mrsp run`, forked so that a start costs milliseconds, with real meters'
lines, a real mosquitto and the MDSP. Exits with 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from agent import spool_store
from agent.keys import create_device_key
from tests.crash import backlog
from tests.crash.backlog_place import drained_backlog
from tests.crash.file_layer import file_layer
from tests.crash.lives import Known, Lives
from tests.crash.phases import Phase
from tests.crash.place import running_place
from tests.crash.power_cut import MEMORY
from tests.crash.power_life import power_cuts
from tests.crash.proof import Proof, prove

_TOLD_EVERY_S = 30.0


def main(arguments: list[str]) -> int:
    """Run what the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/crash", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=10_000, help="how many (default: %(default)s)")
    parser.add_argument("--seed", default="1", help="another word, other instants (default: %(default)s)")
    parser.add_argument("--power-cuts", type=int, metavar="N", help="below the spool, N states of the disk, instead")
    parser.add_argument("--backlog", type=int, metavar="N", help="drain N documents that piled up, instead")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="work here, and leave everything for a look")
    asked = parser.parse_args(arguments)
    if asked.power_cuts is not None:
        return cut_power(asked.power_cuts, asked.seed)
    if asked.backlog is not None:
        with TemporaryDirectory(prefix="backlog-") as name:
            drained, complaints = drained_backlog(Path(name), asked.backlog, limit_s=max(60.0, asked.backlog / 100))
        print(*backlog.report(drained), complaints, sep="\n", end="")
        return 1 if complaints else 0
    if asked.keep is not None:
        asked.keep.mkdir(parents=True)
        return kill(asked.keep, asked.kills, asked.seed)
    with TemporaryDirectory(dir=MEMORY, prefix="crash-") as name:  # `kill -9` leaves memory disks alone
        return kill(Path(name), asked.kills, asked.seed)


def kill(directory: Path, kills: int, seed: str) -> int:
    """Kill so often; print what came of it, and return the exit status."""
    began = told = time.monotonic()
    with running_place(directory) as place:
        lives = Lives(place, random.Random(seed))  # noqa: S311
        with file_layer(lives.hooks):
            for number in range(1, kills + 1):
                lives.live_and_die()
                if time.monotonic() - told > _TOLD_EVERY_S:
                    told = time.monotonic()
                    print(f"{number} of {kills}, {len(lives.known.stored)} stored", file=sys.stderr, flush=True)
            died_s = time.monotonic() - began
            whole = lives.live_to_the_end(limit_s=120)
        proof = prove(directory, lives.known)
    print(*report(lives.known, proof), sep="\n")
    print(f"seed {seed!r}, {died_s:.0f} s, {died_s * 1000 / max(kills, 1):.0f} ms a kill")
    if not whole:
        print("what was asked for was not done in the last life")
    if not whole or proof.faults:
        print("the end of the agents' log:", (directory / "agent.log").read_text()[-2000:], sep="\n")
    return 0 if whole and not proof.faults else 1


def cut_power(states: int, seed: str) -> int:
    """Look at so many states of the disk after a power cut; print what came of it, and return the exit status."""
    spool_store.KEEP_ACKNOWLEDGED = 6
    began, seen, faults = time.monotonic(), 0, 0
    with TemporaryDirectory(dir=MEMORY, prefix="power-") as name:
        key = create_device_key(Path(name) / "keys")
        for life in count(int.from_bytes(seed.encode(), "big") * 1_000):
            path = Path(name) / f"life{life}" / "spool.db"
            for found in islice(power_cuts(path, key, life, documents=60, every=1, each=6), states - seen):
                seen += 1
                faults += bool(found)
                print(*found, sep="\n", end="\n" if found else "")
            if seen >= states:
                break
    print(f"{seen} states of the disk after a power cut, {faults} with a fault, {time.monotonic() - began:.0f} s")
    return 1 if faults else 0


def report(known: Known, proof: Proof) -> list[str]:
    """Return what to print of a run."""
    lines = [f"{known.kills.total()} kills, by the phase of the last step:"]
    lines += [f"  {phase.name.lower().replace('_', ' '):18} {known.kills[phase]:6}" for phase in Phase]
    lines += [
        f"{len(known.asked)} reads asked for; {proof.again} were made again, killed before the spool had them",
        f"{proof.readings} readings and {proof.documents - proof.readings} other documents are at the MDSP once,"
        f" delivered {proof.deliveries} times",
        *(f"FAULT {fault}" for fault in proof.faults[:50]),
        f"{len(proof.faults)} faults",
    ]
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
