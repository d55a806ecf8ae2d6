"""What a clock is to the agent: the counters of the box, and one look at those that stamps are made of.

Nothing here reads a clock; `agent.clock.system` does, and tests bring their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

NS = 1_000_000_000


class Counters(Protocol):
    """The two counters that stamps are made of, in nanoseconds."""

    def boottime_ns(self) -> int:
        """Read CLOCK_BOOTTIME: since boot, suspend included, never stepped; what durations are measured with."""
        ...

    def realtime_ns(self) -> int:
        """Read CLOCK_REALTIME: the system clock, Unix time; right only as far as a proof says."""
        ...


class Clock(Counters, Protocol):
    """The clocks of the box, in nanoseconds, and which boot they count from."""

    def monotonic_ns(self) -> int:
        """Read CLOCK_MONOTONIC: as CLOCK_BOOTTIME, but it stands still while the box sleeps."""
        ...

    def raw_ns(self) -> int:
        """Read CLOCK_MONOTONIC_RAW: the bare oscillator, which no daemon slews; stands still while the box sleeps."""
        ...

    def boot_id(self) -> str:
        """Tell this boot from every other one; empty if the box cannot say."""
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


def read_instant(clock: Counters) -> Instant:
    """Read both counters as one moment: the tightest of three readings, so that being descheduled is not a step."""
    return min((_look(clock) for _ in range(3)), key=lambda look: look[0])[1]


def _look(clock: Counters) -> tuple[int, Instant]:
    """One reading of both counters, and how long it took."""
    before = clock.boottime_ns()
    realtime = clock.realtime_ns()
    took = clock.boottime_ns() - before
    return took, Instant(before + took // 2, realtime)
