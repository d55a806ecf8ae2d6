"""How far a process has come, seen from outside: it ticks at each step, in memory that outlives it, and dies there."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
from enum import IntEnum, auto


class Phase(IntEnum):
    """A stretch of the way of a reading, from the start of the agent to the last trace of a document."""

    START = 0
    READ = auto()  # octets to and from the meter
    FILES = auto()  # records, recordings, the ledger: synced or renamed
    SCHEDULE = auto()  # its file
    SEAL = auto()
    ADD_WRITE = auto()  # to the spool's -wal
    ADD_SYNC = auto()
    ADDED = auto()
    CONNECT = auto()
    PUBLISH = auto()
    ACK_HEARD = auto()
    ACK_WRITE = auto()
    ACK_SYNC = auto()
    PRUNE = auto()
    CHECKPOINT_WRITE = auto()  # from the -wal into the spool itself
    CHECKPOINT_SYNC = auto()


class _Shared(ctypes.Structure):
    _fields_ = [
        ("last", ctypes.c_int32),
        ("armed", ctypes.c_int32),
        ("at_tick", ctypes.c_int32),
        ("ticks", ctypes.c_int32 * len(Phase)),
    ]


class Pace:
    """The steps of one life at a time. Made before the fork, and shared."""

    def __init__(self) -> None:
        self._shared = _Shared.from_buffer(mmap.mmap(-1, ctypes.sizeof(_Shared)))

    def begin(self, die_in: Phase | None = None, at_tick: int = 0) -> None:
        """A new life; it kills itself at the `at_tick`-th step of `die_in`."""
        ctypes.memset(ctypes.addressof(self._shared), 0, ctypes.sizeof(_Shared))
        self._shared.armed = -1 if die_in is None else die_in
        self._shared.at_tick = at_tick

    def tick(self, phase: Phase) -> None:
        """One step, of the living process."""
        shared = self._shared
        shared.last = phase
        shared.ticks[phase] += 1
        if shared.armed == phase and shared.ticks[phase] == shared.at_tick:
            os.kill(os.getpid(), signal.SIGKILL)

    @property
    def last(self) -> Phase:
        """In which phase the last step was."""
        return Phase(self._shared.last)

    @property
    def total(self) -> int:
        """How many steps were made."""
        return sum(self._shared.ticks)

    def ticks(self, phase: Phase) -> int:
        """Return how many steps of `phase` were made."""
        return int(self._shared.ticks[phase])
