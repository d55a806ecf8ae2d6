"""The steps of an explanation: their arithmetic against fractions computed here, and what each of them cites."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.c1219 import Context, ProfileData, Quirks, decode, encode
from drivers.c1219 import decade0 as d0
from drivers.c1219 import decade1 as d1
from drivers.c1219.clock import clock_of
from drivers.c1219.described import DescribedField, DescribedTable, RegisterMeaning, registers_from_described
from drivers.c1219.events import events_of
from drivers.c1219.exact import to_decimal
from drivers.c1219.explain import Chain, Derivation, TableOctets, Unexplained, decimal_text
from drivers.c1219.explain_described import explain_described
from drivers.c1219.explain_interval import explain_interval, explain_interval_end
from drivers.c1219.explain_register import explain_occurrence, explain_register
from drivers.c1219.explain_scaling import explain_source
from drivers.c1219.explain_times import explain_clock, explain_time
from drivers.c1219.explain_words import explain_block_register, explain_event, explain_identity, explain_status
from drivers.c1219.identity import identity_of
from drivers.c1219.profile import interval_blocks
from drivers.c1219.registers import registers_of
from drivers.c1219.times import MeterTimes
from drivers.data import IntervalBlock, Register
from drivers.decimal_text import plain
from tests.c1219.meter_maker import MeterMaker, block, utc, wall

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "c12.json").read_text(), parse_float=Decimal)
METERS = ["meter_A", "meter_B"]


def context_of(meter: str) -> Context:
    context = Context()
    for name, octets in VECTORS["tables"][meter]["hex"].items():
        context = context.with_table(decode(int(name[2:]), bytes.fromhex(octets), context))
    return context


def octets_of(octets: bytes) -> TableOctets:
    return lambda _table, offset, length: octets[offset : offset + length] if offset + length <= len(octets) else None


def whats(derivation: Derivation) -> list[str]:
    return [step.what for step in derivation.steps]


def cited(derivation: Derivation) -> set[str]:
    return {f"ST{one.table:02}+{one.offset}={one.octets.hex()}" for step in derivation.steps for one in step.cited}


@pytest.mark.parametrize("meter", METERS)
def test_every_register_of_the_reference_meters_is_explained(meter: str) -> None:
    context = context_of(meter)
    times = MeterTimes.of(context, ZoneInfo("America/New_York"))
    registers, _problems = registers_of(context, times)
    assert registers
    for register in registers:
        derivation = explain_register(context, register)
        assert register.value is not None
        assert derivation.value == Fraction(register.value)
        assert derivation.unit == register.unit
        assert derivation.of(Fraction(register.raw)) == Fraction(register.value)
        for end, at in ((False, register.occurred_at), (True, register.period_end)):
            if at is not None:
                text = explain_occurrence(context, register, times, end=end).text
                assert datetime.fromisoformat(text) == at
            else:
                with pytest.raises(Unexplained):
                    explain_occurrence(context, register, times, end=end)


@pytest.mark.parametrize("meter", METERS)
def test_every_interval_of_the_reference_meters_is_explained(meter: str) -> None:
    context = context_of(meter)
    times = MeterTimes.of(context, ZoneInfo("America/New_York"))
    octets = octets_of(context.decoded(64).octets)
    blocks, _problems = interval_blocks(context, times, 1, context.decoded(64).octets)
    assert blocks
    for one in blocks:
        for k, value in enumerate(one.values):
            derivation = explain_interval(context, one, k, octets)
            assert derivation.value == (None if value is None else Fraction(value))
            at = one.first_interval_end + k * timedelta(seconds=one.interval_s)
            assert datetime.fromisoformat(explain_interval_end(context, one, k, times, octets).text) == at
        if one.stop_register is not None:
            assert explain_block_register(context, one, octets).value == Fraction(one.stop_register)


def test_the_worked_conversion_step_by_step() -> None:
    """512.25 × 1200/… + 4800 = 619 500 kvarh: the example of the vectors, with the octets of every factor."""
    chain = Chain(context_of("meter_A"))
    chain.start(Fraction("512.25"), "raw number", "given")
    explain_source(chain, 3, Decimal(1))
    derivation = chain.done()
    assert derivation.value == 619500
    numbers = [(step.what, step.sign, step.number) for step in derivation.steps if step.number is not None]
    factor, added = Fraction(1), Fraction(0)
    for _what, sign, number in numbers[1:]:
        assert number is not None
        factor, added = (factor * number, added * number) if sign == "×" else (factor, added + number)
    assert factor == 1200
    assert added == 4800
    assert all(step.cited for step in derivation.steps if step.sign in {"×", "÷", "+"})
    decoded = context_of("meter_A").decoded(15)
    for step in derivation.steps:
        for one in step.cited:
            if one.table == 15:
                assert decoded.octets[one.offset : one.offset + len(one.octets)] == one.octets


POWER_IDS = (0, 1, 2, 3, 4, 5, 6, 7)
IDS = (*POWER_IDS, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 33, 34)
POWERS = {0: 0, 1: 2, 2: 3, 3: 6, 4: 9, 5: -2, 6: -3, 7: -6}


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_scaling_is_what_the_standard_says(seed: int) -> None:
    """Random sources, constants and units: value = ((raw × M + O) × ratios) × 10^n, less the prefix of the unit."""
    chance = Random(seed)  # noqa: S311 - hypothesis draws the seed
    flags = [
        d1.SourceFlags(
            uom_entry=chance.random() < 0.8,
            constants=chance.random() < 0.6,
            constant_to_be_applied=chance.random() < 0.6,
        )
        for _ in range(4)
    ] + [d1.SourceFlags()]
    units = [
        d1.UnitOfMeasure(
            id_code=chance.choice(IDS), time_base=chance.choice((0, 1, 4, 5)), multiplier=chance.randrange(8)
        )
        for one in flags
        if one.uom_entry
    ]

    def ratios() -> d1.ConstantSet:
        applied = chance.random() < 0.5
        return d1.ConstantSet(set_applied=applied, ratio_f1=chance.randint(1, 400), ratio_p1=chance.randint(1, 60))

    constants = [
        d1.Constant(
            multiplier=chance.randint(1, 99),
            offset=chance.randint(-50, 50),
            set1=d1.ConstantSet(
                set_applied=chance.random() < 0.5, ratio_f1=chance.randint(1, 400), ratio_p1=chance.randint(1, 60)
            ),
        )
        for one in flags
        if one.constants
    ]
    general = d0.GeneralConfiguration(ni_format1=10, ni_format2=8, data_order=chance.randrange(2))
    limits = d1.SourcesLimits(
        set1_present=True, nbr_uom_entries=len(units), nbr_constants_entries=len(constants), nbr_sources=len(flags)
    )
    scale = Decimal(chance.choice(("1", "0.001", "12")))
    context = Context(Quirks(register_scale=scale)).with_tables(general, limits)
    for table in (
        d1.UnitsOfMeasure(entries=tuple(units)),
        d1.Constants(entries=tuple(constants)),
        d1.Sources(sources=tuple(flags)),
    ):
        context = context.with_table(decode(table.number, encode(table, context), context))
    source, raw = chance.randrange(4), Fraction(chance.randint(-(10**9), 10**9))
    chain = Chain(context)
    chain.start(raw, "raw", "given")
    measure = explain_source(chain, source, scale)
    wanted = raw
    unit = next(iter(units[sum(one.uom_entry for one in flags[:source]) :]), None) if flags[source].uom_entry else None
    if flags[source].constants:
        constant = constants[sum(one.constants for one in flags[:source])]
        assert constant.set1 is not None
        if flags[source].constant_to_be_applied:
            wanted = wanted * Fraction(constant.multiplier or 0) + Fraction(constant.offset or 0)
        if not constant.set1.set_applied and unit is not None:
            current = {**dict.fromkeys(POWER_IDS, 1), 12: 1, 13: 1, 14: 2, 15: 1}.get(unit.id_code, 0)
            voltage = {**dict.fromkeys(POWER_IDS, 1), 8: 1, 9: 1, 10: 2, 11: 1}.get(unit.id_code, 0)
            wanted *= (
                Fraction(constant.set1.ratio_f1 or 0) ** current * Fraction(constant.set1.ratio_p1 or 0) ** voltage
            )
    if unit is not None:
        assert measure is not None
        prefix = {"k": 3, "M": 6, "G": 9}.get(measure.unit[0], 0) if measure.known and measure.prefix_power else 0
        wanted *= Fraction(10) ** (POWERS[unit.multiplier] - prefix)
    else:
        assert measure is None
    assert chain.value == wanted * Fraction(scale)


@settings(max_examples=100, deadline=None)
@given(
    scalar=st.integers(0, 65_535),
    divisor=st.integers(0, 65_535),
    scaling=st.sampled_from(["undo", "multiply", "none"]),
    count=st.integers(0, 65_535),
)
def test_st62_is_undone(scalar: int, divisor: int, scaling: str, count: int) -> None:
    maker = MeterMaker(
        [block("2026-06-01T01:00", count, 1, 2, 3)],
        scaled=(scalar, divisor),
        quirks=Quirks(scaling=scaling),  # type: ignore[arg-type]
    )
    context = maker.context
    octets = encode(ProfileData(blocks=maker.blocks), context)
    context = _as_read(context, octets)
    (one,), _problems = interval_blocks(context, MeterTimes.of(context), 1, octets)
    derivation = explain_interval(context, one, 0, octets_of(octets))
    factor = {
        "undo": Fraction(divisor or 1, scalar or 1),
        "multiply": Fraction(scalar or 1, divisor or 1),
        "none": Fraction(1),
    }
    assert derivation.value == count * factor[scaling]
    assert one.values[0] == to_decimal(count * factor[scaling])


def _as_read(context: Context, data: bytes) -> Context:
    """Return the context as if every table had been read: with its octets."""
    read = Context(context.quirks)
    for number in sorted(context.tables):
        table = context.decoded(number).table
        read = read.with_table(decode(number, encode(table, context), read))
    return read.with_table(decode(64, data, read))


def explained(maker: MeterMaker, k: int = 0) -> tuple[Derivation, IntervalBlock]:
    octets = encode(ProfileData(blocks=maker.blocks, closure=maker.blocks[0].closures is not None), maker.context)
    context = _as_read(maker.context, octets)
    blocks, _problems = interval_blocks(context, MeterTimes.of(context), 1, octets)
    return explain_interval(context, blocks[0], k, octets_of(octets)), blocks[0]


def test_the_status_of_an_interval_is_told() -> None:
    parts = {"common": bytes([2, 0, 0, 0]), "nibbles": (bytes([2, 4, 0, 0]),), "simple": (True, False, True, True)}
    limits = {"extended_int_status": True, "simple_int_status": True}
    maker = MeterMaker([block("2026-06-01T01:00", 7, 0, 9, 9, **parts)], **limits)
    derivation, _one = explained(maker)
    assert ("status", "common nibble 2h: power failed or came back") in [(s.what, s.why) for s in derivation.steps]
    assert ("status", "nibble 2h of channel 1: partial interval") in [(s.what, s.why) for s in derivation.steps]
    assert ("simple status", "bit 0 is 1: valid") in [(s.what, s.why) for s in derivation.steps]
    assert derivation.value == 7
    skipped, _one = explained(maker, 1)
    assert skipped.value is None
    assert ("value", "none: skipped, missing") in [(s.what, s.why) for s in skipped.steps]


def test_the_end_of_an_interval_of_an_unfilled_block_counts_back_from_its_planned_end() -> None:
    maker = MeterMaker([block("2026-06-01T01:00"), block("2026-06-01T02:00")], valid_int=1)
    octets = encode(ProfileData(blocks=maker.blocks), maker.context)
    context = _as_read(maker.context, octets)
    times = MeterTimes.of(context)
    blocks, _problems = interval_blocks(context, times, 1, octets, now=utc("2026-06-01T01:20"))
    derivation = explain_interval_end(context, blocks[1], 0, times, octets_of(octets))
    assert derivation.text == "2026-06-01T01:15:00Z"
    assert any("its last 3 intervals are still to come" in step.why for step in derivation.steps)


def test_octets_that_are_not_in_the_recording_explain_nothing() -> None:
    maker = MeterMaker([block("2026-06-01T01:00")])
    octets = encode(ProfileData(blocks=maker.blocks), maker.context)
    context = _as_read(maker.context, octets)
    (one,), _problems = interval_blocks(context, MeterTimes.of(context), 1, octets)
    with pytest.raises(Unexplained, match="are not in the recording"):
        explain_interval(context, one, 0, octets_of(octets[:6]))
    with pytest.raises(Unexplained, match="does not say where it came from"):
        explain_interval(context, replace(one, slots=None), 0, octets_of(octets))


def test_times_that_do_not_follow_are_refused() -> None:
    context = context_of("meter_A")
    times = MeterTimes.of(context, ZoneInfo("America/New_York"))
    with pytest.raises(Unexplained, match="in a zone of"):
        explain_time(Chain(context), wall("2026-06-01T01:00"), utc("2026-06-01T13:00"), times)


def test_the_clock_the_identity_the_status_and_events_are_explained() -> None:
    context = context_of("meter_A")
    times = MeterTimes.of(context, ZoneInfo("America/New_York"))
    shown = clock_of(context, times)
    assert shown is not None
    assert explain_clock(Chain(context), times, shown.utc).text == f"{shown.utc:%Y-%m-%dT%H:%M:%S}Z"
    context = context_of("meter_B")
    times = MeterTimes.of(context, ZoneInfo("America/New_York"))
    with pytest.raises(Unexplained, match="no clock table"):
        explain_clock(Chain(context), times, shown.utc)
    identity = identity_of(context)
    for name in ("meter_id", "manufacturer", "model", "hardware_version", "firmware_version"):
        assert explain_identity(context, identity, name).text == getattr(identity, name)
    with pytest.raises(Unexplained):
        explain_identity(context, identity, "utility")
    events, _problems = events_of(context, times)
    for index, event in enumerate(events):
        assert explain_event(context, tuple(events), index, times).text == event.name
    assert whats(explain_status(context_of("meter_A"))) == ["ED_MODE", "ED_STD_STATUS1"]


def test_a_register_that_lies_nowhere_is_refused() -> None:
    context = context_of("meter_A")
    registers, _problems = registers_of(context, MeterTimes.of(context, ZoneInfo("America/New_York")))
    first = registers[0]
    assert first.source is not None
    for source in (None, replace(first.source, offset=9999), replace(first.source, table="ST24")):
        with pytest.raises(Exception, match=r"where it came from|no register at|has not been read"):
            explain_register(context, replace(first, source=source))


def test_a_register_names_the_octets_that_it_rests_on() -> None:
    context = context_of("meter_A")
    registers, _problems = registers_of(context, MeterTimes.of(context, ZoneInfo("America/New_York")))
    derivation = explain_register(context, registers[0])
    source = registers[0].source
    assert source is not None
    assert f"ST23+{source.offset}={source.octets.hex()}" in cited(derivation)
    assert {one[:4] for one in cited(derivation)} >= {"ST00", "ST12", "ST16", "ST22", "ST23"}
    for step in derivation.steps:
        for one in step.cited:
            decoded = context.decoded(one.table)
            assert decoded.octets[one.offset : one.offset + len(one.octets)] == one.octets


@given(st.fractions(max_denominator=10**6))
def test_fractions_are_written_exactly(value: Fraction) -> None:
    text = decimal_text(value)
    assert Fraction(text) == value
    if "/" not in text:
        assert plain(Decimal(text)) == text or text.startswith("-0")


def test_an_unscalable_register_says_why() -> None:
    context = context_of("meter_A")
    registers, _problems = registers_of(context, MeterTimes.of(context, ZoneInfo("America/New_York")))
    lost: Register = replace(registers[0], value=None)
    derivation = explain_register(context, lost)
    assert derivation.value is None
    assert derivation.steps[-1].what == "value"


def test_a_register_in_a_manufacturers_table_is_explained_by_the_profile() -> None:
    meaning = RegisterMeaning("kWh", "delivered")
    fields = (
        DescribedField("spare", "U8"),
        DescribedField("energy", "U32", unit="kWh", scale=Decimal("0.1"), register=meaning),
    )
    table, octets = DescribedTable(2048 + 16, "Totals", fields), bytes.fromhex("FF39300000")
    context = Context().with_tables(d0.GeneralConfiguration())
    (register,), _problems = registers_from_described(table, octets, context)
    derivation = explain_described(context, table, octets, register)
    assert derivation.value == Fraction(register.value or 0) == Fraction("1234.5")
    assert derivation.unit == "kWh"
    assert derivation.steps[0].cited[0].octets == bytes.fromhex("39300000")
    for source in (None, replace(register.source, offset=0) if register.source else None):
        with pytest.raises(Unexplained):
            explain_described(context, table, octets, replace(register, source=source))
