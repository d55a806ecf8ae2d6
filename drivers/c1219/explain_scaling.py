"""The steps from a raw number to engineering units: ST16 leads to ST12 and ST15, whose fields are cited."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Final

from drivers.c1219.context import Context
from drivers.c1219.decade1 import Constant, Constants, ConstantSet, SourceFlags, Sources, UnitOfMeasure, UnitsOfMeasure
from drivers.c1219.explain import Chain, Cited, Unexplained
from drivers.c1219.number import Number
from drivers.c1219.units import Measure, measure_of

_POWERS: Final = {0: 0, 1: 2, 2: 3, 3: 6, 4: 9, 5: -2, 6: -3, 7: -6}  # MULTIPLIER of ST12 → power of ten
_PREFIXES: Final = {"k": 3, "M": 6, "G": 9}
_BASES: Final = (
    "bulk quantity, a dial reading",
    "instantaneous",
    "period based",
    "sub-block average demand",
    "block average demand",
    "net bulk quantity, over one interval",
    "thermal demand",
    "event count",
)


def explain_source(chain: Chain, source: int, scale: Decimal) -> Measure | None:
    """Add the steps that turn the running raw number of a source into its value; return what it measures.

    `scale`: the profile's own factor at the end. None: ST12 has no entry for the source. Raises `Unexplained`.
    """
    context = chain.context
    if context.st00.model_select:
        raise Unexplained(f"MODEL_SELECT {context.st00.model_select} of ST00: selectors are not indices into ST16")
    flags = _flags(chain, source)
    index = _entry(chain, source, "uom_entry", UnitsOfMeasure.number)
    entry = context.need(UnitsOfMeasure).entries[index] if index is not None else None
    measure = measure_of(entry, context) if entry is not None else None
    constant = _entry(chain, source, "constants", Constants.number)
    if constant is not None:
        _constants(chain, constant, flags, measure)
    else:
        chain.note("ST15", f"no constants for source {source}: the number stands as it is")
    if entry is not None and index is not None and measure is not None:
        _unit(chain, index, entry, measure)
    if scale != 1:
        chain.apply("×", Fraction(scale), "profile", "the factor that the profile says is missing in the meter's own")
    return measure


def _flags(chain: Chain, source: int) -> SourceFlags | None:
    table = chain.context.find(Sources)
    if table is None:
        chain.note("ST16", "was not read: the source number itself leads into ST12")
        return None
    if source >= len(table.sources):
        raise Unexplained(f"ST16 describes {len(table.sources)} sources, not source {source}")
    flags = table.sources[source]
    words = [
        name.upper()
        for name in ("uom_entry", "demand_ctrl", "data_ctrl", "constants", "pulse_engr", "constant_to_be_applied")
        if getattr(flags, name)
    ]
    chain.note(f"source {source}", f"its flags: {', '.join(words) or 'none'}", _source(chain, source))
    return flags


def _source(chain: Chain, source: int) -> Cited:
    return chain.cite(Sources.number, f"sources[{source}].uom_entry")


def _entry(chain: Chain, source: int, flag: str, table: int) -> int | None:
    """Return which entry of ST12 or ST15 is the source's, and say why."""
    context, name = chain.context, f"ST{table}"
    if table not in context:
        return None
    entries = len(context.decoded(table).table.entries)  # type: ignore[attr-defined]
    sources = context.find(Sources)
    modulo = context.quirks.constants_modulo if flag == "constants" else 0
    if modulo:
        index, why = source % modulo, f"the profile says: source number {source} modulo {modulo}"
    elif sources is None or context.quirks.entry_lookup == "by_source":
        index, why = source, "by the source number itself"
    elif not getattr(sources.sources[source], flag):
        return None
    else:
        before = [number for number, item in enumerate(sources.sources) if getattr(item, flag)]
        if len(sources.sources) == entries:
            index, why = source, f"{name} has an entry for each of the {entries} sources"
        else:
            index = before.index(source)
            why = f"{index} sources before source {source} have the flag {flag.upper()} in ST16"
    if index >= entries:
        return None
    chain.note(f"{name} entry {index}", why)
    return index


