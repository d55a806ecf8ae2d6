"""A program to be killed: works on a spool as fast as it can and says after each step what it has done.

Forks a worker for each line on standard input (cheaper than a start of Python for each), and says its process id.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from agent.keys import load_device_key
from agent.seal import Sealer
from agent.spool_store import SpoolStore


def work(directory: Path, run: str) -> None:
    sealer = Sealer(load_device_key(directory / "keys"))
    store = SpoolStore(
        directory / "spool" / "spool.db",
        agent_id="gw-0001",
        sealer=sealer,
        budget_octets=1_000_000_000,
        now=lambda: datetime.now(UTC),
    )
    number = 0
    while True:
        number += 1
        name = f"{run}-{number}"
        store.add("reading", name, lambda sequence: b'{"sequence":%d,"more":"%s"}' % (sequence, b"x" * 3000))
        os.write(1, f"added {name}\n".encode())
        if number % 3 == 0:
            os.write(1, f"acking {name}\n".encode())
            store.acknowledge([name])
            os.write(1, f"acked {name}\n".encode())


def main() -> None:
    directory = Path(sys.argv[1])
    for line in sys.stdin:
        worker = os.fork()
        if worker == 0:
            os.write(1, f"worker {os.getpid()}\n".encode())
            work(directory, line.strip())
        os.waitpid(worker, 0)
        os.write(1, b"dead\n")


if __name__ == "__main__":
    main()
