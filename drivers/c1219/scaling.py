"""From raw numbers to engineering units: ST16 → ST12 and ST15, in the order of the standard (C12.19 §CONSTANTS).

1. ST15 MULTIPLIER and OFFSET, if ST16 says CONSTANT_TO_BE_APPLIED;
2. the transformers' ratios of each set that is not applied yet (SET_APPLIED 0): both for power and energy, only the
   current one for amps, only the voltage one for volts;
3. the power of ten of ST12, unless it is the k, M or G of the unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from drivers.c1219.context import Context
from drivers.c1219.decade1 import Constant, Constants, ConstantSet, Sources, SourcesLimits, UnitsOfMeasure
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

    def times(self, factor: Decimal) -> Scale:
        """Return this scale followed by a factor: what the profile says is missing in the meter's own constants."""
        return replace(self, linear=self.linear.times(Fraction(factor)))


def entry_index(context: Context, source: int, flag: str, entries: int) -> int | None:
    """Return which entry of ST12–ST15 belongs to a source; None when it has none.

    The entries are counted over the sources whose `flag` is set in ST16. The source number itself is taken when the
    table has an entry for every source although fewer have the flag, and by the quirk `entry_lookup = "by_source"`.
    The quirk `constants_modulo` numbers the entries of ST15 alone.
    """
    sources = context.find(Sources)
    if flag == "constants" and context.quirks.constants_modulo:
        index = source % context.quirks.constants_modulo
        return index if index < entries else None
    if sources is None or context.quirks.entry_lookup == "by_source":
        return source if source < entries else None
    flags = [bool(getattr(item, flag)) for item in sources.sources]
    if source >= len(flags) or not flags[source]:
        return None
    index = source if entries == len(flags) else sum(flags[:source])
    return index if index < entries else None


def scale_of(context: Context, source: int) -> Scale:
    """Return how the numbers of a source (index into ST16) read, from ST12, ST15 and ST16.

    Where a constant has to be applied and is not known, the scale has a `problem` and gives no values.
    """
    measure, linear = _measure(context, source), Linear()
    try:
        found = _constant(context, source)
        if found is not None:
            linear = _apply(context, found, source, measure)
    except _Unusable as error:
        return Scale(measure, linear, f"source {source}: {error}")
    return Scale(measure, linear.times(Fraction(10) ** measure.power))


def constants_text(context: Context) -> dict[str, str]:
    """Return the constants of ST15 as text, as `source 3 RATIO_F1` → `40`, to be compared from visit to visit."""
    sources, constants = context.find(Sources), context.find(Constants)
    found: dict[str, str] = {}
    for source in range(len(sources.sources) if sources is not None else 0):
        index = entry_index(context, source, "constants", len(constants.entries)) if constants is not None else None
        for name, number in _named(constants.entries[index]) if constants is not None and index is not None else ():
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
    """What is needed to scale a source is missing."""


class _Found(NamedTuple):
    """An entry of ST15, and where it is."""

    entry: int
    constant: Constant


def _measure(context: Context, source: int) -> Measure:
    units = context.find(UnitsOfMeasure)
    index = entry_index(context, source, "uom_entry", len(units.entries)) if units is not None else None
    return UNKNOWN if units is None or index is None else measure_of(units.entries[index], context)


def _constant(context: Context, source: int) -> _Found | None:
    """Return the ST15 entry of a source; None when nothing is to be applied."""
    sources, constants = context.find(Sources), context.find(Constants)
    if 0 in context and context.st00.model_select:
        raise _Unusable(f"MODEL_SELECT {context.st00.model_select} of ST00: its selectors are not indices into ST16")
    if sources is None:
        if constants is not None or _has_constants(context):
            raise _Unusable("ST16 was not read: whether the constants of ST15 apply is not known")
        return None
    if source >= len(sources.sources):
        raise _Unusable(f"ST16 describes {len(sources.sources)} sources only")
    entries = constants.entries if constants is not None else ()
    index = entry_index(context, source, "constants", len(entries))
    if index is not None:
        return _Found(index, entries[index])
    flags, limits = sources.sources[source], context.find(SourcesLimits)
    ratios = limits is not None and (limits.set1_present or limits.set2_present)
    if flags.constants and (flags.constant_to_be_applied or ratios):
        raise _Unusable("its constants are to be applied, and ST15 has none for it or was not read")
    return None


def _has_constants(context: Context) -> bool:
    """Whether the meter says that it has an ST15, read or not."""
    limits = context.find(SourcesLimits)
    listed = 0 in context and Constants.number in context.st00.std_tbls_used
    return listed or (limits is not None and limits.nbr_constants_entries > 0)


def _apply(context: Context, found: _Found, source: int, measure: Measure) -> Linear:
    """Return the conversion by one entry of ST15."""
    linear, constant = Linear(), found.constant
    sources = context.find(Sources)
    if sources is not None and sources.sources[source].constant_to_be_applied:
        linear = Linear(_nonzero(constant.multiplier, "MULTIPLIER"), _offset(context, found))
    for ratios in (constant.set1, constant.set2):
        if ratios is not None and not ratios.set_applied:
            linear = linear.times(_ratio(ratios, measure))
    return linear


def _offset(context: Context, found: _Found) -> Fraction:
    """Return OFFSET, zero for entries without that field (as opposed to one that holds no number)."""
    absent = f"entries[{found.entry}].offset" not in context.decoded(Constants.number).spans
    return Fraction(0) if found.constant.offset is None and absent else _number(found.constant.offset, "OFFSET")


def _ratio(ratios: ConstantSet, measure: Measure) -> Fraction:
    factor = Fraction(1)
    if measure.amps:
        factor *= _nonzero(ratios.ratio_f1, "RATIO_F1") ** measure.amps
    if measure.volts:
        factor *= _nonzero(ratios.ratio_p1, "RATIO_P1") ** measure.volts
    return factor


def _nonzero(number: Number | None, name: str) -> Fraction:
    if number == 0:
        raise _Unusable(f"{name} of ST15 is to be applied and is zero")
    return _number(number, name)


def _number(number: Number | None, name: str) -> Fraction:
    if number is None:
        raise _Unusable(f"{name} of ST15 is to be applied and is no number")
    return Fraction(number)
