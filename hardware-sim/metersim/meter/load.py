"""Load: pulses of one measuring element as a function of true time, deterministic by seed, exact at any instant.

The day is cut into slots; the shape and the noise of a day give each slot a whole number of pulses, spread evenly over
the slot. Whatever the meter derives (registers, tiers, demand, intervals) is a difference of `pulses_until` at two
instants, so all of it agrees to the pulse.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from metersim.meter.clock import MICROSECONDS
from metersim.meter.scenario import Load

_DAY_US = 86_400 * MICROSECONDS

# Load by hour of the standard day, in thousandths of the top. Drawn by hand after the usual look of each kind.
SHAPES: dict[str, tuple[int, ...]] = {
    "flat": (1000,) * 24,
    "residential": (260, 220, 200, 190, 190, 230, 380, 560, 520, 430, 390, 380,
                    400, 390, 390, 430, 560, 760, 930, 1000, 940, 780, 560, 370),
    "commercial": (180, 170, 170, 170, 180, 240, 400, 620, 850, 950, 980, 990,
                   970, 990, 1000, 980, 930, 800, 560, 400, 320, 260, 220, 190),
    "solar": (0, 0, 0, 0, 0, 0, 40, 170, 380, 600, 800, 940, 1000, 970, 860, 690, 470, 240, 70, 0, 0, 0, 0, 0),
    "night": (1000, 1000, 1000, 1000, 1000, 900, 400, 50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 50, 200, 500, 800, 950),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Supply:
    """When the service was off: disjoint, sorted (from, to) in true microseconds."""

    outages: tuple[tuple[int, int], ...] = ()

    def off_us(self, begin: int, end: int) -> int:
        """Microseconds without power in [begin, end)."""
        return sum(max(0, min(end, to) - max(begin, since)) for since, to in self.outages)


@dataclass
class Flow:
    """One load from the day of installation on; slots are computed day by day when first asked for."""

    load: Load
    seed: int
    first_day: int  # the day of installation, counted from 1970
    start_us: int  # its midnight, standard time
    slot_s: int
    supply: Supply = Supply()
    surges: Mapping[int, int] = field(default_factory=dict)  # slot number → pulses on top
    _until: array[int] = field(default_factory=lambda: array("q", [0]))  # pulses before slot k

    def __post_init__(self) -> None:
        self._slot_us = self.slot_s * MICROSECONDS
        self._per_day = 86_400 // self.slot_s
        self._weights = _slot_weights(SHAPES[self.load.shape], self._per_day)
        self._cut = {
            slot
            for since, to in self.supply.outages
            for slot in range((since - self.start_us) // self._slot_us, (to - 1 - self.start_us) // self._slot_us + 1)
        }

    def slot_of(self, true_us: int) -> int:
        return (true_us - self.start_us) // self._slot_us

    def pulses_until(self, true_us: int) -> int:
        """Pulses from installation until this instant; 0 before it."""
        slot, into = divmod(true_us - self.start_us, self._slot_us)
        if slot < 0:
            return 0
        while len(self._until) <= slot + 1:
            self._next_day()
        before = self._until[slot]
        if not into:
            return before
        pulses = self._until[slot + 1] - before
        if slot in self._cut:
            begin = true_us - into
            powered = self._slot_us - self.supply.off_us(begin, begin + self._slot_us)
            return before + (pulses * (into - self.supply.off_us(begin, true_us)) // powered if powered else 0)
        return before + pulses * into // self._slot_us

    def all_until(self, true_us: Sequence[int]) -> list[int]:
        """`pulses_until` of ascending instants."""
        if true_us:
            self.pulses_until(true_us[-1])
        return [self.pulses_until(instant) for instant in true_us]

    def _next_day(self) -> None:
        """Compute the pulses of one more day."""
        day = (len(self._until) - 1) // self._per_day
        midnight = self.start_us + day * _DAY_US
        noise = Random(f"{self.seed}/{self.load.name}/{day}").randbytes(2 * self._per_day)
        scale = self.load.pulses_per_hour * self.slot_s * self._day_percent(day)
        total, slot = self._until[-1], day * self._per_day
        for index, weight in enumerate(self._weights):
            draw = 65_536 * 100 - self.load.noise_percent * (noise[2 * index] << 8 | noise[2 * index + 1])
            pulses = scale * weight * draw // (3600 * 1000 * 100 * 65_536 * 100)
            pulses += self.surges.get(slot + index, 0)
            if slot + index in self._cut:
                begin = midnight + index * self._slot_us
                pulses = pulses * (self._slot_us - self.supply.off_us(begin, begin + self._slot_us)) // self._slot_us
            total += pulses
            self._until.append(total)

    def _day_percent(self, day: int) -> int:
        """Percent of the top for this day of the week and of the year."""
        number = self.first_day + day
        percent = self.load.weekend_percent if (number + 3) % 7 >= 5 else 100
        if self.load.summer_percent != 100:
            since_winter = (number - 15) % 365
            summer = min(since_winter, 365 - since_winter)  # 0 in the middle of January, 182 in July
            percent = percent * (18_200 + (self.load.summer_percent - 100) * summer) // 18_200
        return percent


def _slot_weights(shape: tuple[int, ...], per_day: int) -> tuple[int, ...]:
    """The hourly shape, straight lines between the middles of hours, at the middle of each slot."""
    weights = []
    for slot in range(per_day):
        position = (2 * slot + 1) * 24 * 1000 // (2 * per_day) - 500
        hour, part = divmod(position, 1000)
        weights.append((shape[hour % 24] * (1000 - part) + shape[(hour + 1) % 24] * part) // 1000)
    return tuple(weights)
