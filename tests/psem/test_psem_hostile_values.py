"""Tables of the right size whose contents cannot be: each yields a named problem or a flagged value, never a wrong one.

Each case goes through the whole driver and into a document; the tables that have nothing to do with it come home as
they are.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.c1219 import decade1 as d1
from drivers.c1219 import decade6 as d6
from drivers.data import MeterData
from drivers.errors import DataError
from tests.fuzz.contract import check_values, document_of
from tests.fuzz.hostile_meter import (
    Visited,
    assert_others_came_home,
    changed,
    context_of,
    honest,
    honest_visit,
    patched,
    visit,
)

FLOATS = "big-endian-float-bcd"  # NI1 FLOAT64, NI2 BCD of 6 octets, TM_FORMAT 1, BCD ids, most significant first
TEXTS = "closure-1997"  # NI1 and NI2 of characters, TM_FORMAT 4
WHOLE = "residential-tou"  # INT48 and INT32, TM_FORMAT 2, least significant first
MINUTES = "descending-fifo-2008"  # INT48 and INT40, TM_FORMAT 3, two profile sets, most significant first
SCALED = "commercial-4ch"  # constants, scalars and divisors, self reads, both logs
NAN, INFINITE = struct.pack(">d", float("nan")), struct.pack(">d", float("-inf"))


def read(scenario: str, tables: dict[int, bytes], *touched: int) -> Visited:
    """Visit a meter; whatever it says, the document is well formed and the untouched tables are as they were."""
    visited = visit(tables)
    assert visited.data.broken is None
    check_values(visited.data)
    document_of(visited.data)
    assert_others_came_home(visited, scenario, *touched)
    return visited


def span(scenario: str, number: int, path: str) -> tuple[int, int]:
    """Return table and offset of a field."""
    return number, context_of(honest(scenario)).decoded(number).spans[path].offset


def values(data: MeterData) -> list[tuple[str, Decimal | None]]:
    return [(register.raw, register.value) for register in data.registers]


# -- numbers


@pytest.mark.parametrize("octets", [NAN, INFINITE, struct.pack(">d", float("inf"))])
@pytest.mark.parametrize("path", ["data.total.summations[0]", "data.total.demands[0].cum_demand"])
def test_a_register_that_is_no_number_is_missing_and_named(path: str, octets: bytes) -> None:
    visited = read(FLOATS, patched(FLOATS, (*span(FLOATS, 23, path), octets)), 23)
    assert "holds no number" in visited.said(f"ST23 {path}")
    assert len(visited.data.registers) == len(honest_visit(FLOATS).data.registers) - 1


@pytest.mark.parametrize("octets", [NAN, INFINITE, struct.pack(">d", 0.0)])
@pytest.mark.parametrize("field", ["multiplier", "offset", "set1.ratio_f1", "set1.ratio_p1"])
def test_a_constant_that_is_no_number_gives_no_value(field: str, octets: bytes) -> None:
    tables = patched(FLOATS, (*span(FLOATS, 15, f"entries[0].{field}"), octets))
    flags = span(FLOATS, 15, "entries[0].set1.set_applied")
    tables[15] = tables[15][: flags[1]] + b"\0" + tables[15][flags[1] + 1 :]
    visited = read(FLOATS, tables, 15)
    scaled = [register for register in visited.data.registers if register.quantity == "kvarh"]
    assert scaled
    if field == "offset" and octets == struct.pack(">d", 0.0):
        assert all(register.value is not None for register in scaled)
        return
    assert all(register.value is None and register.raw for register in scaled)
    assert f"{field.rpartition('.')[2].upper()} of ST15 is to be applied" in visited.said("source 1")


def test_an_interval_that_is_no_number_is_missing() -> None:
    size = len(honest(FLOATS)[64]) // 100
    newest = 44
    tables = patched(FLOATS, (64, newest * size + size - 12 * 9 + 1, NAN))
    visited = read(FLOATS, tables, 64)
    last = visited.data.blocks[-1]
    assert (last.counts[0], last.values[0]) == (None, None)
    assert "missing" in last.status[0]


@pytest.mark.parametrize("text", ["FFFFFFFFFFFF", "00A1234567AB", "ABCDEF012345", "0000D12D3400", "EEEEEEEEEEEE"])
def test_bcd_with_digits_that_are_none(text: str) -> None:
    path = "data.total.demands[0].demand[0]"
    visited = read(FLOATS, patched(FLOATS, (*span(FLOATS, 23, path), bytes.fromhex(text))), 23)
    assert "holds no number" in visited.said(f"ST23 {path}")


@pytest.mark.parametrize(
    ("text", "value"), [("A00000001234", "-1234"), ("BBBBA1234D50", "-1234.5"), ("0123456789FF", "123456789")]
)
def test_bcd_with_digits_that_have_a_meaning(text: str, value: str) -> None:
    path = "data.total.demands[0].demand[0]"
    visited = read(FLOATS, patched(FLOATS, (*span(FLOATS, 23, path), bytes.fromhex(text))), 23)
    at = span(FLOATS, 23, path)[1]
    (found,) = [
        one for one in visited.data.registers if one.source and (one.source.table, one.source.offset) == ("ST23", at)
    ]
    assert Decimal(found.raw) == Decimal(value)


@pytest.mark.parametrize(
    "text", [b"  12.3.4    ", b"            ", b"1e999       ", b"nan         ", b"\x1b[2J        ", b"1_000       "]
)
def test_text_that_is_no_number(text: bytes) -> None:
    visited = read(TEXTS, patched(TEXTS, (*span(TEXTS, 23, "data.total.summations[0]"), text)), 23)
    assert "holds no number" in visited.said("ST23 data.total.summations[0]")


def test_negative_and_largest_values_stay_what_they_are() -> None:
    for octets, raw in (
        (b"\xff" * 6, "-1"),
        (b"\0" * 5 + b"\x80", str(-(2**47))),
        (b"\xff" * 5 + b"\x7f", str(2**47 - 1)),
    ):
        visited = read(WHOLE, patched(WHOLE, (*span(WHOLE, 23, "data.total.summations[0]"), octets)), 23)
        assert visited.data.registers[0].raw == raw
        assert visited.data.registers[0].value == Decimal(raw)


def test_a_float_of_every_size_is_exact() -> None:
    for number in (1e308, -5e-324, 1.7976931348623157e308, 0.1):
        octets = struct.pack(">d", number)
        visited = read(FLOATS, patched(FLOATS, (*span(FLOATS, 23, "data.total.summations[0]"), octets)), 23)
        assert float(visited.data.registers[0].raw) == number


# -- times


@pytest.mark.parametrize(
    "octets",
    ["1A021F000000", "1A0D01000000", "1A060F190000", "1A060F003C00", "1A060F00003C", "640101000000", "1A0001000000"],
    ids=["31 February", "month 13", "hour 25", "minute 60", "second 60", "year 100", "month 0"],
)
def test_a_clock_that_shows_no_time(octets: str) -> None:
    visited = read(WHOLE, patched(WHOLE, (52, 0, bytes.fromhex(octets))), 52)
    assert visited.data.clock is None
    assert visited.data.has_clock
    assert "is no time" in visited.said("ST52")
    assert "holds no time" in visited.said("ST52")


@pytest.mark.parametrize("octets", ["1A02291A2B3C", "1A1301000000", "FA0101000000"])
def test_a_bcd_clock_with_digits_that_are_none(octets: str) -> None:
    visited = read(FLOATS, patched(FLOATS, (52, 0, bytes.fromhex(octets))), 52)
    assert visited.data.clock is None
    assert "is no time" in visited.said("ST52")


@pytest.mark.parametrize(("octets", "year"), [("5A0101000000", 1990), ("590C1F173B3B", 2089), ("630C1F173B3B", 1999)])
def test_a_clock_far_from_today_is_taken_at_its_word_and_judged(octets: str, year: int) -> None:
    """A dead battery, or worse: the time is reported as shown, and the check of the meter's clock is what fails it."""
    visited = read(WHOLE, patched(WHOLE, (52, 0, bytes.fromhex(octets))), 52)
    assert visited.data.clock is not None
    assert abs(visited.data.clock.meter_time.year - year) <= 1


