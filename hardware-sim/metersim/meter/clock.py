"""The meter's clock against true time: an offset, a drift, the steps by which somebody set it, and when it stood still.

True and meter times are microseconds since 1970, integers throughout, so that two runs agree to the last pulse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class MeterClock:
    """`offset_us` is meter minus true time at `anchor_us`; a step is (true time, microseconds added from then on).

    `stops` are disjoint, sorted spans (from, to) of true time in which the clock stands still.
    """

    anchor_us: int
    offset_us: int = 0
    drift_ppb: int = 0
    steps: tuple[tuple[int, int], ...] = ()
    stops: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(
        cls, anchor_us: int, offset_s: Decimal, drift_ppm: Decimal, stops: tuple[tuple[int, int], ...] = ()
    ) -> MeterClock:
        """Return a clock that is `offset_s` ahead at `anchor_us`."""
        clock = cls(anchor_us, int(offset_s * MICROSECONDS), int(drift_ppm * 1000), stops=stops)
        lost = anchor_us - clock._ran(anchor_us)
        return replace(clock, anchor_us=anchor_us - lost, offset_us=clock.offset_us + lost)

    def _ran(self, true_us: int) -> int:
        """True time less what the clock stood still: what its own oscillator went through."""
        ran = true_us
        for since, to in self.stops:
            if since >= true_us:
                break
            ran -= min(to, true_us) - since
        return ran

    def _came_to(self, ran_us: int) -> int:
        """First true time at which the clock has gone through so much."""
        true = ran_us
        for since, to in self.stops:
            if since >= true:
                break
            true += to - since
        return true

    def _free(self, ran_us: int) -> int:
        """What the clock would show if nobody had set it."""
        return ran_us + self.offset_us + (ran_us - self.anchor_us) * self.drift_ppb // 1_000_000_000

    def shows(self, true_us: int) -> int:
        """Meter time at this true time."""
        return self._free(self._ran(true_us)) + sum(step for at, step in self.steps if at <= true_us)

    def _free_reaches(self, meter_us: int) -> int:
        """First true time at which the clock that nobody set shows at least `meter_us`."""
        elapsed = meter_us - self.offset_us - self.anchor_us
        ran = self.anchor_us + elapsed * 1_000_000_000 // (1_000_000_000 + self.drift_ppb)
        while self._free(ran) < meter_us:
            ran += 1
        while self._free(ran - 1) >= meter_us:
            ran -= 1
        return self._came_to(ran)

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
        if self.steps or self.stops or self.drift_ppb:
            return [self.reaches(time) for time in meter_us]
        return [time - self.offset_us for time in meter_us]

    def stepped(self, true_us: int, by_us: int) -> MeterClock:
        """The same clock, set at this true time."""
        return replace(self, steps=tuple(sorted((*self.steps, (true_us, by_us)))))

    def ahead_by(self, more_us: int) -> MeterClock:
        """The same clock, ahead by so much more at all times."""
        return replace(self, offset_us=self.offset_us + more_us)
