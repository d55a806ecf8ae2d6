"""One test at a time on each instrument: two would turn the same source, each by limits of its own.

with only_test(directory, ("src", "ref", "cnt")):       # raises `BenchRefused` while another test uses one of them
    …
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from agent.bench.errors import BenchRefused
from agent.errors import LocalTrouble


@contextmanager
def only_test(directory: Path, instruments: Iterable[str]) -> Iterator[None]:
    """Have these instruments alone, whatever ends this process. `directory`: of the agent's state, made if missing.

    Raises `BenchRefused`, and `LocalTrouble` if the directory cannot be used.
    """
    with ExitStack() as stack:
        for name in instruments:
            descriptor = _opened(directory, f"bench-{name}.lock")
            stack.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                process = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
                raise BenchRefused(
                    f"the instrument {name} is in use by another test (process {process})",
                    advice="nothing was energised; wait for its end",
                ) from None
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield


def _opened(directory: Path, name: str) -> int:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LocalTrouble(
            f"the state directory {directory} cannot be used: {error.strerror}",
            advice="check free space and the owner of the directory",
        ) from error