@pytest.mark.parametrize("count", [1, 60, 0x7FFFFFFF, 0xFFFFFFFE])
def test_a_clock_that_counts_from_1970(count: int) -> None:
    visited = read(TEXTS, patched(TEXTS, (52, 0, count.to_bytes(4, "little"))), 52)
    assert visited.data.clock is not None
    assert 1970 <= visited.data.clock.meter_time.year <= 2106
    assert len(visited.data.registers) == len(honest_visit(TEXTS).data.registers)


@pytest.mark.parametrize("minutes", [71_582_789, 0xF0000000, 0xFFFFFFFE])
def test_minutes_beyond_every_calendar_are_no_time(minutes: int) -> None:
    """The year 9999 less a zone, or plus a day, is where arithmetic with dates ends."""
    octets = minutes.to_bytes(4, "big")
    tables = patched(MINUTES, (52, 0, octets), (64, 0, octets), (76, 11, octets), (23, 18, octets))
    visited = read(MINUTES, tables, 52, 64, 76, 23)
    assert visited.data.clock is None
    assert "is no time" in visited.said("ST52")
    assert "cannot be placed in time" in visited.said("ST64")


def test_impossible_times_of_demands_and_events_are_none_and_named() -> None:
    at = span(WHOLE, 23, "data.total.demands[0].event_time[0]")
    tables = patched(WHOLE, (*at, b"\x1a\x02\x1e\0\0"), (*span(WHOLE, 76, "entries[3].time"), b"\x1a\x0d\1\0\0\0"))
    visited = read(WHOLE, tables, 23, 76)
    assert "is no time: 26-02-30" in visited.said("ST23")
    assert "is no time: 26-13-01" in visited.said("ST76")
    assert sum(event.at is None for event in visited.data.events) == 1
    assert values(visited.data) == values(honest_visit(WHOLE).data)


