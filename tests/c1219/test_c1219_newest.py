"""Which octets hold the newest intervals, and what is left of blocks that are cut."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.c1219 import BlockLayout, ProfileData, block_layout, encode
from drivers.c1219.decade6 import ProfileSetStatus
from drivers.c1219.newest import Goal, Stretch, Stretches, cut, newest_intervals, remembered, same_interval
from drivers.c1219.profile import interval_blocks
from drivers.c1219.times import MeterTimes
from tests.c1219.meter_maker import DAY, MeterMaker, block, utc

QUARTER = timedelta(minutes=15)


def layout_of(meter: MeterMaker) -> BlockLayout:
    return block_layout(meter.context, 1)


def stretches(count: int, *, valid_int: int = 3, neighbour: bool = False, reads: bool = False) -> Stretches:
    layout = layout_of(MeterMaker([block(f"{DAY}01:00")] * 3, blk_end_pulse=reads))
    status = ProfileSetStatus(nbr_valid_blocks=3, last_block_element=2, nbr_valid_int=valid_int)
    return newest_intervals((0, 1, 2), status, layout, count, valid_of=lambda _element: None, neighbour=neighbour)


def test_the_newest_blocks_until_there_are_enough_intervals() -> None:
    assert stretches(2) == Stretches((Stretch(2, 3, 2),), all=False)
    assert stretches(3) == Stretches((Stretch(2, 3, 3),), all=False)
    assert stretches(4) == Stretches((Stretch(2, 3, 3), Stretch(1, 4, 1)), all=False)
    assert stretches(11) == Stretches((Stretch(2, 3, 3), Stretch(1, 4, 4), Stretch(0, 4, 4)), all=True)
    assert stretches(99).all


def test_one_more_where_only_it_tells_about_the_oldest() -> None:
    assert stretches(3, reads=True).count == 4  # the register at the start of the block
    assert stretches(1, neighbour=True).count == 4  # what the end time of an unfilled block means
    assert stretches(1, neighbour=True, valid_int=4).count == 1
    assert stretches(7, reads=True).count == 8


def test_a_newest_block_without_intervals_is_no_block() -> None:
    assert stretches(2, valid_int=0) == Stretches((Stretch(1, 4, 2),), all=False)


@pytest.mark.parametrize("descending", [False, True])
def test_octets_are_head_and_slots(descending: bool) -> None:
    layout = layout_of(MeterMaker([block(f"{DAY}01:00")] * 2, extended_int_status=True, simple_int_status=True))
    head, slots = Stretch(1, 4, 2).octets(layout, descending=descending)
    assert head == (layout.size, layout.size + layout.intervals_offset)
    first = 0 if descending else 2
    begin = layout.size + layout.intervals_offset + first * layout.stride
    assert slots == (begin, begin + 2 * layout.stride)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("taken", [1, 2, 3, 4])
def test_a_block_read_in_part_is_the_end_of_the_whole_one(order: int, taken: int) -> None:
    """Whatever stands in the slots that were not read."""
    parts = [block(f"{DAY}01:00", 1, 2, 3, 4), block(f"{DAY}02:00", 5, 6, 7, 8)]
    meter = MeterMaker(parts, status={"interval_order": order})
    whole, _ = meter.read()
    slots = range(taken) if order else range(4 - taken, 4)
    counts = tuple((5, 6, 7, 8)[slot] if slot in slots else 60_000 + slot for slot in range(4))
    context = meter.context
    table = encode(ProfileData(blocks=[parts[0], block(f"{DAY}02:00", *counts)]), context)
    size = layout_of(meter).size
    pieces = {0: table[:size], 1: table[size:]}
    found, problems = interval_blocks(context, MeterTimes.of(context), 1, pieces, taken={1: taken})
    assert not problems
    assert found == [whole[0], *cut([whole[1]], utc(f"{DAY}02:00") - (taken - 1) * QUARTER)]


def test_every_interval_says_where_it_lies() -> None:
    parts = [block(f"{DAY}01:00", 1, 2, 3, 4), block(f"{DAY}02:00", 5, 6, 7, 8)]
    for order in (0, 1):
        meter = MeterMaker(parts, status={"interval_order": order})
        table = encode(ProfileData(blocks=parts), meter.context)
        for one in cut(meter.read()[0], utc(f"{DAY}00:45")):
            assert one.slots is not None
            places = [one.slots.place(k) for k in range(len(one.counts))]
            assert [int.from_bytes(table[at : at + width], "little") for at, width in places] == list(one.counts)


@given(st.integers(-3, 12))
def test_cut_leaves_the_intervals_from_there_on(after: int) -> None:
    blocks, _ = MeterMaker([block(f"{DAY}01:00"), block(f"{DAY}02:00")]).read()
    first = utc(f"{DAY}00:15") + after * QUARTER
    left = cut(blocks, first)
    ends = [one.first_interval_end + k * QUARTER for one in left for k in range(len(one.counts))]
    assert ends == [end for k in range(8) if (end := utc(f"{DAY}00:15") + k * QUARTER) >= first]
    assert all(after - before == QUARTER for before, after in pairwise(ends))


def test_what_is_remembered_is_the_newest_interval() -> None:
    blocks, _ = MeterMaker([block(f"{DAY}01:00"), block(f"{DAY}02:00", 5, 6, 7, 8)]).read()
    memory = remembered(blocks, "digest")
    assert memory is not None
    assert (memory.sequence, memory.interval_end, memory.counts) == (100, utc(f"{DAY}02:00"), ("8",))
    assert remembered([replace(one, ambiguous_time=True) for one in blocks], "digest") is None
    assert remembered([], "digest") is None


@pytest.mark.parametrize(("since", "count"), [("17:15", 1), ("17:00", 2), ("16:59", 3), ("17:20", 1), ("19:00", 1)])
def test_how_many_intervals_are_expected(since: str, count: int) -> None:
    goal = Goal(utc(f"{DAY}{since}"), now=utc(f"{DAY}17:22"))
    assert goal.estimate(QUARTER, 1000) == count
    assert Goal(utc(f"{DAY}00:00"), now=goal.now).estimate(QUARTER, 10) == 10
    assert Goal(utc(f"{DAY}00:00")).estimate(QUARTER, 10) == 1


def test_two_moments_in_one_interval() -> None:
    at = datetime(2026, 6, 1, 12, 16, tzinfo=UTC)
    assert same_interval(at, at + timedelta(minutes=13), QUARTER)
    assert not same_interval(at, at + timedelta(minutes=14), QUARTER)
    assert not same_interval(at.replace(minute=15, second=3), at, QUARTER)
    assert not same_interval(at.replace(minute=25), at.replace(minute=31), timedelta(hours=1))  # a zone of half hours
    assert not same_interval(None, at, QUARTER)
