# ruff: noqa: T201 - a command
"""Read simulated meters over faulty lines, many times, and see that no value is ever wrong.

`scripts/soak --sessions 100000` on all cores; a session that failed is run again by `--only N` with the same seed.
`scripts/soak --days 30 --meters 100` lets the whole service live so long in virtual time, and sees that nothing is lost
and nothing grows. Exits with 1 after a wrong value, a hang or an unexpected exception, or if too few sessions came home
whole.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.soak.cases import case
from tests.soak.long_run import Plan, complaints, live
from tests.soak.pool import tallies
from tests.soak.session import run
from tests.soak.tally import Tally

_TOLD_EVERY_S = 10.0


def main(arguments: list[str]) -> int:
    """Run what the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sessions", type=int, default=2000, help="how many (default: %(default)s)")
    parser.add_argument("--seed", default="1", help="another word, other sessions (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one for each core)")
    parser.add_argument("--only", type=int, metavar="N", help="run session N alone and say how it went")
    parser.add_argument("--days", type=int, help="instead: so many days of the whole service")
    parser.add_argument("--meters", type=int, default=100, help="of that service (default: %(default)s)")
    parser.add_argument("--every", type=int, default=6, metavar="HOURS", help="they are read (default: %(default)s)")
    asked = parser.parse_args(arguments)
    if asked.days is not None:
        return _live(Plan(asked.days, asked.meters, asked.every))
    if asked.only is not None:
        chosen = case(asked.seed, asked.only)
        outcome = run(chosen)
        print(chosen, outcome, sep="\n")
        return 0
    began = time.monotonic()
    tally = Tally()
    told = began
    for part in tallies(asked.seed, asked.sessions, asked.jobs):
        tally.add(part)
        now = time.monotonic()
        if now - told >= _TOLD_EVERY_S:
            told = now
            done = sum(sums.sessions for sums in tally.bands.values())
            print(f"{done} of {asked.sessions}, {len(tally.failures)} failures", file=sys.stderr, flush=True)
    print(*tally.lines(), sep="\n")
    print(f"seed {asked.seed!r}, {time.monotonic() - began:.0f} s on {asked.jobs} processes")
    return 0 if tally.good else 1


def _live(plan: Plan) -> int:
    began = time.monotonic()
    with TemporaryDirectory(prefix="soak-") as name:
        life = live(plan, Path(name), lambda look: print(look, flush=True))
    print(", ".join(f"{count} {kind}" for kind, count in life.delivered.items()), "verified and acknowledged")
    print(f"{plan.days} days of {plan.meters} meters in {time.monotonic() - began:.0f} s")
    wrong = complaints(life, plan)
    print(*(wrong or ["nothing was lost, and nothing grew"]), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
