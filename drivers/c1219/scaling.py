"""From raw numbers to engineering units: ST16 → ST12 and ST15, in the order of the standard (C12.19 §CONSTANTS).

1. ST15 MULTIPLIER and OFFSET, if ST16 says CONSTANT_TO_BE_APPLIED;
2. the transformers' ratios of each set that is not applied yet (SET_APPLIED 0): both for power and energy, only the
   current one for amps, only the voltage one for volts;
3. the power of ten of ST12, unless it is the k, M or G of the unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from drivers.c1219.context import Context
from drivers.c1219.decade1 import Constant, Constants, ConstantSet, Sources, UnitsOfMeasure
from drivers.c1219.exact import Linear, to_decimal
from drivers.c1219.number import Number
from drivers.c1219.units import UNKNOWN, Measure, measure_of

UNUSED = 255  # a source selector that selects nothing


@dataclass(frozen=True, slots=True)
class Scale:
    """How the numbers of one source read. `problem` says why no value can be given, although there is a raw number."""

    measure: Measure
    linear: Linear
    problem: str = ""

    @property
    def multiplier(self) -> Decimal:
        """All that is applied between raw and value, the power of ten included."""
        return to_decimal(self.linear.multiplier)

    @property
    def offset(self) -> Decimal | None:
        """What is then added: `value = raw × multiplier + offset`; None for nothing."""
        return to_decimal(self.linear.offset) if self.linear.offset else None

    def value(self, raw: Number) -> Decimal | None:
        """Return the value of a raw number; None when the constants do not allow it."""
        return None if self.problem else self.linear.apply(raw)


def entry_index(context: Context, source: int, flag: str, entries: int) -> int | None:
    """Return which entry of ST12–ST15 belongs to a source; None when it has none.

    The entries are counted over the sources whose `flag` is set in ST16. The source number itself is taken when the
    table has an entry for every source although fewer have the flag, and by the quirk `entry_lookup = "by_source"`.
    """
    sources = context.find(Sources)
    if sources is None or context.quirks.entry_lookup == "by_source":
        return source if source < entries else None
    flags = [bool(getattr(item, flag)) for item in sources.sources]
    if source >= len(flags) or not flags[source]:
        return None
    index = source if entries == len(flags) else sum(flags[:source])
    return index if index < entries else None


def scale_of(context: Context, source: int) -> Scale:
    """Return how the numbers of a source (index into ST16) read, from ST12, ST15 and ST16."""
    measure = _measure(context, source)
    linear, problem = Linear(), ""
    constant = _constant(context, source)
    if constant is not None:
        try:
            linear = _apply(constant, measure, to_be_applied=_to_be_applied(context, source))
        except _Unusable as error:
            problem = f"source {source}: {error}"
    return Scale(measure, linear.times(Fraction(10) ** measure.power), problem)


def constants_text(context: Context) -> dict[str, str]:
    """Return the constants of ST15 as text, as `source 3 RATIO_F1` → `40`, to be compared from visit to visit."""
    sources = context.find(Sources)
    found: dict[str, str] = {}
    for source in range(len(sources.sources) if sources is not None else 0):
        constant = _constant(context, source)
        for name, number in _named(constant) if constant is not None else ():
            found[f"source {source} {name}"] = "" if number is None else f"{Decimal(number):f}"
    return found


def _named(constant: Constant) -> Iterator[tuple[str, Number | None]]:
    yield "MULTIPLIER", constant.multiplier
    if constant.offset is not None:
        yield "OFFSET", constant.offset
    for index, ratios in enumerate((constant.set1, constant.set2), 1):
        if ratios is not None:
            yield f"SET{index}_APPLIED", int(ratios.set_applied)
            yield f"SET{index}_RATIO_F1", ratios.ratio_f1
            yield f"SET{index}_RATIO_P1", ratios.ratio_p1


class _Unusable(ValueError):
    """A constant that has to be applied and is missing or zero."""


def _measure(context: Context, source: int) -> Measure:
    units = context.find(UnitsOfMeasure)
    index = entry_index(context, source, "uom_entry", len(units.entries)) if units is not None else None
    return UNKNOWN if units is None or index is None else measure_of(units.entries[index], context)


def _constant(context: Context, source: int) -> Constant | None:
    constants = context.find(Constants)
    index = entry_index(context, source, "constants", len(constants.entries)) if constants is not None else None
    return None if constants is None or index is None else constants.entries[index]


def _to_be_applied(context: Context, source: int) -> bool:
    sources = context.find(Sources)
    return sources is not None and source < len(sources.sources) and sources.sources[source].constant_to_be_applied


def _apply(constant: Constant, measure: Measure, *, to_be_applied: bool) -> Linear:
    linear = Linear()
    if to_be_applied:
        linear = Linear(_usable(constant.multiplier, "MULTIPLIER"), Fraction(constant.offset or 0))
    for ratios in (constant.set1, constant.set2):
        if ratios is not None and not ratios.set_applied:
            linear = linear.times(_ratio(ratios, measure))
    return linear


def _ratio(ratios: ConstantSet, measure: Measure) -> Fraction:
    factor = Fraction(1)
    if measure.amps:
        factor *= _usable(ratios.ratio_f1, "RATIO_F1") ** measure.amps
    if measure.volts:
        factor *= _usable(ratios.ratio_p1, "RATIO_P1") ** measure.volts
    return factor


def _usable(number: Number | None, name: str) -> Fraction:
    if not number:
        raise _Unusable(f"{name} of ST15 is to be applied and is {'missing' if number is None else 'zero'}")
    return Fraction(number)
