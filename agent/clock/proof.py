"""How good the agent's clock is, and what that permits to be read. Immutable; pure arithmetic on moments given.

UBP, meter usage data collection: the reading device's clock is within one minute of a NIST-traceable reference,
synchronised before collection at the beginning of each day on which data is collected.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import ROUND_CEILING, Decimal
from typing import Literal

from agent.clock.boot import SLEW_PPM, BootStamp
from agent.clock.instant import NS, Instant
from agent.clock.plausible import EPOCH
from agent.clock.samples import NANOSECOND, Leap, Outcome, TimeSample, drift_s, sentence

Kind = Literal["interval", "tou", "cumulative"]
ProofSource = Literal["chrony", "ntp", "gnss", "none"]

NOT_PROVEN = "The clock is not proven."
KINDS: tuple[Kind, ...] = ("cumulative", "tou", "interval")
STEP_NS = 50_000_000  # beyond what reading two counters one after the other can differ by on a busy box
# A time daemon may slew a measured offset away, and CLOCK_BOOTTIME slews along: at most at chrony's limit, and at most
# the offset; other daemons step what is larger than 0.4 s (systemd-timesyncd) or 0.128 s (ntpd).
SLEWED_BY_OTHERS_S = Decimal("0.4")


@dataclass(frozen=True, slots=True)
class Permit:
    """May this kind of data be read now? `reason` is a sentence for people, whichever it is."""

    allowed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Policy:
    """What the clock is judged by."""

    ppm: Decimal = Decimal(50)  # bound of the oscillator between synchronisations
    limit_s: Decimal = Decimal(60)  # |offset| + uncertainty may not be more
    zone: tzinfo = UTC  # whose midnight begins the day


@dataclass(frozen=True, slots=True)
class ClockProof:
    """The clock as measured at one moment of this boot.

    `offset_s` is the system clock minus the reference (positive: our clock is fast), known if the sources agree on one,
    however large it is; `synchronized` if the clock was also within the limit.
    """

    synchronized: bool
    source: ProofSource  # "none": no reference, or references that contradict each other
    measured: Instant
    policy: Policy
    offset_s: Decimal | None = None
    uncertainty_s: Decimal | None = None  # at `measured`
    heard_at: datetime | None = None  # UTC; when the reference was last heard, known with the offset
    leap: Leap = "none"  # announced by a source, or armed in the kernel
    best: TimeSample | None = None  # the surest of the sources that agree
    contradicted: tuple[str, ...] = ()  # names of the sources that the majority contradicts
    alarm: str = ""  # a sentence: time would run backwards past what was stamped before
    believed: bool = True  # False: the alarm, and only one source to set against it
    stamp: BootStamp | None = None  # `measured`, with the boot that it belongs to
    smeared: bool = False  # a source that agrees spreads a leap second over hours
    held_over: bool = False  # measured earlier in this boot; no source answers now
    reasons: tuple[str, ...] = ()  # sentences: why there is no offset, or what to know about it
    outcomes: tuple[Outcome, ...] = ()  # what each source said

    @property
    def reference(self) -> str:
        """What the best agreeing source follows itself; empty without one."""
        return self.best.reference if self.best is not None else ""

    @property
    def tells_time(self) -> bool:
        """Whether UTC is known by it: sources agree on an offset, and nothing makes that doubtful.

        The system clock may be far off all the same: stamps are corrected by the offset.
        """
        return self.offset_s is not None and self.believed

    @property
    def synchronized_at(self) -> datetime | None:
        """UTC of the synchronisation; None if the clock is not synchronised."""
        return self.heard_at if self.synchronized else None

    @property
    def difference_ns(self) -> int:
        """CLOCK_REALTIME minus CLOCK_BOOTTIME when this was measured."""
        return self.measured.difference_ns

    def utc_at(self, boottime_ns: int) -> datetime:
        """UTC at a moment of CLOCK_BOOTTIME of this boot, corrected by the measured offset, to the microsecond.

        Without a reference (source "none") it is what the system clock said: label it so. A step of the system clock
        after the measurement changes nothing here.
        """
        offset_us = int(((self.offset_s or Decimal(0)) * 1_000_000).to_integral_value())
        return EPOCH + timedelta(microseconds=(boottime_ns + self.difference_ns) // 1_000 - offset_us)

    def known_utc_at(self, boottime_ns: int) -> datetime | None:
        """As `utc_at`; None where that would be an invented time."""
        return self.utc_at(boottime_ns) if self.tells_time else None

    def uncertainty_at(self, now_boottime_ns: int) -> Decimal | None:
        """Bound of the error of `utc_at` for that moment, in seconds; None without a reference.

        What was measured, plus the drift of the oscillator since, plus what a time daemon may have slewed meanwhile.
        """
        holdover = self.held_at(now_boottime_ns)
        if holdover is None or self.offset_s is None:
            return None
        slewed = drift_s(abs(now_boottime_ns - self.measured.boottime_ns), SLEW_PPM)
        chrony = any(isinstance(o, TimeSample) and o.source == "chrony" for o in self.outcomes)
        return holdover + min(abs(self.offset_s), slewed, *(() if chrony else (SLEWED_BY_OTHERS_S,)))

    def held_at(self, now_boottime_ns: int) -> Decimal | None:
        """Uncertainty of the measurement, grown by the oscillator's bound, and by a leap second that was announced.

        None without a reference.
        """
        if self.uncertainty_s is None:
            return None
        measured = self.measured.boottime_ns
        grown = self.uncertainty_s + drift_s(abs(now_boottime_ns - measured), self.policy.ppm)
        if self.leap != "none" and self.utc_at(now_boottime_ns).date() != self.utc_at(measured).date():
            grown += 1
        return grown.quantize(NANOSECOND, ROUND_CEILING)

    def error_bound_at(self, now_boottime_ns: int) -> Decimal | None:
        """Add |offset| and its uncertainty: how far the system clock can be off, in seconds; None without a reference.

        What a daemon slews away only brings it nearer, so that is not counted here.
        """
        holdover = self.held_at(now_boottime_ns)
        return None if holdover is None or self.offset_s is None else abs(self.offset_s) + holdover

    def permits(
        self, kind: Kind, now: Instant, *, limit_s: Decimal | None = None, zone: tzinfo | None = None
    ) -> Permit:
        """Decide whether data of this kind may be read now.

        `limit_s` (a rule set's) and `zone` (the site's) take the place of the policy's own. Cumulative registers do not
        depend on the clock and are always permitted.
        """
        if kind == "cumulative":
            return Permit(allowed=True, reason="Cumulative registers do not depend on the clock.")
        limit = self.policy.limit_s if limit_s is None else limit_s
        refusal = self._void(now) or self._too_far(now, limit) or self._not_today(now, zone or self.policy.zone)
        if refusal:
            return Permit(allowed=False, reason=refusal)
        bound = self.error_bound_at(now.boottime_ns)
        return Permit(
            allowed=True, reason=f"The clock is within {bound:.3f} s of the reference; {limit} s are allowed."
        )

    def stepped_s(self, now: Instant) -> Decimal:
        """How far the system clock was stepped since the measurement, in seconds; zero if it was not."""
        step = now.difference_ns - self.difference_ns
        return Decimal(step) / NS if abs(step) > STEP_NS else Decimal(0)

    def _void(self, now: Instant) -> str:
        if self.offset_s is None:
            return " ".join([NOT_PROVEN, *self.reasons, *(sentence(outcome) for outcome in self.outcomes)])
        if now.boottime_ns < self.measured.boottime_ns:
            return "The clock proof is from another boot of this box; measure again."
        if not self.believed:
            return self.alarm
        step = self.stepped_s(now)
        if step:
            return f"The system clock was stepped by {step:+.3f} s after it was measured; measure again."
        return ""

    def _too_far(self, now: Instant, limit: Decimal) -> str:
        bound = self.error_bound_at(now.boottime_ns)
        if bound is None or self.offset_s is None or bound <= limit:
            return ""
        holdover = bound - abs(self.offset_s)
        way = "fast" if self.offset_s > 0 else "slow"
        return (
            f"The clock is {abs(self.offset_s):.3f} s {way}, known to ± {holdover:.3f} s: "
            f"more than the {limit} s allowed; set it (chrony does) and measure again."
        )

    def _not_today(self, now: Instant, zone: tzinfo) -> str:
        today = self.utc_at(now.boottime_ns).astimezone(zone).date()
        if self.heard_at is not None and self.heard_at.astimezone(zone).date() == today:
            return ""
        return f"The clock was not synchronised yet today ({today.isoformat()}, {zone}); measure again."
