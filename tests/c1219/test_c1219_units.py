"""ST12 in words, ST15 and ST16 in exact numbers."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.c1219 import Context, Quirks
from drivers.c1219 import decade0 as d0
from drivers.c1219 import decade1 as d1
from drivers.c1219.exact import Linear, to_decimal
from drivers.c1219.scaling import Scale, constants_text, entry_index, scale_of
from drivers.c1219.units import Measure, measure_of

ALL = {"q1": True, "q2": True, "q3": True, "q4": True}


def measure(id_code: int, *, edition: int = 1, quirks: Quirks | None = None, **fields: Any) -> Measure:
    """Return the meaning of an ST12 entry."""
    context = Context(quirks or Quirks()).with_table(d0.GeneralConfiguration(std_version_no=edition))
    return measure_of(d1.UnitOfMeasure(id_code=id_code, **fields), context)


@pytest.mark.parametrize(
    ("id_code", "time_base", "multiplier", "unit", "power"),
    [
        (0, 0, 2, "kWh", 0),
        (0, 5, 0, "Wh", 0),
        (0, 4, 2, "kW", 0),
        (0, 1, 3, "MW", 0),
        (0, 0, 4, "GWh", 0),
        (0, 0, 1, "Wh", 2),
        (0, 0, 6, "Wh", -3),
        (1, 0, 2, "kvarh", 0),
        (1, 3, 2, "kvar", 0),
        (2, 0, 2, "kVAh", 0),
        (3, 6, 2, "kVA", 0),
        (8, 1, 0, "V", 0),
        (8, 0, 0, "Vh", 0),
        (10, 0, 0, "V2h", 0),
        (10, 2, 2, "V2", 3),
        (12, 2, 0, "A", 0),
        (12, 5, 2, "kAh", 0),
        (14, 0, 0, "A2h", 0),
        (16, 1, 0, "%", 0),
        (20, 1, 0, "deg", 0),
        (24, 1, 0, "PF", 0),
        (25, 0, 7, "PF", -6),
        (26, 4, 0, "PF", 0),
        (33, 1, 5, "Hz", -2),
        (34, 7, 0, "count", 0),
        (53, 7, 0, "min", 0),
    ],
)
def test_unit(id_code: int, time_base: int, multiplier: int, unit: str, power: int) -> None:
    found = measure(id_code, time_base=time_base, multiplier=multiplier)
    assert (found.unit, found.power, found.known) == (unit, power, True)


@pytest.mark.parametrize(
    ("id_code", "fields", "quantity"),
    [
        (0, {"multiplier": 2}, "kWh"),
        (0, {"multiplier": 2, "harmonic": True}, "harmonic kWh"),
        (7, {"multiplier": 2, "time_base": 1}, "distortion kVA"),
        (9, {"time_base": 1}, "average V"),
        (16, {"time_base": 1}, "THD V"),
        (21, {"time_base": 1}, "angle Vx-Vy"),
        (26, {"time_base": 1}, "average PF"),
        (50, {"time_base": 7}, "power outages"),
    ],
)
def test_quantities_that_share_a_unit_are_told_apart(id_code: int, fields: dict[str, Any], quantity: str) -> None:
    assert measure(id_code, **fields).quantity == quantity


@pytest.mark.parametrize(
    ("id_code", "quadrants", "net", "direction", "label"),
    [
        (0, "14", False, "delivered", ""),
        (0, "23", False, "received", ""),
        (0, "14", True, "delivered", ""),
        (0, "1234", True, "net", ""),
        (0, "1234", False, "total", ""),
        (0, "", False, "total", ""),
        (0, "1", False, "delivered", "Q1 "),
        (0, "3", False, "received", "Q3 "),
        (0, "12", True, "net", "Q1+Q2 "),
        (1, "12", False, "delivered", ""),
        (1, "34", False, "received", ""),
        (1, "14", False, "total", "Q1+Q4 "),
        (1, "1", False, "delivered", "Q1 "),
        (1, "4", False, "received", "Q4 "),
        (2, "14", False, "delivered", ""),
        (2, "23", False, "received", ""),
    ],
)
def test_direction(id_code: int, quadrants: str, *, net: bool, direction: str, label: str) -> None:
    fields: dict[str, Any] = {f"q{quadrant}": True for quadrant in quadrants}
    found = measure(id_code, multiplier=2, net_flow=net, **fields)
    assert (found.direction, found.quantity) == (direction, f"{label}{found.unit}")


@pytest.mark.parametrize(("code", "phase"), list(enumerate(["", "A-B", "B-C", "C-A", "N", "A", "B", "C"])))
def test_phase(code: int, phase: str) -> None:
    assert measure(8, time_base=1, segmentation=code).phase == phase


@pytest.mark.parametrize(
    ("id_code", "context", "fields"),
    [
        (27, {}, {}),
        (64, {}, {}),
        (190, {}, {}),
        (0, {}, {"nfs": True}),
        (0, {"edition": 2}, {"id_resource": 1}),
        (0, {"quirks": Quirks(uom="ignore")}, {}),
    ],
)
def test_a_unit_is_never_guessed(id_code: int, context: dict[str, Any], fields: dict[str, Any]) -> None:
    found = measure(id_code, **context, **fields)
    assert (found.unit, found.quantity, found.known) == (f"id_code={id_code}",) * 2 + (False,)


def test_reserved_bits_of_the_first_edition_change_nothing() -> None:
    assert measure(0, edition=1, id_resource=1).unit == "Wh"


# --- ST16 → ST12, ST15 -----------------------------------------------------------------------------------------------


def flags(*octets: int) -> d1.Sources:
    """Return ST16."""
    names = ("uom_entry", "demand_ctrl", "data_ctrl", "constants", "pulse_engr", "constant_to_be_applied")
    return d1.Sources(
        sources=tuple(
            d1.SourceFlags(**{name: bool(octet >> bit & 1) for bit, name in enumerate(names)}) for octet in octets
        )
    )


KWH = d1.UnitOfMeasure(id_code=0, multiplier=2, q1=True, q4=True)


def meter(
    sources: d1.Sources | None, constants: tuple[d1.Constant, ...] | None, *units: d1.UnitOfMeasure, **quirks: Any
) -> Context:
    """Return a meter with some of decade 1."""
    found = [
        d1.UnitsOfMeasure(entries=units),
        *([sources] if sources else []),
        *([d1.Constants(entries=constants)] if constants is not None else []),
    ]
    return Context(Quirks(**quirks)).with_tables(d0.GeneralConfiguration(), *found)


def ratios(f1: Decimal | int | None, p1: Decimal | int | None, *, applied: bool = False) -> d1.ConstantSet:
    """Return a set of transformer ratios."""
    return d1.ConstantSet(set_applied=applied, ratio_f1=f1, ratio_p1=p1)


def test_entries_are_counted_over_the_flagged_sources() -> None:
    context = meter(flags(0x01, 0x00, 0x01, 0x08), None)
    assert [entry_index(context, source, "uom_entry", 2) for source in range(5)] == [0, None, 1, None, None]
    assert entry_index(context, 2, "uom_entry", 1) is None


def test_the_source_number_is_taken_where_every_source_has_an_entry() -> None:
    context = meter(flags(0x01, 0x00, 0x01, 0x08), None)
    assert [entry_index(context, source, "uom_entry", 4) for source in range(4)] == [0, None, 2, None]


def test_the_source_number_is_a_quirk() -> None:
    context = meter(flags(0x01, 0x00, 0x01), None, entry_lookup="by_source")
    assert [entry_index(context, source, "uom_entry", 2) for source in range(3)] == [0, 1, None]


@pytest.mark.parametrize(
    ("octet", "constant", "multiplier", "offset"),
    [
        (0x29, d1.Constant(multiplier=3), 3, None),
        (0x29, d1.Constant(multiplier=Decimal("0.5"), offset=Decimal(2)), Decimal("0.5"), 2),
        (0x09, d1.Constant(multiplier=3, offset=2), 1, None),  # applied already
        (0x21, d1.Constant(multiplier=3, offset=2), 1, None),  # no entry of its own
        (0x29, d1.Constant(multiplier=3, offset=2, set1=ratios(40, 60)), 7200, 4800),
        (0x09, d1.Constant(multiplier=3, set1=ratios(40, 60)), 2400, None),
        (0x09, d1.Constant(set1=ratios(40, 60, applied=True)), 1, None),
        (0x09, d1.Constant(set1=ratios(40, 60, applied=True), set2=ratios(2, 3)), 6, None),
        (0x09, d1.Constant(set1=ratios(40, 60), set2=ratios(2, 3)), 14400, None),
    ],
)
def test_constants(octet: int, constant: d1.Constant, multiplier: Decimal, offset: Decimal | None) -> None:
    scale = scale_of(meter(flags(octet), (constant,), KWH), 0)
    assert (scale.multiplier, scale.offset, scale.problem) == (multiplier, offset, "")
    assert scale.value(10) == 10 * multiplier + (offset or 0)


@pytest.mark.parametrize(
    ("id_code", "factor"), [(0, 2400), (1, 2400), (8, 60), (10, 3600), (12, 40), (14, 1600), (24, 1), (33, 1), (99, 1)]
)
def test_ratios_by_quantity(id_code: int, factor: int) -> None:
    unit = d1.UnitOfMeasure(id_code=id_code, time_base=1)
    scale = scale_of(meter(flags(0x09), (d1.Constant(set1=ratios(40, 60)),), unit), 0)
    assert scale.multiplier == factor


def test_a_power_without_a_prefix_is_part_of_multiplier_and_offset() -> None:
    unit = replace(KWH, multiplier=1)
    scale = scale_of(meter(flags(0x29), (d1.Constant(multiplier=2, offset=5),), unit), 0)
    assert [scale.multiplier, scale.offset, scale.value(1)] == [200, 500, 700]
    assert scale.measure.unit == "Wh"


@pytest.mark.parametrize(
    ("octet", "constant", "says"),
    [
        (0x29, d1.Constant(multiplier=0), "MULTIPLIER of ST15 is to be applied and is zero"),
        (0x29, d1.Constant(multiplier=None), "MULTIPLIER of ST15 is to be applied and is no number"),
        (0x09, d1.Constant(set1=ratios(0, 1)), "RATIO_F1 of ST15 is to be applied and is zero"),
        (0x09, d1.Constant(set1=ratios(1, None)), "RATIO_P1 of ST15 is to be applied and is no number"),
    ],
)
def test_an_unusable_constant_gives_no_value(octet: int, constant: d1.Constant, says: str) -> None:
    scale = scale_of(meter(flags(octet), (constant,), KWH), 0)
    assert says in scale.problem
    assert scale.value(10) is None


@pytest.mark.parametrize(
    ("context", "source", "says"),
    [
        (meter(flags(0x29), None, KWH), 0, "ST15 has none for it or was not read"),
        (meter(None, (d1.Constant(multiplier=2),), KWH), 0, "ST16 was not read"),
        (meter(None, None, KWH).with_table(d1.SourcesLimits(nbr_constants_entries=1)), 0, "ST16 was not read"),
        (
            meter(None, None, KWH).with_table(d0.GeneralConfiguration(std_tbls_used=frozenset({15}))),
            0,
            "ST16 was not read",
        ),
        (meter(flags(0x01), None, KWH), 1, "describes 1 sources only"),
        (
            meter(flags(0x09), None, KWH).with_table(d1.SourcesLimits(set1_present=True)),
            0,
            "ST15 has none for it or was not read",
        ),
        (meter(flags(0x01), None, KWH).with_table(d0.GeneralConfiguration(model_select=1)), 0, "MODEL_SELECT 1"),
    ],
)
def test_what_is_not_known_gives_no_value(context: Context, source: int, says: str) -> None:
    scale = scale_of(context, source)
    assert says in scale.problem
    assert scale.value(1) is None


def test_without_decade_1_the_raw_number_is_the_value_of_an_unknown_unit() -> None:
    scale = scale_of(Context(), 3)
    assert (scale.value(7), scale.measure.unit, scale.problem) == (Decimal(7), "unknown", "")


def test_constants_as_text() -> None:
    constant = d1.Constant(multiplier=Decimal("0.50"), offset=2, set1=ratios(40, None, applied=True))
    assert constants_text(meter(flags(0x01, 0x29), (constant,), KWH)) == {
        "source 1 MULTIPLIER": "0.50",
        "source 1 OFFSET": "2",
        "source 1 SET1_APPLIED": "1",
        "source 1 SET1_RATIO_F1": "40",
        "source 1 SET1_RATIO_P1": "",
    }
    assert constants_text(Context()) == {}


# --- exact arithmetic ------------------------------------------------------------------------------------------------

DECIMALS = st.decimals(-(10**15), 10**15, places=6)


@given(DECIMALS | st.integers(-(2**63), 2**63), DECIMALS, DECIMALS)
def test_conversion_is_exact(raw: Decimal | int, multiplier: Decimal, offset: Decimal) -> None:
    linear = Linear(Fraction(multiplier), Fraction(offset))
    value = linear.apply(raw)
    assert Fraction(value) == Fraction(raw) * Fraction(multiplier) + Fraction(offset)
    assert linear.is_finite
    text = f"{value:f}"
    assert str(value) == text
    assert "." not in text or not text.endswith("0")
    if isinstance(raw, int):
        fast = linear.of_counts()(raw)
        assert (fast, str(fast)) == (value, str(value))


@given(st.fractions())
def test_a_fraction_without_end_is_rounded_to_28_digits(value: Fraction) -> None:
    linear = Linear(value)
    found = to_decimal(value)
    if linear.is_finite:
        assert Fraction(found) == value
    else:
        assert abs(Fraction(found) - value) <= abs(value) * Fraction(1, 10**27)
        assert linear.of_counts()(3) == linear.apply(3)


def test_scale_without_constants_changes_nothing() -> None:
    scale = Scale(measure(0), Linear())
    assert (scale.value(Decimal("1.50")), str(scale.multiplier), scale.offset) == (Decimal("1.5"), "1", None)
