"""A program to be killed: handles the requests of one directory and says a word after each step.

Forks a worker for each block of tokens on standard input (cheaper than a start of Python for each), says its process
id, and when it is dead.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import datetime
from pathlib import Path

from agent.schedule import EPOCH
from agent.scheduling.reads import Request
from agent.scheduling.store import SCHEDULE_FILE, Row, ScheduleStore
from tests.requests.requests_kit import Place


class Booked:
    """The schedule's own file, in which nothing is ever visited."""

    def __init__(self, path: Path) -> None:
        self.store = ScheduleStore(path, create=True)

    async def ask(self, request: Request) -> Request:
        return self.store.ask(request)

    async def withdraw(self, request_id: str) -> bool:
        for request in self.store.requests():
            if request.request_id == request_id:
                self.store.refuse(request, request.requested_at, "cancelled")
                return True
        return False

    async def row(self, meter: str, due: datetime) -> Row | None:
        found = [row for row in self.store.rows(EPOCH) if (row.meter, row.due) == (meter, due)]
        return found[0] if found else None


async def work(directory: Path, tokens: list[bytes]) -> None:
    place = Place(directory)
    schedule = Booked(directory / SCHEDULE_FILE)
    place.schedule = schedule  # type: ignore[assignment]
    async with place.agent() as agent:
        for token in tokens:
            await agent.take(token)
            say("took")
            await agent.handler.carry_on()
            say("carried on")
    schedule.store.close()


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main() -> None:
    tokens: list[bytes] = []
    for line in sys.stdin.buffer:
        if line.strip():
            tokens.append(line.strip())
            continue
        worker = os.fork()
        if worker == 0:
            say(str(os.getpid()))
            asyncio.run(work(Path(sys.argv[1]), tokens))
            say("end")
            signal.pause()
        os.waitpid(worker, 0)
        say("buried")
        tokens = []


if __name__ == "__main__":
    main()
