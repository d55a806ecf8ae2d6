"""Floats as decimals: the shortest that identifies the bits, for every bit pattern, and the nearest float back."""

from __future__ import annotations

import math
import struct
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers.ieee754 import NotFinite, exact, identified_by, nearest, quiet_nan, shortest

bits32 = st.integers(0, 2**32 - 1).map(lambda bits: bits.to_bytes(4, "big"))
bits64 = st.integers(0, 2**64 - 1).map(lambda bits: bits.to_bytes(8, "big"))


CODES = {4: ">f", 8: ">d"}


def is_finite(octets: bytes) -> bool:
    return math.isfinite(struct.unpack(CODES[len(octets)], octets)[0])


@given(bits64.filter(is_finite))
@example((1).to_bytes(8, "big"))  # the smallest
@example(bytes.fromhex("3d30000000000000"))  # 2**-44, beside which the neighbours are not equally far
@example(bytes.fromhex("7fefffffffffffff"))  # the largest
def test_binary64_is_what_the_language_itself_prints(octets: bytes) -> None:
    value = struct.unpack(">d", octets)[0]
    found = shortest(octets)
    assert float(found) == value
    assert len(found.as_tuple().digits) <= len(Decimal(repr(value)).normalize().as_tuple().digits)
    assert identified_by(Decimal(repr(value)), octets)


@given(bits32.filter(is_finite))
@example(bytes.fromhex("00000001"))
@example(bytes.fromhex("7f7fffff"))
@example(bytes.fromhex("4b800000"))  # 2**24
def test_binary32_comes_back_bit_for_bit_and_nothing_shorter_does(octets: bytes) -> None:
    found = shortest(octets)
    assert identified_by(found, octets)
    whole = exact(octets)
    if whole == 0:
        return
    for neighbour in (-1, 1):
        bits = int.from_bytes(octets, "big") + neighbour
        if 0 < bits < 2**32 and is_finite(bits.to_bytes(4, "big")):
            assert not identified_by(found, bits.to_bytes(4, "big"))
    digits = len(found.as_tuple().digits)
    assert digits <= 9
    if digits > 1:
        magnitude = found.adjusted()
        step = Fraction(10) ** (magnitude - digits + 2)  # one digit less
        for count in (abs(whole) // step, abs(whole) // step + 1):
            shorter = Decimal(count.numerator).scaleb(magnitude - digits + 2)
            assert not identified_by(-shorter if whole < 0 else shorter, octets)


@given(st.integers(1, 9_999_999), st.integers(-3, 0))
def test_what_a_meter_displays_with_seven_digits_is_what_is_read(count: int, power: int) -> None:
    meant = Decimal(count).scaleb(power)
    if meant >= 100_000:
        return
    octets = struct.pack(">f", float(meant))
    assert identified_by(meant, octets)
    assert len(shortest(octets).as_tuple().digits) <= len(meant.normalize().as_tuple().digits)


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        ("4640e6b6", "12345.678"),
        ("00000000", "0"),
        ("80000000", "0"),
        ("3dcccccd", "0.1"),
        ("bdcccccd", "-0.1"),
        ("43e51f0a", "458.2425"),
        ("47c34ffb", "99999.96"),
        ("40c81cd6e631f8a1", "12345.6789"),
    ],
)
def test_known_registers(octets: str, value: str) -> None:
    assert f"{shortest(bytes.fromhex(octets)):f}" == value


@pytest.mark.parametrize(
    ("octets", "what"),
    [("7fc00000", "NaN"), ("ffc00001", "NaN"), ("7f800000", "infinity"), ("fff0000000000000", "-infinity")],
)
def test_what_is_no_number_says_so(octets: str, what: str) -> None:
    with pytest.raises(NotFinite, match=f"^{what}$"):
        shortest(bytes.fromhex(octets))