# -- blocks in time

BLOCK = 581  # octets of a block of WHOLE: 5 of the end time, then 96 × (2 of status + 2 × 2)


def ended(*ends: tuple[int, bytes]) -> dict[int, bytes]:
    """Return WHOLE with other block end times, by element; the newest is 9, the oldest 10."""
    return patched(WHOLE, *((64, element * BLOCK, end) for element, end in ends))


def stime(day: int, hour: int = 0, month: int = 11, year: int = 26) -> bytes:
    return bytes((year, month, day, hour, 0))


def test_the_blocks_are_where_this_file_thinks() -> None:
    assert len(honest(WHOLE)[64]) == 20 * BLOCK
    assert honest(WHOLE)[64][9 * BLOCK : 9 * BLOCK + 3] == bytes((26, 11, 21))


@pytest.mark.parametrize(
    ("changes", "said", "lost_blocks"),
    [
        ([(5, stime(19)), (6, stime(18))], "not in the order", 0),
        ([(5, stime(19))], "left out as a duplicate", 1),
        ([(5, bytes(5))], "cannot be placed in time", 1),
        ([(5, b"\xff" * 5)], "cannot be placed in time", 1),
        ([(5, stime(31, month=2))], "cannot be placed in time", 1),
        ([(5, stime(17, hour=7))], "it overlaps block", 0),
        ([(5, stime(17, year=60))], "not in the order", 0),
        ([(9, stime(21, year=90))], "not in the order", 0),
        ([(element, stime(18)) for element in range(20)], "left out as a duplicate", 19),
    ],
    ids=["backwards", "equal", "zero", "all ones", "31 February", "overlap", "future", "past", "all equal"],
)
def test_blocks_at_odd_times(changes: list[tuple[int, bytes]], said: str, lost_blocks: int) -> None:
    visited = read(WHOLE, ended(*changes), 64)
    assert said in visited.said("ST64"), visited.data.problems
    assert len(visited.data.blocks) == 2 * (20 - lost_blocks)
    ends = [block.first_interval_end for block in visited.data.blocks]
    assert ends == sorted(ends)
    changed_elements = {element for element, _end in changes}
    for block in visited.data.blocks:
        assert block.source is not None
        if block.source.offset // BLOCK not in changed_elements:
            assert (block.first_interval_end, block.counts) in [
                (one.first_interval_end, one.counts) for one in honest_visit(WHOLE).data.blocks
            ]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"last_block_element": 20}, "the last at element 20"),
        ({"last_block_element": 0xFFFF}, "the last at element 65535"),
        ({"nbr_valid_blocks": 21}, "21 valid entries"),
        ({"nbr_valid_blocks": 0}, ""),
        ({"nbr_valid_int": 97}, "97 valid intervals in a block of 96"),
        ({"nbr_valid_int": 0xFFFF}, "65535 valid intervals"),
        ({"nbr_valid_int": 0}, ""),
        ({"last_block_seq_nbr": 0}, ""),
        ({"last_block_seq_nbr": 0xFFFFFFFF}, ""),
    ],
)
def test_profile_pointers_beyond_the_arrays(status: dict[str, int], said: str) -> None:
    table = context_of(honest(WHOLE)).need(d6.ProfileStatus)
    assert table.sets[0] is not None
    tables = changed(WHOLE, 63, sets=(replace(table.sets[0], **status), None, None, None))  # type: ignore[arg-type]
    visited = read(WHOLE, tables, 63)
    assert said in visited.said("ST6"), visited.data.problems
    if status in ({"nbr_valid_int": 97}, {"nbr_valid_int": 0}):
        assert len(visited.data.blocks) == 38  # but the newest
    if "last_block_seq_nbr" in status:
        assert len(visited.data.blocks) == 40


