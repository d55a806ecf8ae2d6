"""Moments of a boot: what can be stamped while nobody knows the time, and compared as long as the box stays up."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from agent.clock.instant import NS, Clock
from agent.clock.samples import drift_s

# After a suspend the kernel takes the time asleep from a battery clock that tells whole seconds, one rounding at either
# end; it keeps such errors from adding up over many suspends (timekeeping_resume).
SLEPT_S = Decimal(2)
SLEEP_NS = 1_000_000  # beyond what reading two counters one after the other can differ by
# Where a stamp does not say what the bare oscillator counted: a daemon slews by at most this (chrony's maxslewrate).
SLEW_PPM = Decimal(100_000)


@dataclass(frozen=True, slots=True)
class BootStamp:
    """One moment of one boot.

    `asleep_ns` (CLOCK_BOOTTIME less CLOCK_MONOTONIC) and `raw_ns` (CLOCK_MONOTONIC_RAW) show what sleep and slewing
    did to CLOCK_BOOTTIME between two stamps; without them it has to be assumed.
    """

    boot_id: str
    boottime_ns: int
    asleep_ns: int | None = None
    raw_ns: int | None = None


def read_boot_stamp(clock: Clock) -> BootStamp:
    """Read the counters of this boot as one moment: the tightest of three readings."""
    looks = [_look(clock) for _ in range(3)]
    return min(looks, key=lambda look: look[0])[1]


def _look(clock: Clock) -> tuple[int, BootStamp]:
    before = clock.boottime_ns()
    monotonic, raw = clock.monotonic_ns(), clock.raw_ns()
    took = clock.boottime_ns() - before
    middle = before + took // 2
    return took, BootStamp(clock.boot_id(), middle, middle - monotonic, raw)


def same_boot(one: BootStamp, other: BootStamp) -> bool:
    """Whether both are moments of one boot; a box that cannot say so is taken to have booted in between."""
    return bool(one.boot_id) and one.boot_id == other.boot_id


def strayed_s(one: BootStamp, other: BootStamp) -> Decimal:
    """How far CLOCK_BOOTTIME may have counted wrong between two moments of one boot, in seconds.

    Not counting the oscillator's own drift. Slewing is measured against the bare oscillator; what a battery clock
    counted while the box slept is good to two seconds.
    """
    elapsed = abs(one.boottime_ns - other.boottime_ns)
    if one.asleep_ns is None or other.asleep_ns is None or one.raw_ns is None or other.raw_ns is None:
        return drift_s(elapsed, SLEW_PPM) + (SLEPT_S if elapsed else 0)
    slept = abs(other.asleep_ns - one.asleep_ns)
    slewed = abs(elapsed - slept - abs(other.raw_ns - one.raw_ns))
    return Decimal(slewed) / NS + (SLEPT_S if slept > SLEEP_NS else 0)
