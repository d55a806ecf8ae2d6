"""A box in virtual time, and samples to judge: what the clock tests share."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from agent.clock.boot import read_boot_stamp
from agent.clock.conclude import Around, conclude
from agent.clock.instant import NS, Instant, read_instant
from agent.clock.plausible import EPOCH
from agent.clock.proof import ClockProof, Policy
from agent.clock.samples import SourceKind, TimeSample

NOON = datetime(2026, 3, 7, 12, tzinfo=UTC)


class VirtualClock:
    """A box whose true time is known. Its oscillator runs fast by `ppm`, its system clock was set `offset_s` fast."""

    def __init__(self, utc: datetime = NOON, offset_s: Decimal | int = 0, ppm: int = 0) -> None:
        self.true_ns = (utc - EPOCH) // timedelta(microseconds=1) * 1_000
        self.ppm = ppm
        self._boottime_ns = 1_000 * NS
        self._raw_ns = 900 * NS
        self.asleep_ns = 0
        self.boot = "boot-1"
        self._realtime_ns = self.true_ns + int(offset_s * NS)

    def boottime_ns(self) -> int:
        return self._boottime_ns

    def realtime_ns(self) -> int:
        return self._realtime_ns

    def monotonic_ns(self) -> int:
        return self._boottime_ns - self.asleep_ns

    def raw_ns(self) -> int:
        return self._raw_ns

    def boot_id(self) -> str:
        return self.boot

    @property
    def true_utc(self) -> datetime:
        return EPOCH + timedelta(microseconds=self.true_ns // 1_000)

    @property
    def offset_s(self) -> Decimal:
        """System clock minus true time."""
        return Decimal(self._realtime_ns - self.true_ns) / NS

    def advance(self, seconds: float, slew_ppm: int = 0) -> None:
        """Let true time pass; the box counts it as well as its oscillator and a slewing daemon let it."""
        true = int(seconds * NS)
        counted = true + true * (self.ppm + slew_ppm) // 1_000_000
        self.true_ns += true
        self._boottime_ns += counted
        self._realtime_ns += counted
        self._raw_ns += true + true * self.ppm // 1_000_000

    def sleep(self, seconds: float, error_s: float = 0) -> None:
        """Suspend: the battery clock counts meanwhile, and what it counts wrong goes into both clocks."""
        true, counted = int(seconds * NS), int((seconds + error_s) * NS)
        self.true_ns += true
        self.asleep_ns += counted
        self._boottime_ns += counted
        self._realtime_ns += counted

    def reboot(self, shown: datetime) -> None:
        """Start anew without a battery clock: the system clock shows what it shows."""
        self.boot = f"boot-{int(self.boot.rpartition('-')[2]) + 1}"
        self._boottime_ns, self._raw_ns, self.asleep_ns = 5 * NS, 5 * NS, 0
        self._realtime_ns = (shown - EPOCH) // timedelta(microseconds=1) * 1_000

    def step(self, seconds: float) -> None:
        """Set the system clock forward (or back)."""
        self._realtime_ns += int(seconds * NS)


def sample(
    offset_s: Decimal | str | int,
    uncertainty_s: Decimal | str | int = "0.01",
    name: str = "a:123",
    source: SourceKind = "ntp",
    at_boottime_ns: int = 1_000 * NS,
) -> TimeSample:
    """One source's word."""
    return TimeSample(Decimal(offset_s), Decimal(uncertainty_s), source, name, "GPS", at_boottime_ns)


def proved(
    box: VirtualClock, *, uncertainty_s: str = "0.01", policy: Policy | None = None, leap: bool = False
) -> ClockProof:
    """What a true source of that uncertainty proves about the box now."""
    now = read_instant(box)
    heard = replace(
        sample(box.offset_s, uncertainty_s, at_boottime_ns=now.boottime_ns), leap="insert" if leap else "none"
    )
    return conclude([heard], now, now, policy or Policy(), Around(stamp=read_boot_stamp(box)))


def later(now: Instant, seconds: Decimal | int) -> Instant:
    """The same box, that much later, undisturbed."""
    ns = int(seconds * NS)
    return Instant(now.boottime_ns + ns, now.realtime_ns + ns)
