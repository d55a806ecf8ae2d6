"""NON-INTEGER formats 0–13 and INT_FORMATs: the vectors, round trips, and what counts as no number."""

from __future__ import annotations

import json
import math
import struct
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.c1219.number import NI_WIDTHS, NumberFormat, Order
from drivers.decimal_text import plain
from drivers.errors import DataError

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "c12.json").read_text(), parse_float=Decimal)
ORDERS: dict[str, Order] = {"LSB": "little", "MSB": "big"}


@pytest.mark.parametrize("vector", VECTORS["ni_formats"], ids=lambda v: f"{v['ni_format']}-{v['hex'][:8]}")
def test_number_of_the_vectors(vector: dict[str, Any]) -> None:
    form = NumberFormat(vector["ni_format"], ORDERS[vector["data_order"]], vector["int_format"])
    octets = bytes.fromhex(vector["hex"])
    assert form.width == vector["width"] == len(octets)
    assert form.decode(octets) == vector["value"]
    assert form.decode(form.encode(vector["value"])) == vector["value"]


def test_whole_formats_give_int_and_pointed_ones_decimal() -> None:
    assert isinstance(NumberFormat(8).decode(bytes(4)), int)
    assert isinstance(NumberFormat(5).decode(bytes(6)), int)
    assert isinstance(NumberFormat(4).decode(bytes(4)), Decimal)
    assert NumberFormat(11).decode((2**62 + 1).to_bytes(8, "little")) == 2**62 + 1


@pytest.mark.parametrize(
    ("code", "octets"),
    [
        (0, struct.pack("<d", math.nan)),
        (0, struct.pack("<d", -math.inf)),
        (1, struct.pack("<f", math.nan)),
        (1, struct.pack("<f", math.inf)),
        (2, b"            "),
        (2, b"1 2         "),
        (2, b"0x10        "),
        (2, b"1_000       "),
        (2, b"12,5        "),
        (3, b"nan   "),
        (3, b"\xff" * 6),
        (13, b"1E999999".ljust(21)),
        (13, b"1E+999".ljust(21)),
        (5, b"\xff" * 6),
        (6, b"\xff" * 4),
        (6, bytes.fromhex("12F34567")),
        (6, bytes.fromhex("1A345678")),
        (6, bytes.fromhex("1D3D5678")),
        (12, b"\xff" * 8),
        (12, b"\xbb" * 8),
    ],
)
def test_what_is_no_number_is_missing_not_zero(code: int, octets: bytes) -> None:
    assert NumberFormat(code).decode(octets) is None


def test_bcd_fill_at_either_end_is_skipped() -> None:
    assert NumberFormat(6).decode(bytes.fromhex("FFF12345")) == 12345
    assert NumberFormat(6).decode(bytes.fromhex("BBBB0070")) == 70


def test_bcd_point_of_a_profile_gives_way_to_a_point_in_the_digits() -> None:
    form = NumberFormat(6, bcd_point=2)
    assert form.decode(bytes.fromhex("00012345")) == Decimal("123.45")
    assert form.decode(bytes.fromhex("0001D234")) == Decimal("1.234")
    assert form.decode(form.encode(Decimal("-9.99"))) == Decimal("-9.99")


@pytest.mark.parametrize("code", [14, 15])
def test_reserved_formats_are_refused(code: int) -> None:
    with pytest.raises(DataError, match=f"reserved number format {code}"):
        NumberFormat(code)


def test_reserved_int_format_is_refused() -> None:
    with pytest.raises(DataError, match="INT_FORMAT 3"):
        NumberFormat(8, int_format=3).decode(b"\xff" * 4)