def _constants(chain: Chain, index: int, flags: SourceFlags | None, measure: Measure | None) -> None:
    """Add the steps of one entry of ST15."""
    constant: Constant = chain.context.need(Constants).entries[index]
    path = f"entries[{index}]"
    if flags is not None and flags.constant_to_be_applied:
        factor = _number(constant.multiplier, "MULTIPLIER")
        chain.apply("×", factor, "MULTIPLIER", "ST16 says that it is to be applied", _cite(chain, path, "multiplier"))
        if f"{path}.offset" in chain.context.decoded(Constants.number).spans:
            offset = _number(constant.offset, "OFFSET")
            chain.apply("+", offset, "OFFSET", "goes with MULTIPLIER", _cite(chain, path, "offset"))
    else:
        why = "ST16 says that the meter applied it already (CONSTANT_TO_BE_APPLIED 0)"
        chain.note("MULTIPLIER", why, _cite(chain, path, "multiplier"))
    for name, ratios in (("set1", constant.set1), ("set2", constant.set2)):
        if ratios is not None:
            _ratios(chain, f"{path}.{name}", ratios, measure)


def _ratios(chain: Chain, path: str, ratios: ConstantSet, measure: Measure | None) -> None:
    """Add the steps of the transformers' ratios of one set."""
    applied = _cite(chain, path, "set_applied")
    name = path.rpartition(".")[2].upper()
    if ratios.set_applied:
        chain.note(name, "SET_APPLIED 1: the value is primary already", applied)
        return
    chain.note(name, "SET_APPLIED 0: the ratios are still to be applied", applied)
    current, voltage = (measure.amps, measure.volts) if measure is not None else (0, 0)
    for ratio, times, kind, field in (
        (ratios.ratio_f1, current, "current", "ratio_f1"),
        (ratios.ratio_p1, voltage, "voltage", "ratio_p1"),
    ):
        cited = _cite(chain, path, field)
        if not times:
            chain.note(field.upper(), f"the {kind} transformers' ratio does not concern this quantity", cited)
        for _ in range(times):
            why = f"{kind} transformers' ratio"
            chain.apply("×", _number(ratio, field.upper()), field.upper(), why, cited)


def _unit(chain: Chain, index: int, entry: UnitOfMeasure, measure: Measure) -> None:
    """Add what ST12 says: power of ten, unit, direction."""
    cited = chain.cite(UnitsOfMeasure.number, f"entries[{index}].id_code")
    power = _POWERS[entry.multiplier]
    word = measure.word
    prefix = measure.unit.removesuffix(word) if word and measure.unit.endswith(word) else ""
    if prefix in _PREFIXES and _PREFIXES[prefix] == power:
        chain.note(
            "MULTIPLIER of ST12", f"code {entry.multiplier}: 10^{power}, which is the {prefix} of the unit", cited
        )
    elif power and not measure.known and entry.nfs:
        chain.note("MULTIPLIER of ST12", "the entry does not follow the standard (NFS 1): not applied", cited)
    elif power and measure.power:
        chain.apply("×", Fraction(10) ** power, "MULTIPLIER of ST12", f"code {entry.multiplier}: 10^{power}", cited)
    why = f"ID_CODE {entry.id_code}, TIME_BASE {entry.time_base} ({_BASES[entry.time_base]})"
    chain.note(f"unit {measure.unit}", why, cited)
    quadrants = [f"Q{number}" for number, used in enumerate((entry.q1, entry.q2, entry.q3, entry.q4), 1) if used]
    flow = "NET_FLOW 1: delivered minus received" if entry.net_flow else "NET_FLOW 0"
    why = f"quadrants {'+'.join(quadrants) or 'none'}, {flow}"
    why += f", SEGMENTATION {entry.segmentation} (phase {measure.phase})" if measure.phase else ""
    chain.note(f"{measure.quantity} {measure.direction}", why, cited)


def _cite(chain: Chain, path: str, field: str) -> Cited:
    return chain.cite(Constants.number, f"{path}.{field}")


def _number(number: Number | None, name: str) -> Fraction:
    if number is None or (not number and name != "OFFSET"):
        raise Unexplained(f"{name} of ST15 is to be applied and is {'zero' if number == 0 else 'no number'}")
    return Fraction(number)


def number_format(context: Context, which: int) -> str:
    """Say how NON-INTEGER type 1 or 2 of the meter is written."""
    st00 = context.st00
    code = st00.ni_format1 if which == 1 else st00.ni_format2
    order = "most significant octet first" if st00.data_order else "least significant octet first"
    return f"NI_FORMAT{which} {code} ({_FORMATS[code]}), DATA_ORDER {st00.data_order} ({order})"


_FORMATS: Final = (
    "FLOAT64",
    "FLOAT32",
    "FLOAT_CHAR12",
    "FLOAT_CHAR6",
    "INT32 with four digits after the point",
    "FIXED_BCD6",
    "FIXED_BCD4",
    "INT24",
    "INT32",
    "INT40",
    "INT48",
    "INT64",
    "FIXED_BCD8",
    "FLOAT_CHAR21",
)
