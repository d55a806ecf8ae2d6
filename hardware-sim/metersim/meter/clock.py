"""The meter's clock against true time: an offset, a drift, and the steps by which somebody set it.

True and meter times are microseconds since 1970, integers throughout, so that two runs agree to the last pulse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class MeterClock:
    """`offset_us` is meter minus true time at `anchor_us`; a step is (true time, microseconds added from then on)."""

    anchor_us: int
    offset_us: int = 0
    drift_ppb: int = 0
    steps: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, anchor_us: int, offset_s: Decimal, drift_ppm: Decimal) -> MeterClock:
        return cls(anchor_us, int(offset_s * MICROSECONDS), int(drift_ppm * 1000))

    def _free(self, true_us: int) -> int:
        """What the clock would show if nobody had set it."""
        return true_us + self.offset_us + (true_us - self.anchor_us) * self.drift_ppb // 1_000_000_000

    def shows(self, true_us: int) -> int:
        """Meter time at this true time."""
        return self._free(true_us) + sum(step for at, step in self.steps if at <= true_us)

    def _free_reaches(self, meter_us: int) -> int:
        """First true time at which the clock that nobody set shows at least `meter_us`."""
        elapsed = meter_us - self.offset_us - self.anchor_us
        true = self.anchor_us + elapsed * 1_000_000_000 // (1_000_000_000 + self.drift_ppb)
        while self._free(true) < meter_us:
            true += 1
        while self._free(true - 1) >= meter_us:
            true -= 1
        return true

    def reaches(self, meter_us: int) -> int:
        """First true time at which the meter shows at least `meter_us`: a time stepped over is reached by the step."""
        begin, added = None, 0
        for at, step in (*self.steps, (None, 0)):
            true = self._free_reaches(meter_us - added)
            true = true if begin is None else max(true, begin)
            if at is None or true < at:
                return true
            begin, added = at, added + step
        raise AssertionError  # the last pass has at None

    def reaches_all(self, meter_us: Sequence[int]) -> list[int]:
        """`reaches` of ascending times."""
        if self.steps or self.drift_ppb:
            return [self.reaches(time) for time in meter_us]
        return [time - self.offset_us for time in meter_us]

    def stepped(self, true_us: int, by_us: int) -> MeterClock:
        """The same clock, set at this true time."""
        return replace(self, steps=(*self.steps, (true_us, by_us)))
