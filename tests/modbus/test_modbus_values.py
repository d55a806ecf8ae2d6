"""Every type, in every order of words and octets, comes back exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import DataError
from drivers.modbus.values import TYPES, in_order, is_absent, read_number, read_text
from metersim.modbus.encode import encode

ORDERS = st.sampled_from(["big", "little"])
RANGES = {
    "u16": (0, 2**16 - 1), "i16": (-(2**15), 2**15 - 1), "u32": (0, 2**32 - 1), "i32": (-(2**31), 2**31 - 1),
    "u64": (0, 2**64 - 1), "i64": (-(2**63), 2**63 - 1), "acc32": (0, 2**32 - 1), "acc64": (0, 2**64 - 1),
    "sunssf": (-10, 10),
}  # fmt: skip


def wire(registers: list[int]) -> bytes:
    return b"".join(word.to_bytes(2, "big") for word in registers)


@given(st.data(), st.sampled_from(sorted(RANGES)), ORDERS, ORDERS)
def test_whole_numbers(data: st.DataObject, kind: str, words: str, within: str) -> None:
    value = data.draw(st.integers(*RANGES[kind]))
    octets = wire(encode(kind, value, words=words, within=within))
    assert len(octets) == 2 * TYPES[kind].registers
    assert read_number(kind, in_order(octets, words, within)) == value  # type: ignore[arg-type]


@given(st.data(), st.sampled_from(["bcd", "mod10"]), st.integers(2, 4), ORDERS, ORDERS)
def test_decimal_codes(data: st.DataObject, kind: str, length: int, words: str, within: str) -> None:
    value = data.draw(st.integers(0, 10 ** (4 * length) - 1))
    octets = wire(encode(kind, value, length=length, words=words, within=within))
    assert read_number(kind, in_order(octets, words, within)) == value  # type: ignore[arg-type]


@given(st.binary(min_size=2, max_size=16).filter(lambda octets: len(octets) % 2 == 0), ORDERS, ORDERS)
def test_putting_octets_in_order_is_its_own_inverse(octets: bytes, words: str, within: str) -> None:
    assert in_order(in_order(octets, words, within), words, within) == octets  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "within", "octets"),
    [
        ("big", "big", "01 02 03 04"),
        ("little", "big", "03 04 01 02"),
        ("big", "little", "02 01 04 03"),
        ("little", "little", "04 03 02 01"),
    ],
)
def test_the_four_orders_by_hand(words: str, within: str, octets: str) -> None:
    assert read_number("u32", in_order(bytes.fromhex(octets), words, within)) == 0x01020304  # type: ignore[arg-type]


@given(st.sampled_from(sorted(TYPES)), st.binary(min_size=8, max_size=8))
def test_any_octets_give_a_value_or_a_reason(kind: str, octets: bytes) -> None:
    octets = octets[: 2 * (TYPES[kind].registers or 4)]
    reason = ""
    try:
        read_text(kind, octets)
    except DataError as error:
        reason = str(error)
    assert not reason or octets.hex(" ").upper() in reason


def test_text_ends_at_nul_and_has_no_blanks_around() -> None:
    assert read_text("string", b"  SN 12 \0\xff") == "SN 12"
    with pytest.raises(DataError, match="not text"):
        read_text("string", b"\xff\xfe")
    with pytest.raises(DataError, match="printable"):
        read_text("string", b"a\x1b[31m\0")


@pytest.mark.parametrize(
    ("kind", "octets", "patterns", "absent"),
    [
        ("i16", "8000", ("0x8000",), True),
        ("i16", "8001", ("0x8000",), False),
        ("i32", "7fff1234", ("0x7FFFxxxx",), True),
        ("i32", "7ffe1234", ("0x7FFFxxxx",), False),
        ("f32", "7fc00000", (), True),
        ("f32", "7f800000", (), False),
        ("acc32", "00000000", ("0x00000000",), True),
        ("acc32", "00000000", (), False),
    ],
)
def test_what_stands_for_not_implemented(kind: str, octets: str, patterns: tuple[str, ...], absent: bool) -> None:
    assert is_absent(kind, bytes.fromhex(octets), patterns) is absent


@pytest.mark.parametrize(("kind", "octets"), [("bcd", "12 3a"), ("mod10", "00 01 27 10"), ("f32", "7f 80 00 00")])
def test_what_is_no_number_is_an_error(kind: str, octets: str) -> None:
    with pytest.raises(DataError):
        read_number(kind, bytes.fromhex(octets))