@pytest.mark.parametrize("minutes", [0, 1, 7, 255])
def test_an_interval_length_that_is_not_the_blocks(minutes: int) -> None:
    at = span(WHOLE, 61, "sets[0].max_int_time")
    visited = read(WHOLE, patched(WHOLE, (*at, bytes([minutes]))), 61)
    missing = [one for one in document_of(visited.data)["checks"] if one["check"] == "missing_intervals"]
    assert visited.said("ST6") or any(one["outcome"] == "fail" for one in missing), visited.data.problems
    assert (minutes > 0) == bool(visited.data.blocks)


def test_scalars_and_divisors_of_zero_count_as_one() -> None:
    table = context_of(honest(SCALED)).need(d6.ProfileControl)
    assert table.sets[0] is not None
    zero = replace(table.sets[0], scalars=(0, 0, 1, 1), divisors=(0, 18, 0, 18))
    visited = read(SCALED, changed(SCALED, 62, sets=(zero, None, None, None)), 62)
    multipliers = {block.channel: block.multiplier for block in visited.data.blocks}
    assert {number: 18 * multiplier for number, multiplier in multipliers.items()} == {
        1: multipliers[4],
        2: 18 * multipliers[4],
        3: multipliers[4],
        4: 18 * multipliers[4],
    }


@pytest.mark.parametrize("code", [0, 3, 0x10 | 2, 0xFF])
def test_an_interval_format_that_is_none(code: int) -> None:
    table = context_of(honest(WHOLE)).need(d6.ProfileControl)
    assert table.sets[0] is not None
    visited = read(WHOLE, changed(WHOLE, 62, sets=(replace(table.sets[0], int_fmt_cde=code), None, None, None)), 62)
    assert not visited.data.blocks
    assert f"interval format {code:02X}h" in visited.said("ST64")


# -- lists


@pytest.mark.parametrize(
    ("number", "fields", "said"),
    [
        (26, {"nbr_valid_entries": 4}, "ST26 says 4 valid entries"),
        (26, {"nbr_valid_entries": 255, "last_entry_element": 255}, "ST26 says 255 valid entries"),
        (26, {"last_entry_element": 3}, "the last at element 3"),
        (76, {"nbr_valid_entries": 61}, "ST76 says 61 valid entries"),
        (76, {"last_entry_element": 60}, "the last at element 60"),
        (74, {"nbr_valid_entries": 0xFFFF, "last_entry_element": 0xFFFF}, "ST74 says 65535 valid entries"),
    ],
)
def test_list_pointers_beyond_the_arrays(number: int, fields: dict[str, int], said: str) -> None:
    visited = read(SCALED, changed(SCALED, number, **fields), number)
    assert any(said in problem.reason and problem.lost for problem in visited.data.problems), visited.data.problems
    if number == 26:
        assert not [one for one in visited.data.registers if one.period == "self_read"]


def test_an_event_with_an_argument_of_255_octets_and_no_known_code() -> None:
    tables = dict(honest(WHOLE))
    context = context_of(tables)
    tables[71] = changed(WHOLE, 71, event_data_length=255, nbr_event_entries=2)[71]
    entry = bytes((26, 11, 20, 1, 2, 3)) + b"\1\0" * context.st71.event_number + b"\2\0" + b"\xff\xff" + b"\xff\xff"
    tables[76] = bytes((0, 2, 0, 1, 0)) + bytes(4) + bytes(2) + (entry + b"\x1b" * 255) * 2
    visited = read(WHOLE, tables, 71, 76)
    assert [event.argument for event in visited.data.events if event.log == "event"] == ["1B" * 255] * 2
    assert {event.code for event in visited.data.events if event.log == "event"} == {0x7FF}


# -- sources


@pytest.mark.parametrize("selector", [4, 100, 254])
def test_a_selector_beyond_the_sources_gives_a_raw_value_only(selector: int) -> None:
    visited = read(WHOLE, changed(WHOLE, 22, summation_select=(selector, 1)), 22)
    odd = [one for one in visited.data.registers if one.unit == "unknown"]
    assert odd
    assert all(one.value is None and one.raw for one in odd)
    assert "sources only" in visited.said(f"source {selector}")


def test_selectors_of_255_are_unused_slots() -> None:
    tables = changed(WHOLE, 22, summation_select=(255, 255), demand_select=(255,))
    tables[27] = b"\xff" * len(tables[27])
    visited = read(WHOLE, tables, 22, 27)
    assert not visited.data.registers
    assert visited.data.blocks == honest_visit(WHOLE).data.blocks