@given(bits32.filter(is_finite) | bits64.filter(is_finite))
def test_what_is_read_is_stored_again_as_the_same_bits_but_for_the_sign_of_zero(octets: bytes) -> None:
    plus_zero = bytes(len(octets))
    assert nearest(shortest(octets), len(octets)) == (octets if exact(octets) else plus_zero)
    assert struct.pack(CODES[len(octets)], float(exact(octets))) == (octets if exact(octets) else plus_zero)


doubles = st.floats(allow_nan=False, allow_infinity=False)


@given(
    doubles | st.floats(-1, 1).map(lambda part: part * 2.0**-125) | st.floats(-1, 1).map(lambda part: part * 2.0**128)
)
@example(2.0**-150)  # halfway between zero and the smallest
@example(2.0**-149 * 1.5)
@example(1 + 2.0**-24)
@example(1 + 3 * 2.0**-24)
@example(2.0**128 - 2.0**103)  # halfway between the largest and infinity
@example(2.0**128 - 2.0**103 - 2.0**75)
@example(-0.0)
def test_a_double_is_rounded_to_the_single_that_the_machine_makes_of_it(number: float) -> None:
    try:
        peer = struct.pack(">f", number)
    except OverflowError:
        with pytest.raises(ValueError, match="does not fit a 32-bit float"):
            nearest(Decimal(number), 4)
    else:
        assert nearest(Decimal(number), 4) == peer


@given(st.integers(-(10**30), 10**30), st.integers(-360, 310))
@example(2**53 + 1, 0)
@example(2**53 + 3, 0)
@example(17976931348623158079372897140530341507993413271003782693617377898, 244)  # just below halfway to infinity
@example(17976931348623158079372897140530341507993413271003782693617377899, 244)
@example(24703282292062327208, -343)  # just below, just above half the smallest
@example(24703282292062327209, -343)
def test_a_decimal_is_rounded_to_the_double_that_the_language_makes_of_it(count: int, power: int) -> None:
    number = Decimal(f"{count}E{power}")
    peer = float(number)
    if math.isinf(peer):
        with pytest.raises(ValueError, match="does not fit a 64-bit float"):
            nearest(number, 8)
    else:
        assert nearest(number, 8) == struct.pack(">d", peer)


@given(st.integers(0, 0x7F7FFFFE), st.integers(9, 60))
@example(0, 9)
@example(0x007FFFFF, 20)
@example(0x4B7FFFFF, 30)
def test_a_single_is_rounded_once_however_near_the_middle_of_two(bits: int, digits: int) -> None:
    """A double on the way would take what is a hair beside the middle for the middle."""
    one, other = bits.to_bytes(4, "big"), (bits + 1).to_bytes(4, "big")
    with localcontext(prec=400):
        middle = sum(Decimal(struct.unpack(">f", octets)[0]) for octets in (one, other)) / Decimal(2)
        hair = middle.scaleb(-digits)
        assert (nearest(middle - hair, 4), nearest(middle + hair, 4)) == (one, other)
        assert nearest(middle, 4) == (other if bits % 2 else one)
        assert nearest(hair - middle, 4) == struct.pack(">f", -struct.unpack(">f", one)[0])


@pytest.mark.parametrize("width", [4, 8])
def test_the_ends_of_the_range_are_told_without_writing_numbers_out(width: int) -> None:
    assert nearest(Decimal("1E-999999999"), width) == bytes(width)
    assert nearest(Decimal("0E+999999999"), width) == bytes(width)
    assert not identified_by(Decimal("1E+999999999"), bytes(width))
    for text in ("1E+999999999", "-1E+999999999", "Infinity", "NaN"):
        with pytest.raises(ValueError, match=f"does not fit a {8 * width}-bit float$"):
            nearest(Decimal(text), width)


def test_no_number_is_the_quiet_nan_of_the_machine() -> None:
    assert {width: quiet_nan(width) for width in CODES} == {
        width: struct.pack(code, math.nan) for width, code in CODES.items()
    }
