"""From pulses to numbers: what one source's pulse is worth, and what the meter stores for it.

The scenario gives the physical truth (`pulse_value`, primary, in the prefixed unit). The stored number is found by
undoing what a reader has to do (C12.19 ST12, ST15, ST16): value = (raw × MULTIPLIER + OFFSET) × ratios. What a reader
must find is computed from the stored number again, since dials run over and constants get changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, Inexact, localcontext
from functools import cached_property

from metersim.meter.scenario import Source

ID_CODE = {"W": 0, "var": 1, "VA": 2, "V": 8, "A": 12, "PF": 24, "Hz": 33}
TIME_BASE = {"bulk": 0, "instantaneous": 1, "period": 2, "demand": 4, "interval": 5}
MULTIPLIER = {"": 0, "k": 2, "M": 3}
SEGMENTATION = {"": 0, "A-B": 1, "B-C": 2, "C-A": 3, "N": 4, "A": 5, "B": 6, "C": 7}
QUADRANTS: dict[tuple[str, str], tuple[int, ...]] = {
    ("W", "delivered"): (1, 4),
    ("W", "received"): (2, 3),
    ("VA", "delivered"): (1, 4),
    ("VA", "received"): (2, 3),
    ("var", "delivered"): (1, 2),
    ("var", "received"): (3, 4),
}


def exactly(numerator: Decimal, denominator: Decimal, what: str) -> Decimal:
    """Divide without rounding; `ValueError` names `what` where the quotient does not end."""
    with localcontext(prec=40) as context:
        context.traps[Inexact] = True
        try:
            return numerator / denominator
        except Inexact:
            msg = f"{what}: {numerator} / {denominator} is not exact"
            raise ValueError(msg) from None


@dataclass(frozen=True)
class Scaling:
    """One source, with its number in ST16 and how its numbers are made."""

    source: Source
    index: int
    demand_factor: int  # 60 / demand interval: kWh of an interval to kW
    programmed: Decimal | None = None  # MULTIPLIER that somebody wrote over the right one
    dials: int | None = None  # of summations
    step: Decimal | None = None  # of summations
    register_scale: Decimal = Decimal(1)  # quirk: what is not written, and registers have to be multiplied with
    interval_scale: Decimal = Decimal(1)  # the same for intervals

    @property
    def unit(self) -> str:
        """The unit of the values, e.g. `kWh`, `kW`, `V`."""
        source = self.source
        energy = source.quantity in ("W", "var", "VA") and source.time_base in ("bulk", "interval")
        return f"{source.prefix}{source.quantity}{'h' if energy else ''}"

    @cached_property
    def ratios(self) -> Decimal:
        """What a reader multiplies the secondary value with."""
        source = self.source
        if source.ct is None or source.ratios_applied:
            return Decimal(1)
        match source.quantity:
            case "A":
                return source.ct
            case "V":
                return source.vt
            case _:
                return source.ct * source.vt

    @property
    def _to_apply(self) -> bool:
        return self.source.multiplier is not None and not self.source.constants_applied

    @cached_property
    def _right(self) -> Decimal:
        """MULTIPLIER and ratios as the meter was built for."""
        return (self.source.multiplier or Decimal(1)) * self.ratios if self._to_apply else self.ratios

    @cached_property
    def _told(self) -> Decimal:
        """MULTIPLIER and ratios as ST15 has them now."""
        return self.programmed * self.ratios if self._to_apply and self.programmed is not None else self._right

    @cached_property
    def multiplier(self) -> Decimal:
        """What a reader multiplies a raw register with (OFFSET apart) to get the primary value."""
        return self._told * self.register_scale

    @cached_property
    def interval_multiplier(self) -> Decimal:
        """What a reader multiplies a raw interval with, before ST62."""
        return self._told * self.interval_scale

    @property
    def offset(self) -> Decimal:
        """ST15 OFFSET that the reader adds, before the ratios."""
        return Decimal(0) if self.source.constants_applied or self.source.multiplier is None else self.source.offset

    @cached_property
    def per_pulse(self) -> Decimal:
        """Value of one pulse: energy, or power of one pulse in a demand interval."""
        demand = self.source.time_base == "demand"
        return self.source.pulse_value * (self.demand_factor if demand else 1)

    def value(self, pulses: int) -> Decimal:
        """The primary value in `unit`, as it is."""
        return self.source.fixed if self.source.fixed is not None else self.per_pulse * pulses

    def raw(self, value: Decimal) -> Decimal:
        """The number that the meter would store for this value, had it dials without end and no step."""
        scale = self._right * self.register_scale
        return exactly(value - self.offset * self.ratios, scale, f"source {self.source.name}")

    def raw_of(self, pulses: int) -> Decimal:
        """The number that the register shows: a summation is cut off at its step and runs over at its dials."""
        raw = self.raw(self.value(pulses))
        if self.source.time_base != "bulk" or not self.source.load:
            return raw
        if self.step is not None:
            raw = raw // self.step * self.step
        return raw if self.dials is None else raw % 10**self.dials

    def read(self, pulses: int) -> Decimal:
        """What a reader must make of the register, by what the meter says of itself; as `value`, where that is so."""
        right, read = self.value(pulses), self.raw_of(pulses) * self.multiplier + self.offset * self.ratios
        return right if read == right else read

    @cached_property
    def raw_per_pulse(self) -> Decimal:
        """Raw counts of one pulse, without OFFSET: what a register moves on by."""
        return exactly(self.per_pulse, self._right * self.register_scale, f"source {self.source.name}")

    @cached_property
    def interval_raw_per_pulse(self) -> Decimal:
        """Raw counts of one pulse in an interval, before ST62."""
        return exactly(self.per_pulse, self._right * self.interval_scale, f"source {self.source.name}")

    @property
    def quadrants(self) -> tuple[int, ...]:
        """The quadrants of ST12; all four for net and total."""
        if self.source.direction == "none":
            return ()
        return QUADRANTS.get((self.source.quantity, self.source.direction), (1, 2, 3, 4))
