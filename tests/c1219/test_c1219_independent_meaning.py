"""What the tables mean, against the second reader: register values, interval values, ends and words, and UTC."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.c1219 import Context, decode, encode
from drivers.c1219 import decade0 as d0
from drivers.c1219 import decade1 as d1
from drivers.c1219 import decade2 as d2
from drivers.c1219 import decade5 as d5
from drivers.c1219 import decade6 as d6
from drivers.c1219.profile import interval_blocks
from drivers.c1219.registers import registers_of
from drivers.c1219.times import MeterTimes
from drivers.c1219.walltime import EPOCH
from tests.c1219 import independent, independent_meaning, independent_profile
from tests.c1219.independent import General, Record

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "c12.json").read_text())
PREFIXES = {"k": 1000, "M": 10**6, "G": 10**9}
IDS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 20, 24, 25, 33, 34)
INTEGERS = (4, 5, 6, 7, 8, 9, 10, 11, 12)  # exact number formats


def base(value: Decimal, unit: str) -> Fraction:
    """Return a value in the unit without prefix."""
    return Fraction(value) * PREFIXES.get(unit[0], 1)


def draw_sources(chance: Random, *, time_base: int) -> tuple[d1.UnitsOfMeasure, d1.Constants, d1.Sources]:
    """Return sources of which some have a unit and some constants; at least one source lacks each."""
    flags = [
        d1.SourceFlags(
            uom_entry=chance.random() < 0.7,
            constants=chance.random() < 0.6,
            constant_to_be_applied=chance.random() < 0.6,
        )
        for _ in range(5)
    ] + [d1.SourceFlags()]
    units = [
        d1.UnitOfMeasure(id_code=chance.choice(IDS), time_base=time_base, multiplier=chance.randrange(8))
        for one in flags
        if one.uom_entry
    ]

    def ratios() -> d1.ConstantSet:
        applied, ct, vt = chance.random() < 0.5, chance.randint(1, 400), chance.randint(1, 60)
        return d1.ConstantSet(set_applied=applied, ratio_f1=ct, ratio_p1=vt)

    constants = [
        d1.Constant(
            multiplier=chance.randint(1, 50), offset=chance.choice((0, chance.randint(1, 99))), set1=ratios(), set2=None
        )
        for one in flags
        if one.constants
    ]
    return (
        d1.UnitsOfMeasure(entries=tuple(units)),
        d1.Constants(entries=tuple(constants)),
        d1.Sources(sources=tuple(flags)),
    )


def draw_general(chance: Random, **more: Any) -> d0.GeneralConfiguration:
    return d0.GeneralConfiguration(
        data_order=chance.randrange(2),
        int_format=chance.randrange(3),
        tm_format=chance.randint(1, 4),
        ni_format1=chance.choice(INTEGERS),
        ni_format2=chance.choice(INTEGERS),
        **more,
    )


def source_context(chance: Random, general: d0.GeneralConfiguration, *, time_base: int) -> Context:
    units, constants, sources = draw_sources(chance, time_base=time_base)
    limits = d1.SourcesLimits(
        set1_present=True,
        nbr_uom_entries=len(units.entries),
        nbr_constants_entries=len(constants.entries),
        nbr_sources=len(sources.sources),
    )
    return Context().with_tables(general, limits, units, constants, sources)


class Second:
    """The second reader's sources."""

    def __init__(self, context: Context) -> None:
        self.general: General = independent.st00(encode(context.st00, context))[1]
        actual = independent.st11(encode(context.st11, context), self.general)
        tables = {n: encode(context.decoded(n).table, context) for n in (12, 15, 16)}
        self.uoms = independent.st12(tables[12], self.general, actual)
        self.constants = independent.st15(tables[15], self.general, actual)
        self.flags = independent.st16(tables[16], self.general, actual)

    def value(self, raw: Fraction, source: int) -> Fraction | None:
        """Return the value in the base unit; None for a source whose unit is not known."""
        uom = independent_meaning.entry_of(self.flags, 0, source, len(self.uoms))
        entry = independent_meaning.entry_of(self.flags, 3, source, len(self.constants))
        if uom is None:
            return None
        constant = self.constants[entry] if entry is not None else None
        return independent_meaning.engineering(raw, self.uoms[uom], self.flags[source], constant)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_both_scale_registers_alike(seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - hypothesis draws the seed
    context = source_context(chance, draw_general(chance), time_base=chance.choice((0, 1, 3, 4)))
    limits = d2.RegistersLimits(
        nbr_summations=3, nbr_demands=2, nbr_coin_values=1, nbr_tiers=chance.randrange(3), cum_demand=True
    )
    selection = d2.DataSelection(
        summation_select=tuple(chance.choice((*range(6), 255)) for _ in range(3)),
        demand_select=tuple(chance.choice((*range(6), 255)) for _ in range(2)),
        min_or_max_flags=frozenset({0}),
        coincident_select=(chance.randrange(6),),
        coin_demand_assoc=(chance.randrange(2),),
    )
    context = context.with_tables(limits, selection)

    def block() -> d2.DataBlock:
        demands = tuple(
            d2.DemandRecord(cum_demand=chance.randrange(800), demand=(chance.randrange(800),)) for _ in range(2)
        )
        summations = tuple(chance.randrange(800) for _ in range(3))
        coincident = d2.CoincidentRecord(values=(chance.randrange(800),))
        return d2.DataBlock(summations=summations, demands=demands, coincidents=(coincident,))

    data = d2.RegisterData(total=block(), tiers=tuple(block() for _ in range(limits.nbr_tiers)))
    octets = encode(d2.CurrentRegisters(data=data), context)
    registers, _problems = registers_of(context.with_table(decode(23, octets, context)), MeterTimes.of(context))
    second = Second(context)
    actual = independent.st21(encode(limits, context), second.general)
    found = independent.st23(octets, second.general, actual)
    wanted = [
        (tier, raw, source)
        for tier, one in enumerate([found["total"], *found["tiers"]])
        for raw, source in _selected(one, selection)
        if source != 255
    ]
    assert [register.tier for register in registers] == [tier for tier, _raw, _source in wanted]
    for register, (_tier, raw, source) in zip(registers, wanted, strict=True):
        assert Fraction(Decimal(register.raw)) == raw
        value = second.value(raw, source)
        if value is not None:
            assert register.value is not None
            assert base(register.value, register.unit) == value


def _selected(block: Record, selection: d2.DataSelection) -> list[tuple[Fraction, int]]:
    found = list(zip(block["summations"], selection.summation_select, strict=True))
    for demand, source in zip(block["demands"], selection.demand_select, strict=True):
        found += [(demand["cum"], source), *((value, source) for value in demand["values"])]
    coincidents = zip(block["coincidents"], selection.coincident_select, strict=True)
    return found + [(value, source) for values, source in coincidents for value in values]


def draw_profile(chance: Random) -> tuple[Context, int]:
    """Return a meter whose clock is UTC with one profile set, and the minutes of an interval."""
    general = draw_general(chance, std_tbls_used=frozenset({64}))
    context = source_context(chance, general, time_base=chance.choice((0, 5)))
    channels, ints, blocks = chance.randint(1, 5), chance.randint(1, 9), chance.randint(1, 5)
    minutes = chance.choice((1, 5, 15, 30, 60))
    limits = d6.ProfileLimits(
        blk_end_read=chance.random() < 0.3,
        blk_end_pulse=chance.random() < 0.3,
        scalar_divisor_set1=chance.random() < 0.5,
        extended_int_status=chance.random() < 0.6,
        simple_int_status=chance.random() < 0.5,
        sets=(d6.ProfileSet(nbr_blks=blocks, nbr_blk_ints=ints, nbr_chns=channels, max_int_time=minutes), *(None,) * 3),
    )
    scaled = limits.scalar_divisor_set1
    control = d6.ProfileSetControl(
        channels=tuple(d6.ProfileChannel(lp_source_select=chance.randrange(5)) for _ in range(channels)),
        int_fmt_cde=chance.choice((1, 2, 4, 8, 16, 32, 64, 128)),
        scalars=tuple(chance.choice((0, 1, 2, 10)) for _ in range(channels)) if scaled else None,
        divisors=tuple(chance.choice((0, 1, 5, 16)) for _ in range(channels)) if scaled else None,
    )
    valid = chance.randint(1, blocks)
    status = d6.ProfileSetStatus(
        block_order=chance.randrange(2),
        interval_order=chance.randrange(2),
        list_type=1,
        nbr_valid_blocks=valid,
        last_block_element=chance.randrange(blocks),
        last_block_seq_nbr=chance.randint(blocks, 2**32 - 1),
        nbr_valid_int=chance.randint(1, ints),
    )
    empty = (None,) * 3
    context = context.with_tables(
        d5.Clock(clock_calendar=datetime(2026, 6, 2), gmt_flag=True),  # noqa: DTZ001 - a meter's time has no zone
        limits,
        d6.ProfileControl(sets=(control, *empty)),
        d6.ProfileStatus(sets=(status, *empty)),
    )
    return context, minutes


@settings(max_examples=250, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_both_read_intervals_alike(seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - hypothesis draws the seed
    context, minutes = draw_profile(chance)
    second = Second(context)
    actual = independent_profile.st61(encode(context.st61, context), second.general)
    control = independent_profile.st62(encode(context.st62, context), second.general, actual)[0]
    status = independent_profile.st63(encode(context.st63, context), second.general)[0]
    shape = actual["sets"][0]
    size = independent_profile.block_size(second.general, actual, 0, control["format"], closure=False)
    order = independent_profile.stored_order(status, shape["blocks"])
    end = EPOCH + timedelta(days=20_000)
    octets = bytearray(chance.randbytes(size * shape["blocks"]))
    for element in order:
        ints = status["valid_ints"] if element == status["last"] else shape["ints"]
        end += timedelta(minutes=minutes * ints)
        octets[element * size : element * size + _width(context)] = _stime(end, context)
    blocks, _problems = interval_blocks(context, MeterTimes.of(context), 1, bytes(octets))
    stored = independent_profile.st64(bytes(octets), second.general, actual, control, 0)
    most = independent_profile.maximum(second.general, control["format"])
    found = {(one.channel, one.first_interval_end): one for one in blocks}
    for element in order:
        newest = element == status["last"]
        valid = status["valid_ints"] if newest else shape["ints"]
        descending = bool(status["flags"] & 16)
        assert stored[element]["end"] is not None
        ends = independent_profile.interval_ends(stored[element]["end"], valid, minutes, descending=descending)
        slots = sorted(range(valid), key=ends.__getitem__)
        for channel in range(shape["channels"]):
            one = found.pop((channel + 1, ends[slots[0]].replace(tzinfo=UTC)))
            assert one.interval_s == minutes * 60
            assert one.sequence == status["last_seq"] - len(order) + 1 + order.index(element)
            assert len(one.values) == valid
            for place, slot in enumerate(slots):
                kept, words = independent_profile.interval_value(actual, most, stored[element], slot, channel)
                said = set(one.status[place]) - {"daylight_saving", "clock_adjusted"}
                assert (one.counts[place] is not None, said) == (kept, words)
                if kept:
                    raw = stored[element]["intervals"][slot]["items"][channel]
                    divisor = Fraction(control["divisors"][channel] or 1, control["scalars"][channel] or 1)
                    value = second.value(raw * divisor, control["channels"][channel][1])
                    shown = one.values[place]
                    assert shown is not None
                    assert value is None or base(shown, one.unit) == value
    assert not found


def _width(context: Context) -> int:
    return independent.stime_widths[context.st00.tm_format]


def _stime(end: datetime, context: Context) -> bytes:
    """Write a time by hand."""
    order = context.order
    match context.st00.tm_format:
        case 1:
            return bytes.fromhex(f"{end:%y%m%d%H%M}")
        case 2:
            return bytes((end.year % 100, end.month, end.day, end.hour, end.minute))
        case 3:
            return int((end - EPOCH).total_seconds() // 60).to_bytes(4, order)
        case _:
            return int((end - EPOCH).total_seconds()).to_bytes(4, order)


@pytest.mark.parametrize("vector", VECTORS["clock_to_utc"], ids=lambda v: v["why"])
def test_the_second_reader_gives_the_utc_of_the_vectors(vector: dict[str, Any]) -> None:
    said = datetime.fromisoformat(vector["value"])
    found = independent_meaning.to_utc(
        said, int(vector["qual"], 16), vector["tm_format"], vector["tz_min"], vector["dst_min"]
    )
    assert found == datetime.fromisoformat(vector["utc"])


@settings(max_examples=400, deadline=None)
@given(
    minute=st.one_of(st.integers(29_500_000, 33_000_000), st.sampled_from([0, 30, 59, 60, 61, 119, 120, 180])),
    day=st.sampled_from([(2026, 3, 8), (2026, 11, 1), (2027, 3, 14), (2027, 11, 7)]),
    flags=st.sampled_from([0, 1, 2, 4, 6]),
    tm_format=st.integers(1, 4),
    zone=st.sampled_from([-600, -300, 0, 330]),
    amount=st.sampled_from([0, 30, 60]),
)
def test_both_give_the_same_utc(
    minute: int, day: tuple[int, int, int], flags: int, tm_format: int, zone: int, amount: int
) -> None:
    said = EPOCH + timedelta(minutes=minute) if minute > 10_000 else EPOCH.replace(*day) + timedelta(minutes=minute)
    clock = d5.Clock(
        clock_calendar=said, gmt_flag=bool(flags & 1), tm_zn_applied=bool(flags & 2), dst_applied=bool(flags & 4)
    )
    context = Context().with_tables(
        d0.GeneralConfiguration(tm_format=tm_format),
        clock,
        d5.TimeOffset(dst_time_eff=timedelta(hours=2), dst_time_amt=amount, time_zone_offset=zone),
    )
    found = MeterTimes.of(context).to_utc(said)
    assert found is not None
    wanted = independent_meaning.to_utc(said, flags << 4, tm_format, zone, amount)
    if "skips" not in found.note:
        assert found.utc == wanted


def test_a_flagless_source_takes_no_entry_of_another() -> None:
    vector = VECTORS["source_index_walk"]
    flags = [int(text, 16) for text in vector["ST16"]]
    for bit, name in ((0, "uom_index"), (3, "constants_index")):
        entries = len(vector[name])
        found = {str(s): independent_meaning.entry_of(flags, bit, s, entries) for s in range(len(flags))}
        assert {s: place for s, place in found.items() if place is not None} == vector[name]


def test_a_block_over_the_change_has_the_ends_of_the_vector() -> None:
    vector = VECTORS["block_over_dst_change"]
    said = datetime.fromisoformat(vector["blk_end_time"])
    end = independent_meaning.to_utc(said, int(vector["qual"], 16), 2, vector["tz_min"], vector["dst_min"])
    ends = independent_profile.interval_ends(end, vector["ints"], vector["int_time"], descending=False)
    assert ends == [datetime.fromisoformat(text) for text in vector["utc_ends"]]
