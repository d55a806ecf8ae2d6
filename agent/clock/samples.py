"""What one source of time says: a sample, or why it gives none."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, Decimal
from typing import Literal

from agent.clock.instant import NS

SourceKind = Literal["chrony", "kernel", "ntp", "gnss"]
Leap = Literal["none", "insert", "delete"]  # what happens to the last second of the UTC day
Cause = Literal["missing", "down", "waiting", "useless"]  # not installed; not running; runs, but has no time yet
NANOSECOND = Decimal("1e-9")
RECEIVER = "receiver"  # `peer` of whatever hears satellites on this box, directly or through chrony: one witness


@dataclass(frozen=True, slots=True)
class TimeSample:
    """How far our system clock is from one reference, and how surely.

    `offset_s` is the system clock minus the reference (positive: our clock is fast). The true offset at
    `at_boottime_ns` lies within `offset_s` ± `uncertainty_s` unless the source lies.
    """

    offset_s: Decimal
    uncertainty_s: Decimal
    source: SourceKind
    name: str  # which one: "chrony", "time.example:123"
    reference: str  # what it follows itself: "GPS", "192.0.2.1"
    at_boottime_ns: int
    peer: str = ""  # address that answered, where there is one
    detail: str = ""  # stratum, round trip, remarks; for people
    age_s: Decimal = Decimal(0)  # since the source itself last heard from its reference, where it says
    leap: Leap = "none"  # announced
    stratum: int | None = None  # where there is one
    smeared: bool = False  # spreads a leap second over hours
    authenticated: str = ""  # "NTS" or "key", where that is known

    @property
    def low_s(self) -> Decimal:
        """Least offset that this sample allows."""
        return self.offset_s - self.uncertainty_s

    @property
    def high_s(self) -> Decimal:
        """Greatest offset that this sample allows."""
        return self.offset_s + self.uncertainty_s

    def aged(self, boottime_ns: int, ppm: Decimal) -> TimeSample:
        """Return the sample as it stands at a later moment: wider by what an oscillator of `ppm` can drift."""
        drift = drift_s(abs(boottime_ns - self.at_boottime_ns), ppm)
        return replace(self, uncertainty_s=self.uncertainty_s + drift, at_boottime_ns=boottime_ns)


@dataclass(frozen=True, slots=True)
class NoTime:
    """A source that gives no time, and why: absent, silent, not synchronised itself, or not to be believed."""

    source: SourceKind
    name: str
    reason: str
    cause: Cause = field(default="useless", compare=False)  # of the reasons, the kind: what to do depends on it


Outcome = TimeSample | NoTime


def drift_s(elapsed_ns: int, ppm: Decimal) -> Decimal:
    """How far an oscillator within ±`ppm` can drift in `elapsed_ns`, in seconds, rounded up to a nanosecond."""
    return (Decimal(elapsed_ns) * ppm / 1_000_000 / NS).quantize(NANOSECOND, ROUND_CEILING)


def signed(seconds: Decimal) -> str:
    """Write an offset for people: sign, seconds, microseconds at most."""
    return f"{seconds:+.6f} s"


def sentence(outcome: Outcome) -> str:
    """Say in one sentence what a source said, or why it said nothing."""
    if isinstance(outcome, NoTime):
        return f"{outcome.name} gives no time: {outcome.reason}."
    about = f"follows {outcome.reference}" + (f"; {outcome.detail}" if outcome.detail else "")
    return f"{outcome.name} makes our clock {signed(outcome.offset_s)} ± {outcome.uncertainty_s:.6f} s ({about})."
