"""Energy in integers: what flowed through one measuring element, at any instant, without rounding.

Power of the world is µV × µA × ppm of power factor = 10⁻¹⁸ W; with an error in parts per 10⁹ and times in microseconds
the unit of energy is 10⁻³³ J. Python's integers carry it.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

PER_JOULE = 10**33
PER_WH = 3600 * PER_JOULE
BILLION = 10**9


@dataclass(slots=True)
class Integral:
    """Energy as a function of true time: straight pieces, the last of which goes on until it is changed."""

    begin_us: int
    begin: int = 0  # energy at the begin, in 10⁻³³ J
    _since: list[int] = field(default_factory=list)
    _energy: list[int] = field(default_factory=list)
    _rate: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._since.append(self.begin_us)
        self._energy.append(self.begin)
        self._rate.append(0)

    @property
    def rate(self) -> int:
        """What flows now, in 10⁻³³ J in a microsecond."""
        return self._rate[-1]

    def change(self, at_us: int, rate: int) -> None:
        """Let `rate` flow from this instant on; it cannot lie before the last change."""
        if at_us < self._since[-1]:
            raise ValueError(f"{at_us} lies before the last change")
        if rate == self._rate[-1]:
            return
        energy = self.at(at_us)
        if at_us == self._since[-1]:
            self._rate[-1] = rate
            return
        self._since.append(at_us)
        self._energy.append(energy)
        self._rate.append(rate)

    def at(self, true_us: int) -> int:
        """Energy until this instant; before the begin, what it began with."""
        piece = bisect_right(self._since, true_us) - 1
        if piece < 0:
            return self.begin
        return self._energy[piece] + self._rate[piece] * (true_us - self._since[piece])

    def when(self, energy: int) -> int | None:
        """First instant at which at least so much has flowed, if it flows on as it does now; None: never."""
        if energy <= self.begin:
            return self.begin_us
        piece = bisect_right(self._energy, energy - 1) - 1  # ascending: nothing flows back
        rate = self._rate[piece]
        if rate == 0:
            return None
        return self._since[piece] - (self._energy[piece] - energy) // rate