@pytest.mark.parametrize(
    "entry",
    [
        {"id_code": 6, "id_resource": 3},
        {"id_code": 27},
        {"id_code": 63},
        {"id_code": 64},
        {"id_code": 255, "time_base": 7, "multiplier": 7, "segmentation": 7, "harmonic": True, "reserved": 7},
        {"id_code": 0, "nfs": True},
    ],
)
def test_a_unit_that_is_not_known_is_never_guessed(entry: dict[str, int]) -> None:
    table = context_of(honest(WHOLE)).need(d1.UnitsOfMeasure)
    odd = d1.UnitOfMeasure(**entry)  # type: ignore[arg-type]
    visited = read(WHOLE, changed(WHOLE, 12, entries=(odd, *table.entries[1:])), 12)
    first = visited.data.registers[0]
    if entry.get("id_resource"):  # the 1997 edition does not have it
        assert first.unit == "varh"
        return
    assert first.unit == first.quantity == f"id_code={entry['id_code']}"
    assert "not known" in visited.said("source 0")


@settings(max_examples=40, deadline=None)
@given(flags=st.binary(min_size=7, max_size=7), scenario=st.just(SCALED))
def test_source_flags_that_contradict_the_sizes(flags: bytes, scenario: str) -> None:
    """Fewer or more entries than flags: a value is right, or it is not there."""
    visited = read(scenario, dict(honest(scenario)) | {16: flags}, 16)
    known = {(one.source, one.raw): one for one in honest_visit(scenario).data.registers}
    for register in visited.data.registers:
        assert (register.source, register.raw) in known


# -- reserved formats


@pytest.mark.parametrize("tm_format", [5, 6, 7])
def test_a_reserved_time_format_costs_what_has_times(tm_format: int) -> None:
    st00 = honest(WHOLE)[0]
    tables = patched(WHOLE, (0, 1, bytes([st00[1] & 0xF8 | tm_format])))
    with pytest.raises(DataError, match=f"reserved time format {tm_format}"):
        visit(tables)


@pytest.mark.parametrize("octet", [0x8E, 0xEA, 0xFF])
def test_a_reserved_number_format_costs_what_has_numbers(octet: int) -> None:
    try:
        visited = visit(patched(WHOLE, (0, 2, bytes([octet]))))
    except DataError as error:
        text = str(error)
    else:
        document_of(visited.data)
        text = visited.said()
    assert "reserved number format" in text


def test_the_reserved_int_format() -> None:
    st00 = honest(WHOLE)[0]
    visited = visit(patched(WHOLE, (0, 1, bytes([st00[1] | 0xC0]))))
    check_values(visited.data)
    assert all(Decimal(register.raw) >= 0 for register in visited.data.registers)


@pytest.mark.parametrize("char_format", [0, 1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize(
    "text", [b"\x1b[2J\x1b]0;owned\x07", b"\0\0AB\0CD\0", b"\xff\xfe\x80\xc3", "\u202egnp".encode(), b"\x9b31m\x85\x90"]
)
def test_ids_with_anything_in_them_print_as_plain_text(char_format: int, text: bytes) -> None:
    st00 = honest(WHOLE)[0]
    tables = patched(WHOLE, (0, 0, bytes([st00[0] & 0xF1 | char_format << 1])), (5, 0, text))
    for number in (1, 2, 6):
        tables[number] = (text * 60)[: len(tables[number])]
    visited = visit(tables)
    check_values(visited.data)
    document_of(visited.data)
    who = visited.data.identity
    for said in (
        who.meter_id,
        who.manufacturer,
        who.model,
        who.serial_number,
        *who.utility.values(),
        *who.nameplate.values(),
    ):
        assert said.isprintable(), said


def test_pending_bits_lead_nowhere() -> None:
    """A table of pending tables that names itself, pending, and every table that could be is not followed."""
    st00 = bytearray(honest(WHOLE)[0])
    used = st00[13]
    st00[13], st00[18] = 255, 255
    maps = honest(WHOLE)[0][19:]
    wide = bytes(st00[:19]) + b"\xff" * 255 + maps[used : used + st00[14] + st00[15] + st00[16]] + b"\xff" * 255
    wide += maps[-st00[14] :] if st00[14] else b""
    pending = bytes(5) + b"\xff" + (b"\xff" * 6 + (4 | 0x1000).to_bytes(2, "little")) * 255
    visited = visit(dict(honest(WHOLE)) | {0: wide, 4: pending})
    document_of(visited.data)
    assert values(visited.data) == values(honest_visit(WHOLE).data)
    assert visited.seconds < 120
