"""What the status of an interval does to its value, and how counts become values and registers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from drivers.c1219 import Block, Closure, Quirks, block_layout
from drivers.c1219 import decade6 as d6
from drivers.c1219.interval_status import read_column
from drivers.errors import DataError
from tests.c1219.meter_maker import DAY, KVARH, KWH, WH, MeterMaker, block, ends, utc

# --- status ----------------------------------------------------------------------------------------------------------

NIBBLES = [
    (0, ("ok",), ()),
    (1, ("kept",), ("overflow",)),
    (2, ("kept",), ("partial",)),
    (3, ("kept",), ("long",)),
    (4, (), ("skipped", "missing")),
    (5, ("kept",), ("test_mode",)),
    (6, ("kept",), ()),
    (7, (), ("missing",)),
    (9, ("kept",), ()),
]


@pytest.mark.parametrize(("nibble", "kept", "words"), NIBBLES)
def test_channel_status(nibble: int, kept: tuple[str, ...], words: tuple[str, ...]) -> None:
    one = block(DAY + "01:00", 7, common=b"\0", nibbles=(bytes([nibble]),))
    column = read_column(one, 0, range(1), maximum=65535)
    assert column.counts == ((7,) if kept else (None,))
    assert column.status == (words,)
    assert column.remarked == ((nibble,) if nibble >= 6 and nibble != 7 else ())


@pytest.mark.parametrize(
    ("common", "words"),
    [(1, "daylight_saving"), (2, "power_outage"), (4, "clock_adjusted"), (8, "clock_adjusted")],
)
def test_common_status_changes_no_value(common: int, words: str) -> None:
    one = block(DAY + "01:00", 7, common=bytes([common]), nibbles=(b"\0",))
    column = read_column(one, 0, range(1), maximum=65535)
    assert (column.counts, column.status) == ((7,), ((words,),))


@pytest.mark.parametrize(
    ("count", "simple", "expected", "words"),
    [
        (7, True, 7, ()),
        (65535, True, 65535, ()),
        (7, False, None, ("missing",)),
        (0, False, None, ("missing",)),
        (65535, False, None, ("overflow",)),
        (65535, None, 65535, ("overflow",)),
        (65534, None, 65534, ()),
    ],
)
def test_simple_status(count: int, simple: bool | None, expected: int | None, words: tuple[str, ...]) -> None:
    one = block(DAY + "01:00", count, simple=None if simple is None else (simple,))
    column = read_column(one, 0, range(1), maximum=65535)
    assert (column.counts, column.status) == ((expected,), (words,))


def test_inverted_simple_status_is_a_quirk() -> None:
    one = block(DAY + "01:00", 7, 8, simple=(True, False))
    assert read_column(one, 0, range(2), maximum=None, inverted=True).counts == (None, 8)


def test_simple_and_extended_status_together() -> None:
    """The nibbles explain an invalid interval; one that they say nothing of has no value."""
    one = Block(
        end_time=None,
        counts=((7, 8), (9, 10)),
        simple=(False, False),
        common=bytes(2),
        nibbles=(b"\2\0", b"\0\0"),
    )
    assert read_column(one, 0, range(2), maximum=65535).counts == (7, None)
    assert read_column(one, 1, range(2), maximum=65535).counts == (9, None)
    assert read_column(one, 1, range(2), maximum=65535).status == ((), ("missing",))


def test_an_item_that_is_no_number_is_missing() -> None:
    maker = MeterMaker([block(DAY + "01:00", None, 1, 2, 3)], code=64, general={"ni_format1": 6})
    one = maker.read()[0][0]
    assert one.counts == (None, 1, 2, 3)
    assert list(one.values) == [None, 1, 2, 3]
    assert one.status[0] == ("missing",)


def test_configuration_change_is_remarked() -> None:
    one = block(DAY + "01:00", common=bytes(4), nibbles=(b"\6\0\0\0",))
    blocks, problems = MeterMaker([one], extended_int_status=True).read()
    assert blocks[0].counts == (1, 2, 3, 4)
    assert (problems[0].lost, "status 6" in problems[0].reason) == (False, True)


def test_blocks_closed_early_have_the_intervals_that_they_say() -> None:
    stored = [
        block(DAY + "00:30", 1, 2, 9, 9, closures=(Closure(2, 2),)),
        block(DAY + "00:30", 0, 0, 0, 0, closures=(Closure(2, 0),)),
        block(DAY + "01:30", closures=(Closure(0, 4),)),
    ]
    blocks, problems = MeterMaker(stored, bit_12=True).read()
    assert [one.counts for one in blocks] == [(1, 2), (1, 2, 3, 4)]
    assert ends(blocks)[:2] == [utc(DAY + "00:15"), utc(DAY + "00:30")]
    assert [problem.lost for problem in problems] == [False]


# --- scaling and registers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scaling", "multiplier", "values"),
    [
        ("undo", "2.5", ("2.5", "5", "7.5", "10")),
        ("multiply", "0.4", ("0.4", "0.8", "1.2", "1.6")),
        ("none", "1", ("1", "2", "3", "4")),
    ],
)
def test_scalar_and_divisor(scaling: Any, multiplier: str, values: tuple[str, ...]) -> None:
    maker = MeterMaker([block(DAY + "01:00")], scaled=(2, 5), quirks=Quirks(scaling=scaling))
    one = maker.read()[0][0]
    assert str(one.multiplier) == multiplier
    assert tuple(map(str, one.values)) == values


def test_a_multiplier_without_end_is_rounded_and_remarked() -> None:
    blocks, problems = MeterMaker([block(DAY + "01:00", 1, 3, 6, 0)], scaled=(3, 1)).read()
    assert list(blocks[0].values[1:]) == [1, 2, 0]
    assert str(blocks[0].values[0]) == "0." + "3" * 28
    assert "no finite decimal form" in problems[0].reason


def test_zero_scalar_and_divisor_count_as_one() -> None:
    assert MeterMaker([block(DAY + "01:00")], scaled=(0, 0)).read()[0][0].multiplier == 1


def test_end_readings_are_in_the_unit_of_the_intervals() -> None:
    channel = d6.ProfileChannel(end_rdg_flag=True, lp_source_select=0, end_blk_rdg_source_select=1)
    stored = [block(DAY + "01:00", end_reads=(12,)), block(DAY + "02:00", end_reads=(13,))]
    maker = MeterMaker(stored, channel=channel, units=(WH, replace(KWH, time_base=0)), blk_end_read=True)
    blocks, _problems = maker.read()
    assert [one.unit for one in blocks] == ["Wh", "Wh"]
    assert [[one.start_register, one.stop_register] for one in blocks] == [[None, 12000], [12000, 13000]]
    other = MeterMaker(stored, channel=channel, units=(WH, KVARH), blk_end_read=True)
    assert other.read()[0][1].stop_register is None


def test_readings_inside_a_block_only_start_at_zero() -> None:
    """BLK_END_RD_INDICATOR of the 2008 edition."""
    channel = d6.ProfileChannel(end_rdg_flag=True, lp_source_select=0)
    stored = [block(DAY + "01:00", end_reads=(10,)), block(DAY + "02:00", end_reads=(11,))]
    maker = MeterMaker(
        stored, channel=channel, blk_end_read=True, bit_12=True, general={"std_version_no": 2}, lp_memory_len=34
    )
    assert [[one.start_register, one.stop_register] for one in maker.read()[0]] == [[0, 10], [0, 11]]


def test_a_channel_without_a_source_is_left_out() -> None:
    blocks, problems = MeterMaker([block(DAY + "01:00")], channel=d6.ProfileChannel(lp_source_select=255)).read()
    assert blocks == []
    assert (problems[0].what, problems[0].lost) == ("profile channel 1", False)


def test_a_channel_of_a_source_that_does_not_exist_is_a_problem() -> None:
    blocks, problems = MeterMaker([block(DAY + "01:00")], channel=d6.ProfileChannel(lp_source_select=7)).read()
    assert blocks == []
    assert problems[0].lost


def test_an_interval_length_of_zero_is_refused() -> None:
    with pytest.raises(DataError, match="interval length of 0"):
        MeterMaker([block(DAY + "01:00")], minutes=0).read()


def test_a_layout_can_be_asked_for_before_reading() -> None:
    assert block_layout(MeterMaker([block(DAY + "01:00")]).context, 1).size == 13
