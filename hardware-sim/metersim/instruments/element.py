"""The measuring element of a meter under test: its error by load, power factor and creep, and its test pulses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from metersim.instruments.physics import BILLION, PER_WH, Integral

_MILLION = 10**6
_LARGEST_JITTER = 400_000  # ppm of a pulse: below half, so that pulses stay in their order


@dataclass(frozen=True, slots=True)
class Load:
    """What is at the terminals: microvolts, microamperes, power factor in ppm (a sign is of no account here)."""

    microvolts: int = 0
    microamps: int = 0
    factor_ppm: int = _MILLION

    @property
    def power(self) -> int:
        """Active power in 10⁻¹⁸ W."""
        return self.microvolts * self.microamps * self.factor_ppm


@dataclass(frozen=True, slots=True)
class ErrorCurve:
    """Error in parts per 10⁹ at currents in µA, straight between them and flat beyond; more of it by power factor.

    `at_half_factor_ppb` is added in full at a power factor of 0.5, in proportion between 1 and there and beyond.
    """

    points: tuple[tuple[int, int], ...] = ((0, 0),)
    at_half_factor_ppb: int = 0

    def at(self, load: Load) -> int:
        """Return the error at a load, in parts per 10⁹."""
        return self._by_current(load.microamps) + self.at_half_factor_ppb * (_MILLION - load.factor_ppm) * 2 // _MILLION

    def _by_current(self, microamps: int) -> int:
        below, error = self.points[0]
        if microamps <= below:
            return error
        for above, next_error in self.points[1:]:
            if microamps <= above:
                return error + (next_error - error) * (microamps - below) // (above - below)
            below, error = above, next_error
        return error


@dataclass(frozen=True, slots=True)
class Element:
    """One meter's element. Powers are in 10⁻¹⁸ W. It is dead below `least_microvolts`, and creeps without current."""

    curve: ErrorCurve = ErrorCurve()
    kh_microwatthours: int = 7_200_000
    least_microvolts: int = 60_000_000
    starting_microamps: int = 30_000
    creep: int = 0
    jitter_ppm: int = 0  # of a pulse: how far the light may be before or behind its time
    seed: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.jitter_ppm <= _LARGEST_JITTER or self.kh_microwatthours <= 0:
            raise ValueError("jitter is 0 to 400,000 ppm of a pulse, Kh above 0")

    def rate(self, load: Load) -> int:
        """Return what it registers of a load, in 10⁻³³ J in a microsecond."""
        if load.microvolts < self.least_microvolts:
            return 0
        if load.microamps < self.starting_microamps:
            return self.creep * BILLION
        return max(0, load.power * (BILLION + self.curve.at(load)))

    @property
    def pulse(self) -> int:
        """Energy of one test pulse."""
        return self.kh_microwatthours * PER_WH // _MILLION


@dataclass(slots=True)
class TestLight:
    """The test pulses that an element gives for the energy that it registers. They are numbered from 1."""

    __test__ = False  # no test of pytest's

    element: Element
    energy: Integral

    def threshold(self, number: int) -> int:
        """Return the energy at which this pulse comes. The first comes anywhere within a pulse from the begin."""
        pulse, seed = self.element.pulse, self.element.seed
        phase = Random(f"{seed}/phase").randrange(pulse)
        jitter = self.element.jitter_ppm
        off = Random(f"{seed}/pulse/{number}").randint(-jitter, jitter) if jitter else 0
        return self.energy.begin + number * pulse - phase + off * pulse // _MILLION

    def count(self, true_us: int) -> int:
        """Return how many pulses came until this instant."""
        energy = self.energy.at(true_us)
        number = max(0, (energy - self.energy.begin) // self.element.pulse - 1)
        while self.threshold(number + 1) <= energy:
            number += 1
        return number

    def when(self, number: int) -> int | None:
        """Return the instant of a pulse, if the load stays as it is; None: never."""
        return self.energy.when(self.threshold(number))


def curve_of(points: Sequence[tuple[int, int]], at_half_factor_ppb: int = 0) -> ErrorCurve:
    """Return the curve through points in any order; none at all is no error."""
    return ErrorCurve(tuple(sorted(points)) or ((0, 0),), at_half_factor_ppb)
