"""Float registers as decimals: the shortest that identifies the bits, exactly, for every bit pattern."""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers.modbus.floats import NotFinite, exact, identified_by, shortest

bits32 = st.integers(0, 2**32 - 1).map(lambda bits: bits.to_bytes(4, "big"))
bits64 = st.integers(0, 2**64 - 1).map(lambda bits: bits.to_bytes(8, "big"))


def is_finite(octets: bytes) -> bool:
    return math.isfinite(struct.unpack(">f" if len(octets) == 4 else ">d", octets)[0])


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
