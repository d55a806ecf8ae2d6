"""A program to be killed: walks the route of one directory, and says what is confirmed.

Forks a worker for each line on standard input (cheaper than a start of Python for each), says its process id, and when
it is dead. A worker goes on where the one before it was killed.
"""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path

from agent.routes.codes import CodeSet
from agent.routes.standing import Said, Standing, Taking, Who, settled, skipped, troubled
from agent.routes.store import ROUTES_FILE, RouteStore
from tests.routes.routes_kit import NOW


def work(directory: Path) -> None:
    store = RouteStore(directory / ROUTES_FILE, create=True)
    for stop in store.view("R-1", NOW).stops:
        if stop.state != "pending":
            continue
        store.change(stop.stop_id, Who("ann", NOW, stop.version), partial(act, stop.sequence))
        say(str(stop.sequence))


def act(sequence: int, was: Standing, who: Who, known: CodeSet) -> Standing:
    if sequence % 3 == 0:
        return skipped(was, who, "later")
    if sequence % 3 == 1:
        return settled(was, who, Taking(f"r-{sequence}", "keyed"), known)
    return troubled(was, who, ("locked",), known, Said("shut", ("p",)))


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main() -> None:
    for _ in sys.stdin:
        worker = os.fork()
        if worker == 0:
            say(str(os.getpid()))
            work(Path(sys.argv[1]))
            say("end")
            signal.pause()
        os.waitpid(worker, 0)
        say("buried")


if __name__ == "__main__":
    main()
