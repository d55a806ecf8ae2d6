"""Every key of `[c1219]`: a meter that needs it is read right with a profile that sets it, and wrong without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from drivers.c1219 import Block, Context, Quirks, block_layout, decode, encode, size
from drivers.c1219 import decade0 as d0
from drivers.c1219 import decade1 as d1
from drivers.c1219 import decade2 as d2
from drivers.c1219 import decade5 as d5
from drivers.c1219 import decade7 as d7
from drivers.c1219.clock import clock_of
from drivers.c1219.events import events_of
from drivers.c1219.identity import identity_of
from drivers.c1219.profile import elements
from drivers.c1219.registers import registers_of
from drivers.c1219.times import MeterTimes
from drivers.profiles import profile_of_text
from drivers.profiles.schema import C1219Keys
from drivers.toml_library import SHIPPED
from tests.c1219.meter_maker import DAY, KWH, MeterMaker, block, wall

NEW_YORK = ZoneInfo("America/New_York")


def quirks_of(text: str) -> Quirks:
    """Return the quirks of a profile whose `[c1219]` is this."""
    head = 'name = "acme-sx"\ntitle = "Acme"\nstatus = "not tried on hardware"\n[c1219]\n'
    return profile_of_text(head + text, "acme-sx").quirks()


def registers(quirks: Quirks) -> list[tuple[str, str]]:
    """Return (quantity, value) of the register of a meter with one summation."""
    context = Context(quirks).with_tables(
        d0.GeneralConfiguration(),
        d1.SourcesLimits(nbr_sources=1, nbr_uom_entries=1),
        d1.UnitsOfMeasure(entries=(KWH,)),
        d2.RegistersLimits(nbr_summations=1),
        d2.DataSelection(
            summation_select=(0,),
            demand_select=(),
            min_or_max_flags=frozenset(),
            coincident_select=(),
            coin_demand_assoc=(),
        ),
        d2.CurrentRegisters(data=d2.RegisterData(total=d2.DataBlock(summations=(12345678,)))),
        d1.Sources(sources=(d1.SourceFlags(uom_entry=True),)),
    )
    found, _problems = registers_of(context, MeterTimes.of(context))
    return [(one.quantity, str(one.value)) for one in found]


def intervals(**changes: Any) -> Callable[[Quirks], Any]:
    """Return what reads one block of a small profile: values and words of its intervals."""

    def read(quirks: Quirks) -> Any:
        blocks, _problems = MeterMaker([block(DAY + "01:00")], quirks=quirks, **changes).read()
        return [[str(value) for value in one.values] for one in blocks]

    return read


def statuses(nibbles: bytes, *, common: bytes = bytes(4)) -> Callable[[Quirks], Any]:
    """Return what reads the words of the intervals of one block with an extended status."""

    def read(quirks: Quirks) -> Any:
        written = Block(end_time=wall(DAY + "01:00"), counts=((1, 2, 3, 4),), common=common, nibbles=(nibbles,))
        maker = MeterMaker([written], extended_int_status=True)  # written by the standard …
        octets = block_layout(maker.context, 1).encode(written)
        layout = block_layout(Context(quirks, maker.context.tables), 1)  # … and read with the quirk
        again = MeterMaker([layout.decode(octets)], quirks=quirks, extended_int_status=True)
        blocks, _problems = again.read()
        return [(str(value), *words) for value, words in zip(blocks[0].values, blocks[0].status, strict=True)]

    return read


def simple(quirks: Quirks) -> Any:
    """Read a block whose simple bits are all clear."""
    written = block(DAY + "01:00", simple=(False,) * 4)
    blocks, _problems = MeterMaker([written], quirks=quirks, simple_int_status=True).read()
    return [str(value) for value in blocks[0].values]


def order(quirks: Quirks) -> Any:
    """Read the elements of three blocks, newest at element 0, of a meter that says ascending."""
    maker = MeterMaker([block(DAY + f"0{hour}:00") for hour in (3, 2, 1)], quirks=quirks)
    maker.status = {"last_block_element": 0}
    return elements(maker.context, 1)


def open_end(quirks: Quirks) -> Any:
    """Read a block with two of four intervals, whose end time is the planned one."""
    maker = MeterMaker([block(DAY + "01:00")], quirks=quirks, valid_int=2)
    return maker.read()[0][0].first_interval_end.strftime("%H:%M")


def clock(shown: d5.Clock, **general: Any) -> Callable[[Quirks], Any]:
    """Return what reads a clock as UTC."""

    def read(quirks: Quirks) -> Any:
        context = Context(quirks).with_tables(d0.GeneralConfiguration(**general), shown)
        found = clock_of(context, MeterTimes.of(context, NEW_YORK))
        assert found is not None
        return found.utc.strftime("%H:%M")

    return read


NOON = d5.Clock(clock_calendar=datetime(2026, 7, 1, 12))  # noqa: DTZ001 - a wall time


def stored_time(quirks: Quirks) -> Any:
    """Read a stored summer time of a meter whose clock has daylight saving applied."""
    shown = d5.Clock(clock_calendar=None, tm_zn_applied=True, dst_applied=True)
    offsets = d5.TimeOffset(dst_time_eff=timedelta(hours=2), time_zone_offset=60)
    context = Context(quirks).with_tables(d0.GeneralConfiguration(), shown, offsets)
    instant = MeterTimes.of(context, ZoneInfo("Europe/Berlin")).to_utc(wall("2026-03-20T12:00"))
    assert instant is not None
    return instant.utc.strftime("%H:%M")


def meter_id(quirks: Quirks) -> Any:
    return identity_of(
        Context(quirks).with_tables(
            d0.GeneralConfiguration(),
            d0.DeviceIdentification(identification="FROM-ST05"),
            d0.ManufacturerIdentification(manufacturer="ACME", ed_model="SX", mfg_serial_number="FROM-ST01"),
        )
    ).meter_id


CONSTANT_FLAGS = d1.SourceFlags(uom_entry=True, constants=True, constant_to_be_applied=True)


def constants(quirks: Quirks) -> Any:
    """Read a register of source 1, whose constant is the entry of its own number though source 0 has none."""
    context = Context(quirks).with_tables(
        d0.GeneralConfiguration(),
        d1.SourcesLimits(nbr_sources=3, nbr_uom_entries=3, nbr_constants_entries=2),
        d1.UnitsOfMeasure(entries=(KWH, KWH, KWH)),
        d1.Sources(sources=(d1.SourceFlags(), CONSTANT_FLAGS, CONSTANT_FLAGS)),
        d1.Constants(entries=(d1.Constant(multiplier=10), d1.Constant(multiplier=1000))),
        d2.RegistersLimits(nbr_summations=1),
        d2.DataSelection(
            summation_select=(1,),
            demand_select=(),
            min_or_max_flags=frozenset(),
            coincident_select=(),
            coin_demand_assoc=(),
        ),
        d2.CurrentRegisters(data=d2.RegisterData(total=d2.DataBlock(summations=(7,)))),
    )
    return [str(one.value) for one in registers_of(context, MeterTimes.of(context))[0]]


def offset_of_st15(quirks: Quirks) -> Any:
    """Compute the octets of an ST15 of nine entries with a ratio set, with or without OFFSET."""
    limits = d1.SourcesLimits(set1_present=True, nbr_constants_entries=9)
    return size(15, Context(quirks).with_tables(d0.GeneralConfiguration(), limits))


def event_size(quirks: Quirks) -> Any:
    limits = d7.LogLimits(nbr_event_entries=3)
    return size(76, Context(quirks).with_tables(d0.GeneralConfiguration(), limits))


def events(quirks: Quirks) -> Any:
    limits = d7.LogLimits(nbr_event_entries=1)
    entry = d7.EventEntry(time=None, code=20, manufacturer=True)
    log = d7.EventLog(nbr_valid_entries=1, entries=(entry,))
    context = Context(quirks).with_tables(d0.GeneralConfiguration(), limits, log)
    return [one.name for one in events_of(context, MeterTimes.of(context))[0]]


def tables(quirks: Quirks) -> Any:
    octets = encode(d0.GeneralConfiguration(std_tbls_used=frozenset({0, 1, 28})), Context())
    return sorted(decode(0, octets, Context(quirks)).table.std_tbls_used)  # type: ignore[attr-defined]


def dimension(quirks: Quirks) -> Any:
    octets = encode(d2.RegistersLimits(nbr_tiers=1), Context().with_table(d0.GeneralConfiguration()))
    return decode(21, octets, Context(quirks)).table.nbr_tiers  # type: ignore[attr-defined]


def closure(quirks: Quirks) -> Any:
    """Compute the block size of a 2008 meter with bit 12 set."""
    maker = MeterMaker([block(DAY + "01:00")], quirks=quirks, bit_12=True, general={"std_version_no": 2})
    return block_layout(maker.context, 1).closure


def bcd(quirks: Quirks) -> Any:
    context = Context(quirks).with_table(d0.GeneralConfiguration(ni_format1=6))
    return str(context.number_format(1).decode(bytes.fromhex("12345678")))


SCALED = {"scaled": (10, 1)}
CASES: list[tuple[str, str, Callable[[Quirks], Any], Any, Any]] = [
    ("scaling", '"multiply"', intervals(**SCALED), [["0.1", "0.2", "0.3", "0.4"]], [["10", "20", "30", "40"]]),
    ("scaling", '"none"', intervals(**SCALED), [["0.1", "0.2", "0.3", "0.4"]], [["1", "2", "3", "4"]]),
    ("entry_lookup", '"by_source"', constants, ["70"], ["7000"]),
    ("constants_modulo", "20", constants, ["70"], ["7000"]),
    ("closure_field", '"present"', closure, False, True),
    ("status_nibbles", '"low_first"', statuses(b"\0\0\0\2"), ("4", "partial"), ("4", "power_outage")),
    ("simple_status", '"inverted"', simple, ["None"] * 4, ["1", "2", "3", "4"]),
    ("open_block_end", '"block_grid"', open_end, "00:45", "00:15"),
    ("block_order", '"descending"', order, (1, 2, 0), (2, 1, 0)),
    ("epoch", '"local"', clock(replace(NOON, dst_flag=True), tm_format=4), "12:00", "17:00"),
    ("clock_is", '"utc"', clock(NOON), "17:00", "12:00"),
    ("clock_is", '"local"', clock(replace(NOON, dst_flag=True)), "17:00", "16:00"),
    ("dst_rule", '"united_states"', stored_time, "11:00", "10:00"),
    ("bcd_point", "2", bcd, "12345678", "123456.78"),
    ("uom", '"ignore"', registers, [("kWh", "12345678")], [("id_code=0", "12345678")]),
    ("meter_id_at", '"st01"', meter_id, "FROM-ST05", "FROM-ST01"),
    ("no_offset", "true", offset_of_st15, 153, 117),
    ("event_time", '"htime"', event_size, 47, 50),
    ("register_scale", '"0.0001"', registers, [("kWh", "12345678")], [("kWh", "1234.5678")]),
    ("interval_scale", '"0.5"', intervals(), [["1", "2", "3", "4"]], [["0.5", "1", "1.5", "2"]]),
    ("channel_status", '{ 9 = "missing" }', statuses(b"\0\0\0\x09"), ("4",), ("None", "missing")),
    ("channel_status", '{ 8 = "power_outage" }', statuses(b"\0\0\0\x08"), ("4",), ("4", "power_outage")),
    ("channel_status", '{ 2 = "none" }', statuses(b"\0\0\0\2"), ("4", "partial"), ("4",)),
    ("event_names", '{ 20 = "cover_removed" }', events, ["manufacturer_event_20"], ["cover_removed"]),
    ("tables_absent", '["ST28"]', tables, [0, 1, 28], [0, 1]),
    ("tables_present", '["ST55"]', tables, [0, 1, 28], [0, 1, 28, 55]),
    ("override", '{ "ST21.nbr_tiers" = 4 }', dimension, 1, 4),
]
ELSEWHERE = {"max_read"}  # takes effect on the line: see the test of the visit


@pytest.mark.parametrize(
    ("key", "value", "read", "without", "with_it"), CASES, ids=[f"{row[0]}={row[1]}" for row in CASES]
)
def test_the_key_makes_the_difference(
    key: str, value: str, read: Callable[[Quirks], Any], without: Any, with_it: Any
) -> None:
    before, after = read(Quirks()), read(quirks_of(f"{key} = {value}\n"))
    if read.__qualname__.startswith("statuses"):
        before, after = before[-1], after[-1]
    assert before == without
    assert after == with_it


def test_every_key_is_shown_to_make_a_difference() -> None:
    assert {row[0] for row in CASES} | ELSEWHERE == set(C1219Keys.__struct_fields__)


def test_the_readme_example_is_a_profile() -> None:
    """The examples of the manual are valid."""
    text = (SHIPPED / "README.md").read_text(encoding="utf-8")
    pieces = [part.split("```")[0] for part in text.split("```toml\n")[1:]]
    profile = profile_of_text(pieces[0] + "\n" + "\n".join(pieces[1:]), "acme-sx")
    assert profile.quirks().channel_status == ((8, "power_outage"), (9, "missing"), (10, "none"))
    assert Decimal(profile.described_tables()[2048 + 110].fields[2].scale) == Decimal("0.001")