def test_float_zero_has_no_sign_and_large_floats_no_exponent() -> None:
    assert str(NumberFormat(0).decode(struct.pack("<d", -0.0))) == "0"
    assert str(NumberFormat(0).decode(struct.pack("<d", 1e22))) == "1" + "0" * 22
    assert str(NumberFormat(1).decode(struct.pack("<f", 1e6))) == "1000000"
    assert str(NumberFormat(1).decode(struct.pack("<f", 0.1))) == "0.1"
    assert str(NumberFormat(1).decode(struct.pack("<f", 16777217.0))) == "16777216"


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["little", "big"]))
def test_float64_is_the_shortest_decimal_with_the_same_bits(number: float, order: Order) -> None:
    form = NumberFormat(0, order)
    octets = form.encode(Decimal(repr(number)))
    value = form.decode(octets)
    assert value is not None
    assert float(value) == number
    assert Decimal(repr(number)) == value


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_float32_is_the_shortest_decimal_with_the_same_bits(number: float) -> None:
    octets = struct.pack("<f", number)
    value = NumberFormat(1).decode(octets)
    assert isinstance(value, Decimal)
    assert struct.pack("<f", float(value)) in {octets, struct.pack("<f", abs(number)) if not number else octets}
    digits = len(value.normalize().as_tuple().digits)
    assert digits <= 9
    if digits > 6:
        for fewer in range(6, digits):
            shorter = float(f"{number:.{fewer}g}")
            assert abs(shorter) > 3.4028235e38 or struct.pack("<f", shorter) != octets


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from(["little", "big"]))
def test_floats_are_encoded_as_the_machine_lays_them_out(number: float, order: Order) -> None:
    prefix = "<" if order == "little" else ">"
    assert NumberFormat(1, order).encode(Decimal(number)) == struct.pack(prefix + "f", number)
    assert NumberFormat(0, order).encode(Decimal(number)) == struct.pack(prefix + "d", number)
    assert NumberFormat(0, order).encode(None) == struct.pack(prefix + "d", math.nan)


def test_a_single_is_rounded_once() -> None:
    """The nearest double is halfway between two singles, of which the even one is the lower."""
    value = Decimal("1.00000005960464477540")  # 1 + 2**-24 and a little
    assert NumberFormat(1, "big").encode(value).hex() == "3f800001"


INT_RANGES = {7: 24, 8: 32, 9: 40, 10: 48, 11: 64}


@given(st.data(), st.sampled_from(sorted(INT_RANGES)), st.sampled_from(["little", "big"]), st.sampled_from([0, 1, 2]))
def test_integers_come_back(data: st.DataObject, code: int, order: Order, int_format: int) -> None:
    limit = 1 << (INT_RANGES[code] - 1)
    number = data.draw(st.integers(-limit + (int_format != 0), limit - 1))
    form = NumberFormat(code, order, int_format)
    octets = form.encode(number)
    assert len(octets) == NI_WIDTHS[code]
    assert form.decode(octets) == number
    assert form.maximum == limit - 1


@given(st.sampled_from([5, 6, 12]), st.data())
def test_bcd_comes_back(code: int, data: st.DataObject) -> None:
    digits = 2 * NI_WIDTHS[code]
    number = data.draw(st.integers(-(10 ** (digits - 1)) + 1, 10**digits - 1))
    assert NumberFormat(code).decode(NumberFormat(code).encode(number)) == number


@given(st.sampled_from([2, 3, 13]), st.data())
def test_text_comes_back(code: int, data: st.DataObject) -> None:
    number = data.draw(st.decimals(-999, 9999, places=1))
    assert NumberFormat(code).decode(NumberFormat(code).encode(number)) == number


@given(st.sampled_from(range(14)), st.sampled_from(["little", "big"]), st.sampled_from([0, 1, 2]), st.data())
def test_any_octets_give_a_number_or_none(code: int, order: Order, int_format: int, data: st.DataObject) -> None:
    form = NumberFormat(code, order, int_format)
    octets = data.draw(st.binary(min_size=form.width, max_size=form.width))
    value = form.decode(octets)
    if value is not None:
        text = plain(Decimal(value))
        assert Decimal(text) == value
        assert len(text) < 1200


@pytest.mark.parametrize(
    ("code", "value"),
    [(7, 2**23), (8, Decimal("0.5")), (6, 10**8), (3, 1234567), (1, Decimal("1e40")), (4, Decimal("0.00001"))],
)
def test_what_does_not_fit_is_refused(code: int, value: Decimal | int) -> None:
    with pytest.raises(ValueError, match=r"fit|longer|large|hold"):
        NumberFormat(code).encode(value)


@pytest.mark.parametrize("code", [0, 1, 2, 3, 5, 6, 12, 13])
def test_formats_that_can_say_none_say_it(code: int) -> None:
    assert NumberFormat(code).decode(NumberFormat(code).encode(None)) is None
