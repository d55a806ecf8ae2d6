"""Check values against published ones."""

from __future__ import annotations

import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.pager.checks import Algorithm, check_value, width_of

NINE = b"123456789"


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [  # the `check` column of the catalogue of parametrised CRC algorithms
        ("crc16-arc", 0xBB3D),
        ("crc16-modbus", 0x4B37),
        ("crc16-xmodem", 0x31C3),
        ("crc16-kermit", 0x2189),
        ("crc16-ibm-3740", 0x29B1),
        ("crc16-ibm-sdlc", 0x906E),
        ("crc32-iso-hdlc", 0xCBF43926),
        ("xor8", 0x31),
        ("sum8", 0xDD),
        ("sum8-negated", 0x23),
        ("sum16", 0x01DD),
    ],
)
def test_published_check_values(algorithm: Algorithm, value: int) -> None:
    assert check_value(algorithm, NINE) == value


@pytest.mark.parametrize(("number", "digit"), [(b"7992739871", 3), (b"37828224631000", 5), (b"", 0)])
def test_luhn(number: bytes, digit: int) -> None:
    assert check_value("luhn", number) == digit


@given(st.binary())
def test_against_the_standard_library(octets: bytes) -> None:
    assert check_value("crc32-iso-hdlc", octets) == binascii.crc32(octets)
    assert check_value("crc16-xmodem", octets) == binascii.crc_hqx(octets, 0)
    assert check_value("crc16-ibm-3740", octets) == binascii.crc_hqx(octets, 0xFFFF)


@given(st.binary(max_size=64), st.sampled_from(["xor8", "sum8", "sum8-negated", "sum16", "luhn", "crc16-arc"]))
def test_values_fit_their_width(octets: bytes, algorithm: Algorithm) -> None:
    bits = width_of(algorithm)
    assert 0 <= check_value(algorithm, octets) < (1 << bits if bits else 10)
