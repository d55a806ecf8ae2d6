"""ST64 as interval blocks: time, the open block, daylight saving, order, and what is odd."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.c1219 import Block, Context, NotRead, ProfileData, Quirks, decode, encode
from drivers.c1219 import decade5 as d5
from drivers.c1219 import decade6 as d6
from drivers.c1219.profile import elements, interval_blocks
from drivers.c1219.times import MeterTimes
from drivers.data import Problem
from drivers.errors import DataError
from tests.c1219.meter_maker import DAY, MeterMaker, block, ends, reasons, utc, wall

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "c12.json").read_text(), parse_float=Decimal)


def test_blocks_join_up() -> None:
    blocks, problems = MeterMaker([block(DAY + "01:00"), block(DAY + "02:00"), block(DAY + "03:00")]).read()
    assert problems == []
    assert ends(blocks) == [utc(DAY + "00:15") + k * timedelta(minutes=15) for k in range(12)]
    assert [one.sequence for one in blocks] == [98, 99, 100]
    assert blocks[0].values == (Decimal(1), Decimal(2), Decimal(3), Decimal(4))


@pytest.mark.parametrize("name", ["meter_A", "meter_B"])
def test_chronology_of_the_reference_meters(name: str) -> None:
    context = Context()
    for table, octets in VECTORS["tables"][name]["hex"].items():
        context = context.with_table(decode(int(table[2:]), bytes.fromhex(octets), context))
    times = MeterTimes.of(context, ZoneInfo("America/New_York"))
    blocks, _problems = interval_blocks(context, times, 1, context.decoded(64).octets)
    expected = VECTORS["tables"][name]["expected"]["ST64_chronological"]["intervals"]
    shift = timedelta(hours=4) if name == "meter_A" else timedelta()
    step = timedelta(seconds=blocks[0].interval_s)
    for channel in {one.channel for one in blocks}:
        found = [
            (one.first_interval_end + k * step, count)
            for one in blocks
            if one.channel == channel
            for k, count in enumerate(one.counts)
        ]
        assert found == [(utc(one["end"]) + shift, one["data"][channel - 1]) for one in expected]
    if name == "meter_A":
        first = [one for one in blocks if one.channel == 1]
        assert first[1].status[1] == ("daylight_saving", "overflow")
        assert first[2].status[2] == ("daylight_saving", "power_outage", "partial")
        assert first[0].values[0] == 900
        assert [one.start_register for one in first] == [None, Decimal(10230), Decimal("10232.25")]
        assert first[2].stop_register == Decimal("10234.5")


def test_pulse_counters_of_meter_b_agree_with_its_intervals() -> None:
    context = Context()
    for table, octets in VECTORS["tables"]["meter_B"]["hex"].items():
        context = context.with_table(decode(int(table[2:]), bytes.fromhex(octets), context))
    blocks, _problems = interval_blocks(context, MeterTimes.of(context), 1, context.decoded(64).octets)
    assert [blocks[1].start_register, blocks[1].stop_register] == [473, 500]
    assert sum(count or 0 for count in blocks[1].counts) == 27


# --- time ------------------------------------------------------------------------------------------------------------

EASTERN = {"tm_zn_applied": True, "dst_applied": True}


def test_a_block_over_the_autumn_change_of_the_vectors() -> None:
    vector = VECTORS["block_over_dst_change"]
    hours = Block(
        end_time=wall(vector["blk_end_time"]),
        counts=((1, 2, 3, 4),),
        common=bytes(vector["dst_bits"]),
        nibbles=(bytes(4),),
    )
    clock = d5.Clock(clock_calendar=None, **EASTERN)
    blocks, problems = MeterMaker([hours], minutes=60, clock=clock, extended_int_status=True).read()
    found = [blocks[0].first_interval_end + k * timedelta(hours=1) for k in range(4)]
    assert found == [datetime.fromisoformat(end) for end in vector["utc_ends"]]
    assert problems == []


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize(
    ("start", "shown"),
    [
        ("2026-03-08T04:00", ["00:00", "01:00", "03:00", "04:00", "05:00"]),
        ("2026-11-01T03:00", ["00:00", "01:00", "01:00", "02:00", "03:00"]),
    ],
)
def test_blocks_over_a_change_join_up_in_utc(start: str, shown: list[str], *, extended: bool) -> None:
    """Blocks of one hour: the clock skips 02:00 in March and shows 01:00 twice in November."""
    day, first = start[:11], utc(start) + timedelta(hours=1)
    summer = MeterTimes.of(MeterMaker([block(DAY + "01:00")], clock=d5.Clock(clock_calendar=None, **EASTERN)).context)
    blocks = []
    for index, text in enumerate(shown):
        begin = first + timedelta(hours=index - 1)
        bits = bytes(summer.rule(begin + k * timedelta(minutes=15)) for k in range(4))
        parts: dict[str, Any] = {"common": bits, "nibbles": (bytes(4),)} if extended else {}
        blocks.append(block(day + text, **parts))
    clock = d5.Clock(clock_calendar=None, **EASTERN)
    found, problems = MeterMaker(blocks, clock=clock, extended_int_status=extended).read()
    first_end = found[0].first_interval_end
    assert ends(found) == [first_end + k * timedelta(minutes=15) for k in range(20)]
    assert problems == []
    assert not any(one.ambiguous_time for one in found)


def test_an_ambiguous_block_alone_takes_the_first_pass_and_is_marked() -> None:
    clock = d5.Clock(clock_calendar=None, **EASTERN)
    blocks, problems = MeterMaker([block("2026-11-01T01:30")], clock=clock).read()
    assert ends(blocks)[-1] == utc("2026-11-01T05:30")
    assert blocks[0].ambiguous_time
    assert [problem.lost for problem in problems] == [False]


def test_an_ambiguous_block_is_settled_by_the_block_after_it() -> None:
    clock = d5.Clock(clock_calendar=None, **EASTERN)
    blocks, problems = MeterMaker([block("2026-11-01T01:15"), block("2026-11-01T02:15")], clock=clock).read()
    assert ends(blocks)[3] == utc("2026-11-01T06:15")
    assert problems == []


EASTERN_ZONE = ZoneInfo("America/New_York")


@given(st.integers(0, 60), st.integers(1, 4), st.integers(1, 24), st.sampled_from(["2026-03-08", "2026-11-01"]))
def test_contiguous_blocks_around_a_change_are_placed_or_marked(start: int, length: int, count: int, day: str) -> None:
    """Whatever part of the night the profile covers: right, or marked as ambiguous and still together."""
    first = datetime.fromisoformat(day).replace(tzinfo=EASTERN_ZONE).astimezone(UTC) + start * timedelta(minutes=15)
    true_ends = [first + (k + 1) * length * timedelta(minutes=15) for k in range(count)]
    shown = [end.astimezone(EASTERN_ZONE).replace(tzinfo=None).isoformat() for end in true_ends]
    clock = d5.Clock(clock_calendar=None, **EASTERN)
    maker = MeterMaker([block(text, *range(1, length + 1)) for text in shown], clock=clock, valid_int=length)
    blocks, _problems = maker.read()
    step = timedelta(minutes=15)
    found = [one.first_interval_end + (length - 1) * step for one in blocks]
    marked = {one.ambiguous_time for one in blocks}
    if marked == {False}:
        assert found == true_ends
    else:
        assert marked == {True}
        assert {true - got for true, got in zip(true_ends, found, strict=True)} <= {timedelta(), timedelta(hours=1)}
        assert len({true - got for true, got in zip(true_ends, found, strict=True)}) == 1


def test_dst_bits_that_the_clock_contradicts_are_not_used() -> None:
    """A meter that shifts its clock (DST_FLAG set) but never sets the bit."""
    silent = block("2026-07-01T12:00", common=bytes(4), nibbles=(bytes(4),))
    clock = d5.Clock(clock_calendar=wall("2026-07-01T12:05"), dst_flag=True, **EASTERN)
    blocks, problems = MeterMaker([silent], clock=clock, extended_int_status=True).read()
    assert ends(blocks)[-1] == utc("2026-07-01T16:00")
    assert "DST_FLAG" in reasons(problems)[0]


def test_a_miss_by_the_daylight_saving_shift_is_remarked() -> None:
    clock = d5.Clock(clock_calendar=None, **EASTERN)
    _blocks, problems = MeterMaker([block("2026-07-01T12:00"), block("2026-07-01T14:00")], clock=clock).read()
    assert any("daylight-saving shift" in reason for reason in reasons(problems))


def test_without_a_zone_nothing_is_placed() -> None:
    maker = MeterMaker([block(DAY + "01:00")], clock=d5.Clock(clock_calendar=None, tm_zn_applied=True))
    context = Context(tables={number: table for number, table in maker.context.tables.items() if number != 53})
    octets = encode(ProfileData(blocks=maker.blocks), context)
    blocks, problems = interval_blocks(context, MeterTimes.of(context), 1, octets)
    assert blocks == []
    assert "give the site's zone" in problems[0].reason
    blocks, problems = interval_blocks(context, MeterTimes.of(context, ZoneInfo("America/Chicago")), 1, octets)
    assert ends(blocks)[-1] == utc(DAY + "07:00")


# --- the open block --------------------------------------------------------------------------------------------------


def test_the_open_block_ends_with_its_last_interval() -> None:
    blocks, problems = MeterMaker([block(DAY + "01:00"), block(DAY + "01:30", 5, 6, 0, 0)], valid_int=2).read()
    assert blocks[1].counts == (5, 6)
    assert ends(blocks)[-2:] == [utc(DAY + "01:15"), utc(DAY + "01:30")]
    assert problems == []


def test_a_planned_end_is_seen_by_the_block_before() -> None:
    blocks, problems = MeterMaker([block(DAY + "01:00"), block(DAY + "02:00", 5, 6, 0, 0)], valid_int=2).read()
    assert ends(blocks)[-2:] == [utc(DAY + "01:15"), utc(DAY + "01:30")]
    assert problems == []


def test_a_planned_end_is_seen_by_the_clock_where_no_block_is_before() -> None:
    maker = MeterMaker([block(DAY + "02:00", 5, 6, 0, 0)], valid_int=2)
    assert ends(maker.read(now=utc(DAY + "01:40"))[0]) == [utc(DAY + "01:15"), utc(DAY + "01:30")]
    assert ends(maker.read(now=utc(DAY + "02:01"))[0]) == [utc(DAY + "01:45"), utc(DAY + "02:00")]
    assert ends(maker.read()[0]) == [utc(DAY + "01:45"), utc(DAY + "02:00")]


def test_a_planned_end_that_cannot_be_told_from_a_clock_read_too_early_is_marked() -> None:
    maker = MeterMaker([block(DAY + "02:00", 5, 6, 7, 0)], valid_int=3)
    blocks, problems = maker.read(now=utc(DAY + "01:58"))
    assert ends(blocks)[-1] == utc(DAY + "01:45")
    assert blocks[0].ambiguous_time
    assert [problem.lost for problem in problems] == [False]


def test_an_end_in_the_future_that_is_not_planned_either_is_kept_and_marked() -> None:
    blocks, _problems = MeterMaker([block(DAY + "02:00", 5, 6, 0, 0)], valid_int=2).read(now=utc(DAY + "01:59"))
    assert ends(blocks)[-1] == utc(DAY + "02:00")
    assert blocks[0].ambiguous_time


def test_a_planned_end_is_a_quirk() -> None:
    maker = MeterMaker([block(DAY + "02:00", 5, 6, 0, 0)], valid_int=2, quirks=Quirks(open_block_end="block_grid"))
    assert ends(maker.read()[0]) == [utc(DAY + "01:15"), utc(DAY + "01:30")]


def test_descending_intervals_of_the_open_block_are_the_first_slots() -> None:
    maker = MeterMaker(
        [block(DAY + "01:00", 4, 3, 2, 1), block(DAY + "01:30", 6, 5, 99, 99)],
        valid_int=2,
        status={"interval_order": 1},
    )
    assert [one.counts for one in maker.read()[0]] == [(1, 2, 3, 4), (5, 6)]


def test_an_open_block_without_intervals_is_not_reported() -> None:
    blocks, problems = MeterMaker([block(DAY + "01:00"), block(DAY + "01:00", 0, 0, 0, 0)], valid_int=0).read()
    assert len(blocks) == 1
    assert problems == []


def test_a_planned_end_has_no_end_reading_yet() -> None:
    channel = d6.ProfileChannel(end_rdg_flag=True, lp_source_select=0, end_blk_rdg_source_select=0)
    maker = MeterMaker(
        [block(DAY + "01:00", end_reads=(10,)), block(DAY + "02:00", 5, 6, 0, 0, end_reads=(0,))],
        valid_int=2,
        channel=channel,
        blk_end_read=True,
    )
    assert [[one.start_register, one.stop_register] for one in maker.read()[0]] == [[None, 10], [10, None]]


# --- order -----------------------------------------------------------------------------------------------------------


@given(st.integers(1, 6), st.integers(0, 5), st.integers(1, 6), st.booleans())
def test_any_ring_is_read_oldest_first(count: int, newest: int, valid: int, descending: bool) -> None:
    newest, valid = newest % count, min(valid, count)
    stored: list[Block] = [block("2020-01-01T00:00")] * count
    for age in range(valid):
        place = (newest + age if descending else newest - age) % count
        stored[place] = block((wall(DAY + "12:00") - age * timedelta(hours=1)).isoformat(), age, 0, 0, 0)
    status = {"last_block_element": newest, "nbr_valid_blocks": valid, "block_order": int(descending), "list_type": 1}
    blocks, problems = MeterMaker(stored, status=status).read()
    assert [one.counts[0] for one in blocks] == list(range(valid - 1, -1, -1))
    assert problems == []


def test_the_order_can_be_a_quirk() -> None:
    stored = [block(DAY + "02:00"), block(DAY + "01:00")]
    status = {"last_block_element": 0}
    assert elements(MeterMaker(stored, status=status).context, 1) == (1, 0)
    ascending = MeterMaker(stored, status=status, quirks=Quirks(block_order="descending"))
    assert elements(ascending.context, 1) == (1, 0)
    assert elements(MeterMaker([*stored, stored[0]], status={"block_order": 1}).context, 1) == (1, 0, 2)


def test_blocks_in_wrong_order_are_sorted_and_remarked() -> None:
    blocks, problems = MeterMaker([block(DAY + "02:00"), block(DAY + "01:00")]).read()
    assert [one.first_interval_end for one in blocks] == [utc(DAY + "00:15"), utc(DAY + "01:15")]
    assert "sorted by time" in reasons(problems)[0]


def test_a_duplicate_is_left_out_and_named() -> None:
    blocks, problems = MeterMaker([block(DAY + "01:00"), block(DAY + "01:00", 9, 9, 9, 9)]).read()
    assert [one.counts for one in blocks] == [(1, 2, 3, 4)]
    assert (problems[0].what, problems[0].lost) == ("ST64 block 1", True)


def test_an_overlap_is_remarked_and_a_gap_is_left_open() -> None:
    blocks, problems = MeterMaker([block(DAY + "01:00"), block(DAY + "01:30"), block(DAY + "06:00")]).read()
    assert len(blocks) == 3
    assert [problem.lost for problem in problems] == [False]
    assert "overlaps block 0 by 0:30:00" in problems[0].reason
    assert blocks[2].start_register is None


def test_a_block_off_the_grid_is_remarked() -> None:
    blocks, problems = MeterMaker([block(DAY + "01:07")]).read()
    assert ends(blocks)[-1] == utc(DAY + "01:07")
    assert "off the 15-minute grid" in problems[0].reason


def test_a_block_without_a_time_is_named() -> None:
    blocks, problems = MeterMaker([Block(end_time=None, counts=((1, 2, 3, 4),)), block(DAY + "02:00")]).read()
    assert len(blocks) == 1
    assert (problems[0].what, problems[0].lost) == ("ST64 block 0", True)


def test_a_ring_that_contradicts_itself_is_refused() -> None:
    for status in ({"nbr_valid_blocks": 3}, {"last_block_element": 2}):
        maker = MeterMaker([block(DAY + "01:00"), block(DAY + "02:00")], status=status)
        with pytest.raises(DataError, match="ST63 of set 1 says"):
            maker.read()


def test_an_empty_profile() -> None:
    assert MeterMaker([block(DAY + "01:00")], status={"nbr_valid_blocks": 0}).read() == ([], [])


def test_more_valid_intervals_than_slots_are_a_problem() -> None:
    blocks, problems = MeterMaker([block(DAY + "01:00")], valid_int=5).read()
    assert blocks == []
    assert problems[0].lost


def test_pieces_of_the_wrong_size_are_refused() -> None:
    context = MeterMaker([block(DAY + "01:00")]).context
    times = MeterTimes.of(context)
    for pieces in ({0: bytes(12)}, {0: b""}):
        with pytest.raises(DataError, match="read in blocks of"):
            interval_blocks(context, times, 1, pieces)
    assert interval_blocks(context, times, 1, {}) == ([], [])
    for octets in (b"", bytes(12), bytes(14)):
        with pytest.raises(DataError, match="ST61 says 1 blocks of 13"):
            interval_blocks(context, times, 1, octets)


def test_a_table_cut_in_its_last_block_keeps_the_whole_ones() -> None:
    maker = MeterMaker([block(DAY + "01:00"), block(DAY + "02:00")])
    octets = encode(ProfileData(blocks=maker.blocks), maker.context)
    blocks, problems = interval_blocks(maker.context, MeterTimes.of(maker.context), 1, octets[:-1])
    assert len(blocks) == 1
    assert problems == [Problem("ST64", "25 octets came, 26 expected: 1 whole blocks")]


def test_tables_that_are_missing_are_named() -> None:
    context = MeterMaker([block(DAY + "01:00")]).context
    without = Context(tables={number: table for number, table in context.tables.items() if number != 63})
    with pytest.raises(NotRead, match="ST63"):
        elements(without, 1)
    with pytest.raises(DataError, match="profile set 2"):
        elements(context, 2)
