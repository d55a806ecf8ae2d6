"""Blocks of ST64–ST67: extended status, the closure field, item formats, both orders of nibbles."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.c1219 import (
    Block,
    BlockLayout,
    Closure,
    Context,
    NotRead,
    ProfileData,
    Quirks,
    block_layout,
    block_size,
    decode,
    decode_block,
    encode,
    size,
)
from drivers.c1219 import decade0 as d0
from drivers.c1219 import decade6 as d6
from drivers.c1219.items import ItemFormat
from drivers.errors import DataError

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "c12.json").read_text())


def profile(
    *,
    channels: int = 2,
    intervals: int = 2,
    blocks: int = 1,
    code: int = 2,
    quirks: Quirks | None = None,
    general: dict[str, Any] | None = None,
    **limits: Any,
) -> Context:
    """Return a meter with one profile set."""
    lp_set = d6.ProfileSet(nbr_blks=blocks, nbr_blk_ints=intervals, nbr_chns=channels, max_int_time=15)
    control = d6.ProfileSetControl(
        channels=tuple(d6.ProfileChannel(lp_source_select=n) for n in range(channels)), int_fmt_cde=code
    )
    return Context(quirks or Quirks()).with_tables(
        d0.GeneralConfiguration(std_tbls_used=frozenset({64}), **(general or {})),
        d6.ProfileLimits(sets=(lp_set, None, None, None), **limits),
        d6.ProfileControl(sets=(control, None, None, None)),
    )


@pytest.mark.parametrize("vector", VECTORS["extended_status"], ids=lambda v: f"{v['channels']} channels")
def test_extended_status_of_the_vectors(vector: dict[str, Any]) -> None:
    context = profile(channels=vector["channels"], intervals=1, code=1, extended_int_status=True)
    status = bytes.fromhex(vector["hex"])
    octets = bytes([24, 1, 2, 3, 0]) + status + bytes(vector["channels"])
    block = decode_block(octets, context, 1)
    assert block.common == bytes([vector["common"]])
    assert block.nibbles is not None
    assert [column[0] for column in block.nibbles] == vector["ch_status"]
    assert block_layout(context, 1).encode(block) == octets


def test_low_nibble_first_is_a_quirk() -> None:
    context = profile(
        channels=1, intervals=1, code=1, extended_int_status=True, quirks=Quirks(status_nibbles="low_first")
    )
    block = decode_block(bytes([24, 1, 2, 3, 0, 0x31, 7]), context, 1)
    assert (block.common, block.nibbles) == (b"\1", (b"\3",))


def closure_context(**limits: Any) -> Context:
    """Return the meter of the closure vector."""
    return profile(simple_int_status=True, bit_12=True, **limits)


def test_closure_block_of_the_vectors() -> None:
    vector = VECTORS["closure_block"]
    octets = bytes.fromhex(vector["hex"])
    decoded = decode(64, octets, closure_context())
    assert isinstance(decoded.table, ProfileData)
    assert decoded.table.closure
    (block,) = decoded.table.blocks
    assert block.end_time == datetime.fromisoformat(vector["blk_end_time"])
    assert block.closures == tuple(Closure(one["status"], one["valid"]) for one in vector["closure"])
    assert list(block.simple or ()) == vector["simple_valid"]
    assert [list(row) for row in zip(*block.counts, strict=True)] == vector["data"]
    assert encode(decoded.table, closure_context()) == octets


def test_the_size_decides_on_the_closure_field_not_the_edition() -> None:
    for edition in (1, 2):
        for bit_12 in (False, True):
            context = profile(simple_int_status=True, bit_12=bit_12, general={"std_version_no": edition})
            assert block_layout(context, 1, total=18).closure
            assert not block_layout(context, 1, total=14).closure


def test_the_memory_length_decides_before_anything_is_read() -> None:
    assert block_size(closure_context(lp_memory_len=14), 1) == 14
    assert block_size(closure_context(lp_memory_len=18), 1) == 18
    assert size(64, closure_context(lp_memory_len=18)) == 18


def test_a_sample_of_two_blocks_decides_where_nothing_else_does() -> None:
    for closure, wanted in ((False, 14), (True, 18)):
        context = profile(blocks=3, simple_int_status=True, bit_12=True)
        block = Block(
            end_time=datetime.fromisoformat("2026-06-01T12:30"),
            counts=((300, 300), (300, 300)),
            simple=(True, True),
            closures=(Closure(0, 2),) * 2 if closure else None,
        )
        octets = encode(ProfileData(closure=closure, blocks=(block,) * 3), context)
        assert block_layout(context, 1, sample=octets[:36]).size == wanted


def test_the_edition_is_the_last_resort() -> None:
    assert block_size(closure_context(), 1) == 18
    assert block_size(profile(simple_int_status=True, bit_12=True, general={"std_version_no": 2}), 1) == 14
    assert block_size(profile(simple_int_status=True), 1) == 14


@pytest.mark.parametrize(("word", "wanted"), [("present", 18), ("absent", 14)])
def test_the_quirk_decides_first(word: Any, wanted: int) -> None:
    context = profile(simple_int_status=True, quirks=Quirks(closure_field=word))
    assert block_layout(context, 1, total=32 - wanted).size == wanted


def test_worked_block_size_of_a_day_of_four_channels() -> None:
    context = profile(channels=4, intervals=96, extended_int_status=True, general={"tm_format": 4})
    assert block_size(context, 1) == 1060


CODES = {1: (1, 0, 255), 2: (2, 0, 65535), 4: (4, 0, 2**32 - 1), 8: (1, -128, 127), 16: (2, -(2**15), 2**15 - 1)}
CODES[32] = (4, -(2**31), 2**31 - 1)


@pytest.mark.parametrize("code", sorted(CODES))
@pytest.mark.parametrize("order", [0, 1])
@given(data=st.data())
def test_integer_items_come_back(code: int, order: int, data: st.DataObject) -> None:
    width, low, high = CODES[code]
    context = profile(channels=2, intervals=5, code=code, general={"data_order": order})
    layout = block_layout(context, 1)
    assert (layout.item.width, layout.item.maximum) == (width, high)
    column = st.tuples(*[st.integers(low, high)] * 5)
    block = Block(end_time=None, counts=(data.draw(column), data.draw(column)))
    assert layout.decode(layout.encode(block)) == block


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("int_format", [0, 1, 2])
@pytest.mark.parametrize("ni_format", [7, 8, 9, 10, 11])
@given(data=st.data())
def test_items_of_the_meters_integer_formats_come_back(
    order: int, int_format: int, ni_format: int, data: st.DataObject
) -> None:
    general = {"data_order": order, "int_format": int_format, "ni_format2": ni_format}
    context = profile(channels=3, intervals=3, code=128, extended_int_status=True, general=general)
    layout = block_layout(context, 1)
    assert layout.item.maximum is not None
    number = st.integers(-layout.item.maximum, layout.item.maximum)
    counts = tuple(data.draw(st.tuples(number, number, number)) for _ in range(3))
    block = Block(end_time=None, counts=counts, common=bytes(3), nibbles=(b"\1\2\3", b"\4\5\6", b"\7\0\1"))
    assert layout.decode(layout.encode(block)) == block


@pytest.mark.parametrize(
    ("ni_format", "values"),
    [
        (0, (Decimal("0.1"), None)),
        (1, (Decimal("7.25"), Decimal("1E-3"))),
        (3, (Decimal("12.5"), None)),
        (4, (Decimal("-0.0001"), Decimal(2))),
        (5, (123456789012, None)),
        (6, (12345678, 0)),
        (12, (9007199254740993, 1)),
        (13, (Decimal("123456.78"), None)),
    ],
)
def test_items_of_the_other_formats_come_back(ni_format: int, values: tuple[Decimal | int | None, ...]) -> None:
    context = profile(channels=1, code=64, general={"ni_format1": ni_format})
    layout = block_layout(context, 1)
    block = Block(end_time=None, counts=(values,))
    assert layout.decode(layout.encode(block)) == block


@pytest.mark.parametrize("code", [0, 3, 255, 65])
def test_an_interval_format_that_is_none_is_refused(code: int) -> None:
    with pytest.raises(DataError, match="which is none"):
        block_layout(profile(code=code), 1)
    assert size(64, profile(code=code)) is None


def test_decode_block_wants_exactly_one_block() -> None:
    context = profile()
    whole = block_size(context, 1)
    for length in (0, whole - 1, whole + 1):
        with pytest.raises(DataError, match=f"not {whole}"):
            decode_block(bytes(length), context, 1)


@pytest.mark.parametrize("length", [0, 5, 12, 27, 100])
def test_a_size_that_contradicts_st61_is_refused(length: int) -> None:
    with pytest.raises(DataError, match=f"ST64 has {length} octets where ST61 says 2 blocks of 13"):
        decode(64, bytes(length), profile(blocks=2))


def test_a_short_table_with_impossible_times_is_refused() -> None:
    octets = bytes([26, 13, 1, 0, 0]) + bytes(8)
    with pytest.raises(DataError, match="BLK_END_TIME is no time"):
        decode(64, octets, profile(blocks=2))
    assert decode(64, octets, profile(blocks=1)).remarks == ("blocks[0]: BLK_END_TIME is no time: 26-13-01 00:00",)


def test_a_profile_without_channels_is_refused() -> None:
    with pytest.raises(DataError, match="blocks of no octets"):
        decode(64, b"", profile(channels=0, intervals=0, general={"tm_format": 0}))


def test_a_set_that_is_not_in_use_is_refused() -> None:
    with pytest.raises(DataError, match="profile set 2"):
        decode(65, bytes(10), profile())
    with pytest.raises(NotRead, match="ST61"):
        decode(64, b"", Context().with_table(d0.GeneralConfiguration()))


def test_spans_are_those_of_the_blocks() -> None:
    octets = encode(ProfileData(blocks=(Block(end_time=None, counts=((1, 2), (3, 4))),) * 3), profile(blocks=3))
    source = decode(64, octets, profile(blocks=3)).source("blocks[2]")
    assert source is not None
    assert (source.table, source.offset, source.length, source.octets) == ("ST64", 26, 13, octets[26:])


@pytest.mark.parametrize(
    "block",
    [
        Block(end_time=None, counts=((1, 2),)),
        Block(end_time=None, counts=((1, 2), (3, 70000)), simple=(True, True)),
        Block(end_time=None, counts=((1, 2), (3, 4), (5, 6)), simple=(True, True)),
    ],
)
def test_a_block_that_does_not_fit_its_layout_is_not_encoded(block: Block) -> None:
    with pytest.raises((ValueError, OverflowError)):
        encode(ProfileData(blocks=(block,)), profile(simple_int_status=True))


def test_layout_is_that_of_st61() -> None:
    layout = BlockLayout.of(profile(blk_end_read=True, blk_end_pulse=True), 1, closure=False)
    assert (layout.channel_width, layout.intervals_offset, layout.stride, layout.size) == (8, 21, 4, 29)
    assert ItemFormat.of(profile(), 2).maximum == 65535
