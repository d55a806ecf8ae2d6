"""The sessions of a soak, on as many processes as are asked for."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from functools import partial

from tests.soak.cases import case
from tests.soak.session import run
from tests.soak.tally import Tally

_CHUNK = 100


def tallies(seed: str, sessions: int, jobs: int) -> Iterator[Tally]:
    """Run the sessions; give the tally of each hundred as it is done."""
    starts = range(0, sessions, _CHUNK)
    work = partial(tally, seed, sessions)
    if jobs <= 1:
        yield from map(work, starts)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(work, starts)


def tally(seed: str, sessions: int, start: int) -> Tally:
    """Run a hundred sessions from `start` on, `sessions` being the end of all."""
    found = Tally()
    for number in range(start, min(start + _CHUNK, sessions)):
        chosen = case(seed, number)
        found.note(number, chosen, run(chosen))
    return found
