"""What a clock is to the agent: two counters of the box, and one look at both.

Nothing here reads a clock; `agent.clock.system` does, and tests bring their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

NS = 1_000_000_000


class Clock(Protocol):
    """The two counters of the box, in nanoseconds."""

    def boottime_ns(self) -> int:
        """Read CLOCK_BOOTTIME: since boot, suspend included, never stepped; what durations are measured with."""
        ...

    def realtime_ns(self) -> int:
        """Read CLOCK_REALTIME: the system clock, Unix time; right only as far as a proof says."""
        ...


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on both counters, in nanoseconds."""

    boottime_ns: int
    realtime_ns: int

    @property
    def difference_ns(self) -> int:
        """CLOCK_REALTIME minus CLOCK_BOOTTIME: constant until somebody steps the system clock (slewing moves both)."""
        return self.realtime_ns - self.boottime_ns


def read_instant(clock: Clock) -> Instant:
    """Read both counters as one moment: the tightest of three readings, so that being descheduled is not a step."""
    return min((_look(clock) for _ in range(3)), key=lambda look: look[0])[1]


def _look(clock: Clock) -> tuple[int, Instant]:
    """One reading of both counters, and how long it took."""
    before = clock.boottime_ns()
    realtime = clock.realtime_ns()
    took = clock.boottime_ns() - before
    return took, Instant(before + took // 2, realtime)
