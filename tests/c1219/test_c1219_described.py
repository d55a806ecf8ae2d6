"""Manufacturer tables as a profile describes them: exact values, their places, and what does not fit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.c1219 import Context, NotRead
from drivers.c1219 import decade0 as d0
from drivers.c1219.described import (
    MOST_VALUES,
    BitName,
    Described,
    DescribedField,
    DescribedTable,
    RegisterMeaning,
    decode_described,
    registers_from_described,
)
from drivers.c1219.described_types import wire_of
from drivers.data import Problem, Source

WORDS = ["U8", "U16", "U24", "U40", "U64", "I8", "I16", "I48", "BITS8", "BITS32", "BCD3", "CHAR4", "ASCII1", "SET2"]
WORDS += ["OCTETS2", "OCTETS", "FLOAT32", "FLOAT64", "NI1", "NI2", "LTIME", "STIME", "TIME", "DATE"]


def meter(**general: int) -> Context:
    return Context().with_table(d0.GeneralConfiguration(**general))  # type: ignore[arg-type]


def table(*fields: DescribedField) -> DescribedTable:
    return DescribedTable(2048 + 110, "Present values", fields)


def read(octets: str, *fields: DescribedField, **general: int) -> Described:
    return decode_described(table(*fields), bytes.fromhex(octets), meter(**general))


def texts(described: Described) -> dict[str, str]:
    return {value.path: value.text for value in described.values}


@pytest.mark.parametrize(
    ("word", "octets", "text"),
    [
        ("U8", "FF", "255"),
        ("U16", "0102", "513"),
        ("U24", "010203", "197121"),
        ("U64", "FFFFFFFFFFFFFFFF", "18446744073709551615"),
        ("I8", "FF", "-1"),
        ("I24", "FEFFFF", "-2"),
        ("I48", "0000000000 80", "-140737488355328"),
        ("BCD3", "012345", "12345"),
        ("BCD3", "FFFFFF", "(none)"),
        ("CHAR4", "41420020", "AB"),
        ("ASCII2", "4142", "AB"),
        ("SET2", "0580", "0, 2, 15"),
        ("OCTETS2", "00ff", "00ff"),
        ("OCTETS", "010203", "010203"),
        ("FLOAT32", "0000C03F", "1.5"),
        ("FLOAT64", "000000000000F87F", "(none)"),
        ("NI1", "2A000000", "42"),
        ("LTIME", "1A060B0C1E05", "2026-06-11 12:30:05"),
        ("STIME", "1A060B0C1E", "2026-06-11 12:30:00"),
        ("STIME", "1A0D0B0C1E", "(none)"),
    ],
)
def test_each_type_is_read(word: str, octets: str, text: str) -> None:
    described = read(octets, DescribedField("field", word))
    assert texts(described) == {"field": text}
    value = described.values[0]
    assert (value.offset, value.length, value.octets) == (0, len(bytes.fromhex(octets)), bytes.fromhex(octets))
    assert described.remarks == ()


def test_data_order_and_int_format_are_those_of_st00() -> None:
    field = DescribedField("field", "I16")
    assert texts(read("8001", field, data_order=1, int_format=2)) == {"field": "-1"}


def test_an_impossible_date_is_noted_where_it_stands() -> None:
    described = read("1A021F0C1E", DescribedField("field", "STIME", note="last reset"))
    assert described.values[0].note == "last reset; field is no time: 26-02-31 12:30"


def test_scale_is_exact_and_names_are_given() -> None:
    described = read(
        "15CD5B0701",
        DescribedField("power", "I32", scale=Decimal("0.0001"), unit="kW"),
        DescribedField("mode", "U8", names=((1, "on"),)),
    )
    assert texts(described) == {"power": "12345.6789", "mode": "on (1)"}
    assert [(value.unit, value.raw) for value in described.values] == [("kW", 123456789), ("", 1)]


def test_bits_are_named() -> None:
    flags = DescribedField("flags", "BITS16", bits=(BitName("lock", 0, 0), BitName("mode", 9, 11)))
    assert texts(read("010C", flags)) == {"flags": "3073", "flags.lock": "yes", "flags.mode": "6"}
    assert texts(read("0C01", flags, data_order=1))["flags.mode"] == "6"


def test_records_repeat_as_an_earlier_field_says() -> None:
    board = DescribedField("board", "RECORD", count="boards", fields=(DescribedField("kind", "U8"),))
    assert texts(read("02 07 08", DescribedField("boards", "U8"), board)) == {
        "boards": "2",
        "board[0].kind": "7",
        "board[1].kind": "8",
    }


def test_a_count_may_stand_in_the_outer_record_or_in_bits() -> None:
    inner = DescribedField("value", "U8", count="width")
    outer = DescribedField("set", "RECORD", count=2, fields=(inner,))
    assert texts(read("01 05 06", DescribedField("width", "U8"), outer)) == {
        "width": "1",
        "set[0].value[0]": "5",
        "set[1].value[0]": "6",
    }
    flags = DescribedField("flags", "BITS8", bits=(BitName("n", 0, 1),))
    assert "x[1]" in texts(read("02 05 06", flags, DescribedField("x", "U8", count="flags.n")))


def test_the_rest_of_the_table_may_be_a_list() -> None:
    described = read("0102 03", DescribedField("item", "U16", count="rest"))
    assert texts(described) == {"item[0]": "513"}
    assert described.remarks == ("MT110: item[1] at offset 2: 1 octet is left: what follows is not decoded",)


def test_offsets_leave_gaps_and_they_are_named() -> None:
    described = read("00010203040506", DescribedField("a", "U8", offset=1), DescribedField("b", "U8", offset=4))
    assert texts(described) == {"a": "1", "b": "4"}
    assert described.remarks == ("MT110: not described: octets 0, 2-3, 5-6",)


def test_an_offset_in_a_record_counts_from_its_begin() -> None:
    item = DescribedField("r", "RECORD", count=2, fields=(DescribedField("x", "U8", offset=1),))
    assert texts(read("00010002", item)) == {"r[0].x": "1", "r[1].x": "2"}


@pytest.mark.parametrize(
    ("octets", "field", "remark"),
    [
        ("01", DescribedField("a", "U32"), "a at offset 0: 1 octet is left"),
        ("01", DescribedField("a", "U8", offset=60000), "a at offset 60000: 0 octets are left"),
        ("01", DescribedField("a", "WHAT"), "a at offset 0: there is no type WHAT"),
        ("01", DescribedField("a", "U8", count="nothing"), "a at offset 0: its count nothing is no earlier field"),
        ("01", DescribedField("a", "OCTETS", count=2), "a[1] at offset 1: it takes no octets"),
        ("01", DescribedField("a", "RECORD", count=9), "a[0] at offset 0: it takes no octets"),
    ],
)
def test_what_does_not_fit_is_named(octets: str, field: DescribedField, remark: str) -> None:
    assert remark in read(octets, field).remarks[0]


def test_a_count_that_is_no_number_is_named() -> None:
    described = read("FF01", DescribedField("n", "BCD1"), DescribedField("x", "U8", count="n"))
    assert described.remarks == ("MT110: x at offset 1: its count n is None: what follows is not decoded",)
    assert texts(described) == {"n": "(none)"}


def test_nested_counts_do_not_grow_without_bound() -> None:
    again = DescribedField("x", "U8", offset=0)
    for _ in range(3):
        again = DescribedField("r", "RECORD", offset=0, count=65_535, fields=(again,))
    described = read("01", again)
    assert len(described.values) <= MOST_VALUES
    assert described.remarks


def test_times_of_no_octets_end_a_list() -> None:
    described = read("01", DescribedField("t", "STIME", count=65_535), tm_format=0)
    assert "it takes no octets" in described.remarks[0]


def test_nothing_can_be_decoded_without_st00() -> None:
    with pytest.raises(NotRead, match="ST00"):
        decode_described(table(DescribedField("a", "U8")), b"\1", Context())


def test_a_reserved_number_format_is_named() -> None:
    assert "reserved number format" in read("00", DescribedField("a", "NI1"), ni_format1=15).remarks[0]


POWER = DescribedField(
    "power", "I16", scale=Decimal("0.01"), unit="kW", register=RegisterMeaning("kW", "net", "instantaneous", phase="A")
)


def test_a_field_can_be_a_register_with_its_place() -> None:
    registers, problems = registers_from_described(table(DescribedField("n", "U8"), POWER), b"\0\x39\x30", meter())
    assert problems == []
    (register,) = registers
    assert (register.quantity, register.direction, register.kind, register.unit) == ("kW", "net", "instantaneous", "kW")
    assert (register.raw, register.value, register.multiplier) == ("12345", Decimal("123.45"), Decimal("0.01"))
    assert (register.phase, register.tier) == ("A", 0)
    assert register.source == Source("MT110", 1, 2, b"\x39\x30")


def test_a_register_without_a_number_is_a_problem_and_never_zero() -> None:
    none = DescribedField("energy", "BCD2", unit="kWh", register=RegisterMeaning("kWh", "delivered"))
    assert registers_from_described(table(none), b"\xff\xff", meter()) == (
        [],
        [Problem("MT110 energy", "the meter holds no number")],
    )
    registers, problems = registers_from_described(table(POWER), b"\1", meter())
    assert registers == []
    assert [problem.what for problem in problems] == ["MT110 power"]
    assert "1 octet is left" in problems[0].reason


fields = st.recursive(
    st.builds(
        DescribedField,
        name=st.sampled_from("abc"),
        type=st.sampled_from(WORDS),
        offset=st.none() | st.integers(0, 70),
        count=st.none() | st.integers(0, 70) | st.sampled_from(["a", "b", "rest"]),
        scale=st.decimals("-1000", "1000", places=4),
    ),
    lambda inner: st.builds(
        DescribedField,
        name=st.sampled_from("abc"),
        type=st.just("RECORD"),
        offset=st.none() | st.integers(0, 70),
        count=st.none() | st.integers(0, 70) | st.sampled_from(["a", "b", "rest"]),
        fields=st.lists(inner, max_size=3).map(tuple),
    ),
    max_leaves=6,
)


@given(st.lists(fields, max_size=4), st.binary(max_size=60), st.integers(0, 7), st.integers(0, 15))
def test_any_description_of_any_octets_gives_values_in_their_places(
    items: list[DescribedField], octets: bytes, tm_format: int, ni_format: int
) -> None:
    context = meter(tm_format=tm_format, ni_format1=ni_format, ni_format2=ni_format)
    described = decode_described(table(*items), octets, context)
    for value in described.values:
        assert octets[value.offset : value.offset + value.length] == value.octets
        assert value.offset + value.length <= len(octets) or not value.length


@pytest.mark.parametrize(
    "word", ["", "U", "U7", "U128", "BCD0", "BCD33", "BITS64", "FLOAT16", "CHAR", "u8", "OCTETS99999"]
)
def test_a_word_that_is_no_type(word: str) -> None:
    assert wire_of(word) is None


@pytest.mark.parametrize("word", WORDS)
def test_a_word_that_is_a_type(word: str) -> None:
    assert wire_of(word) is not None
