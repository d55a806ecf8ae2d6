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
from metersim.meter.shapes import NO_HOLIDAYS, DayShape, Holidays, kind_of_day
from metersim.meter.story import Load, Strand

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
_SHIPPED = {name: DayShape.always(curve) for name, curve in SHAPES.items()}


@dataclass(frozen=True, slots=True)
class Supply:
    """When the service was off: disjoint, sorted (from, to) in true microseconds."""

    outages: tuple[tuple[int, int], ...] = ()

    def off_us(self, begin: int, end: int) -> int:
        """Microseconds without power in [begin, end)."""
        off = 0
        for since, to in self.outages:
            if since >= end:
                break
            off += max(0, min(end, to) - max(begin, since))
        return off

    def is_off(self, at: int) -> bool:
        """Is the service off at this moment?"""
        return any(since <= at < to for since, to in self.outages)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The slots from `first` to before `until`, in which a load is `percent` of itself."""

    first: int
    until: int
    percent: int


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
    shapes: Mapping[str, DayShape] = field(default_factory=dict)  # of one's own, by name
    holidays: Holidays = NO_HOLIDAYS
    stretches: tuple[Stretch, ...] = ()
    gains: tuple[tuple[Flow, Stretch], ...] = ()  # what it counts of another load
    _until: array[int] = field(default_factory=lambda: array("q", [0]))  # pulses before slot k

    def __post_init__(self) -> None:
        self._slot_us = self.slot_s * MICROSECONDS
        self._per_day = 86_400 // self.slot_s
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

    def of_slot(self, slot: int) -> int:
        """Pulses of one whole slot."""
        return self.pulses_until(self.start_us + (slot + 1) * self._slot_us) - self._until[slot]

    def _next_day(self) -> None:
        """Compute the pulses of one more day."""
        day = (len(self._until) - 1) // self._per_day
        first = day * self._per_day
        slots = self._used(day)
        for stretch in self.stretches:
            for slot in _within(stretch, first, self._per_day):
                slots[slot - first] = slots[slot - first] * stretch.percent // 100
        total = self._until[-1]
        for slot, pulses in enumerate(slots, first):
            pulses += self.surges.get(slot, 0)  # noqa: PLW2901 - the pulses of this slot
            if slot in self._cut:
                begin = self.start_us + slot * self._slot_us
                pulses = pulses * (self._slot_us - self.supply.off_us(begin, begin + self._slot_us)) // self._slot_us  # noqa: PLW2901
            for other, stretch in self.gains:
                if stretch.first <= slot < stretch.until:
                    pulses += other.of_slot(slot) * stretch.percent // 100  # noqa: PLW2901
            total += pulses
            self._until.append(total)

    def _used(self, day: int) -> list[int]:
        """Pulses of each slot of a day, before anything happened to them."""
        number = self.first_day + day
        slots = [0] * self._per_day
        for index, strand in enumerate(self.load.strands):
            name = f"{self.load.name}/{index}" if index else self.load.name
            shape = self.shapes.get(strand.shape) or _SHIPPED[strand.shape]
            random = Random(f"{self.seed}/{name}/{day}")
            noise = random.randbytes(2 * self._per_day)
            if strand.days_percent < 100 and random.randrange(100) >= strand.days_percent:
                continue
            kind = kind_of_day(number, self.holidays)
            percent = _percent_of_day(strand, number) * shape.month_percent(number)
            scale = strand.pulses_per_hour * self.slot_s * percent
            for slot, weight in enumerate(shape.weights(kind, self._per_day)):
                draw = 65_536 * 100 - strand.noise_percent * (noise[2 * slot] << 8 | noise[2 * slot + 1])
                slots[slot] += scale * weight * draw // (3600 * 1000 * 100 * 100 * 65_536 * 100)
        return slots


def _within(stretch: Stretch, first: int, count: int) -> range:
    return range(max(stretch.first, first), min(stretch.until, first + count))


def _percent_of_day(strand: Strand, number: int) -> int:
    """Percent of the top for this day of the week and of the year."""
    percent = strand.weekend_percent if (number + 3) % 7 >= 5 else 100
    if strand.summer_percent != 100:
        since_winter = (number - 15) % 365
        summer = min(since_winter, 365 - since_winter)  # 0 in the middle of January, 182 in July
        percent = percent * (18_200 + (strand.summer_percent - 100) * summer) // 18_200
    return percent
