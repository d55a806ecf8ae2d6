"""One `mrsp run` for one state directory: two would read each meter twice, and race for its line.

with only_one(directory):       # raises `LocalTrouble` while another process is in such a block
    …
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.errors import LocalTrouble

LOCK = "run.lock"  # in the state directory; what it says is the process
TRIES, PAUSE_S = 5, 0.05  # `running` holds the lock for an instant


@contextmanager
def only_one(directory: Path) -> Iterator[None]:
    """Be the only one in `directory` (made if missing), whatever ends this process. Raises `LocalTrouble`."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        advice = "check free space and the owner of the directory"
        raise LocalTrouble(
            f"the state directory {directory} cannot be used: {error.strerror}", advice=advice
        ) from error
    try:
        if not _locked(descriptor, fcntl.LOCK_EX, TRIES):
            raise LocalTrouble(
                f"another `mrsp run` (process {_process(descriptor) or 'unknown'}) uses {directory}",
                advice="`systemctl status mrsp`; each agent needs a `state_directory` of its own",
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def running(directory: Path) -> int | None:
    """Return the process that is in `only_one`, 0 if its number is not known; None if there is none."""
    try:
        descriptor = os.open(directory / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return None if _locked(descriptor, fcntl.LOCK_SH, 1) else _process(descriptor)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, kind: int, tries: int) -> bool:
    for left in range(tries, 0, -1):
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if left > 1:
                time.sleep(PAUSE_S)
        else:
            return True
    return False


def _process(descriptor: int) -> int:
    said = os.pread(descriptor, 20, 0).strip()
    return int(said) if said.isdigit() else 0
