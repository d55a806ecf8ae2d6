"""What a meter may declare, what it costs, and how much is said of it: bounded, however absurd the numbers are."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.c1219 import Context, decode, size
from drivers.c1219 import decade0 as d0
from drivers.c1219 import decade2 as d2
from drivers.c1219 import decade5 as d5
from drivers.c1219 import decade6 as d6
from drivers.c1219 import decade7 as d7
from drivers.c1219.condensed import MOST, condensed
from drivers.c1219.events import events_of
from drivers.c1219.extent import MOST_OCTETS, MOST_VALUES, REACH, check_profile, check_table
from drivers.c1219.profile import interval_blocks
from drivers.c1219.profile_data import block_size
from drivers.c1219.times import MeterTimes
from drivers.c1219.walltime import EPOCH, decode_time
from drivers.c1219.walltime import decode as decode_wall
from drivers.data import Problem
from drivers.errors import DataError
from tests.c1219.meter_maker import KWH, MeterMaker, block

GENERAL = d0.GeneralConfiguration(ni_format1=7, ni_format2=7, std_tbls_used=frozenset({64}))
BASE = Context().with_tables(GENERAL)
MOST_PER_OCTET = 60  # octets of memory that a decoded table keeps for each of its own


def large(number: int) -> Context:
    """Return the context of a table far larger than any meter has."""
    limits = {
        23: d2.RegistersLimits(nbr_summations=255, nbr_demands=120, nbr_occur=2, nbr_tiers=29),
        26: d2.RegistersLimits(nbr_self_reads=30, nbr_summations=50, nbr_demands=20, nbr_occur=2, nbr_tiers=6),
        54: d5.TimeLimits(nbr_tier_switches=14_000),
        74: d7.LogLimits(nbr_history_entries=10_000),
        76: d7.LogLimits(nbr_event_entries=4_000),
    }
    return BASE.with_tables(limits[number])


@pytest.mark.parametrize("number", [23, 26, 54, 74, 76])
def test_a_decoded_table_costs_a_fixed_multiple_of_its_octets(number: int) -> None:
    context = large(number)
    expected = size(number, context)
    assert expected is not None
    assert expected > 40_000
    octets = b"\1" * expected
    tracemalloc.start()
    try:
        decoded = decode(number, octets, context)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MOST_PER_OCTET * expected
    assert len(decoded.octets) == expected


def test_where_fields_lie_is_found_when_it_is_asked_for() -> None:
    context = BASE.with_tables(d7.LogLimits(nbr_event_entries=3, event_number=True))
    expected = size(76, context)
    assert expected is not None
    decoded = decode(76, bytes(range(expected)), context)
    assert decoded.spans["entries[1].event_number"] == (11 + 14 + 6, 2)
    assert decoded.spans.get("entries[3]") is None
    assert len(decoded.spans) == len(list(decoded.spans)) > 20
    assert decoded == decode(76, bytes(range(expected)), context)


def test_a_log_of_impossible_dates_has_few_remarks_that_count_the_rest() -> None:
    context = BASE.with_tables(d7.LogLimits(nbr_event_entries=5000), d5.Clock(clock_calendar=None, gmt_flag=True))
    expected = size(76, context)
    assert expected is not None
    head = (0).to_bytes(1, "little") + (5000).to_bytes(2, "little") + (4999).to_bytes(2, "little") + bytes(6)
    decoded = decode(76, head + b"\x1a\x0d\x20\x1a\x3d\x3d\0\0\0\0\1\0" * 5000, context)
    assert len(decoded.remarks) < 30
    assert "more like these" in decoded.remarks[-1]
    events, problems = events_of(context.with_table(decoded), MeterTimes.of(context))
    assert len(events) == 5000
    assert all(event.at is None for event in events)
    assert len(problems) < 30


# -- the extent of a profile


def limits(**changes: int) -> d6.ProfileSet:
    return d6.ProfileSet(**{"nbr_blks": 40, "nbr_blk_ints": 96, "nbr_chns": 4, "max_int_time": 15} | changes)


def status(valid: int = 40, last: int = 39) -> d6.ProfileSetStatus:
    return d6.ProfileSetStatus(nbr_valid_blocks=valid, last_block_element=last, nbr_valid_int=1)


def refusal_of(profile: d6.ProfileSet, filled: d6.ProfileSetStatus, octets: int) -> DataError | None:
    """Why a profile is not read; None where it is let through."""
    try:
        check_profile("ST64", profile, filled, octets)
    except DataError as error:
        return error
    return None


def test_every_profile_that_can_be_is_let_through() -> None:
    assert refusal_of(limits(), status(), 1060) is None
    ten_years = limits(nbr_blks=3653, nbr_chns=1)  # of quarter hours
    assert refusal_of(ten_years, status(3653, 3652), 1000) is None
    minutes = limits(nbr_blks=60, nbr_blk_ints=1440, nbr_chns=16, max_int_time=1)
    assert refusal_of(minutes, status(60, 59), 60_000) is None
    assert refusal_of(limits(nbr_blks=65_535), status(10, 9), 1060) is None  # declared, and never filled


@pytest.mark.parametrize(
    ("changes", "valid", "last", "octets", "said"),
    [
        ({"max_int_time": 0}, 40, 39, 1060, "interval length of 0"),
        ({"nbr_blk_ints": 0}, 40, 39, 4, "blocks of 0 intervals"),
        ({"nbr_chns": 0}, 40, 39, 4, "0 channels"),
        ({"nbr_blks": 65_535}, 65_535, 0, 1060, "179 years"),
        ({"nbr_blks": 65_535, "nbr_blk_ints": 65_535, "max_int_time": 255}, 65_535, 0, 9, "2077988 years"),
        ({"nbr_blks": 65_535, "nbr_chns": 255, "max_int_time": 1}, 1000, 999, 1, "96000 intervals of 255 channels"),
        ({"nbr_blks": 65_535}, 10, 65_000, 1060, "more than reads by offset reach"),
    ],
)
def test_a_profile_that_cannot_be_is_refused_by_name(
    changes: dict[str, int], valid: int, last: int, octets: int, said: str
) -> None:
    with pytest.raises(DataError) as caught:
        check_profile("ST64", limits(**changes), status(valid, last), octets)
    assert said in caught.value.message
    assert caught.value.advice


@given(
    blocks=st.integers(0, 65_535),
    intervals=st.integers(0, 65_535),
    channels=st.integers(0, 255),
    minutes=st.integers(0, 255),
    octets=st.integers(1, 2**24),
    data=st.data(),
)
def test_what_is_let_through_is_bounded(
    blocks: int, intervals: int, channels: int, minutes: int, octets: int, data: st.DataObject
) -> None:
    valid, last = data.draw(st.integers(0, blocks)), data.draw(st.integers(0, max(0, blocks - 1)))
    shape = limits(nbr_blks=blocks, nbr_blk_ints=intervals, nbr_chns=channels, max_int_time=minutes)
    try:
        check_profile("ST64", shape, status(valid, last), octets)
    except DataError:
        return
    assert valid * intervals * channels <= MOST_VALUES
    assert max(valid, last) * octets <= REACH
    assert valid * intervals * minutes <= 21 * 366 * 1440


def test_a_table_that_no_meter_has_is_not_read() -> None:
    check_table("ST23", MOST_OCTETS)
    with pytest.raises(
        DataError, match=f"ST23 would have {MOST_OCTETS + 1} octets by the meter's own limits: not read"
    ):
        check_table("ST23", MOST_OCTETS + 1)


# -- thousands of blocks at absurd times

START = 1_780_000_000
CHANCE = random.Random(9)  # noqa: S311 - repeatable


@pytest.mark.parametrize(
    "end",
    [
        lambda _k: START,
        lambda k: START + 480 * k,
        lambda k: START - 480 * k,
        lambda _k: CHANCE.randrange(1, 2**32 - 1),
        lambda _k: 1_793_480_400 + CHANCE.randrange(3600),
        lambda _k: 0,
    ],
    ids=["equal", "ascending", "descending", "anywhere", "in the repeated hour", "none"],
)
def test_thousands_of_blocks_take_no_more_than_their_number(end: Callable[[int], int]) -> None:
    """Each is read, placed and compared with its neighbours once; what is said of them stays readable."""
    count = 6000
    maker = MeterMaker(
        [block("2026-06-01T00:00", *range(8))] * count,
        minutes=1,
        valid_int=8,
        general={"tm_format": 4},
        clock=d5.Clock(clock_calendar=EPOCH + timedelta(seconds=START), tm_zn_applied=True, dst_applied=True),
    )
    context = maker.context
    one = block_size(context, 1)
    octets = b"".join(end(k).to_bytes(4, "little") + bytes(one - 4) for k in range(count))
    blocks, problems = interval_blocks(context, MeterTimes.of(context), 1, octets)
    ends = [found.first_interval_end for found in blocks]
    assert ends == sorted(set(ends))
    assert len(blocks) + len(problems) >= count - 1
    assert len(condensed(problems)) <= 3 * MOST


# -- problems


def test_problems_of_one_table_are_condensed() -> None:
    many = [Problem(f"ST76 entry {n}", "no time", lost=False) for n in range(1000)]
    lost = [Problem("ST76", "gone"), Problem("ST23 data.total.summations[0]", "no number")]
    found = condensed([*many[:500], *lost, *many[500:]])
    assert len(found) == MOST + 3
    assert found[-1] == Problem("ST76", f"and {1000 - MOST} more like these", lost=False)
    assert set(lost) < set(found)
    assert condensed(many[:MOST]) == tuple(many[:MOST])
    assert condensed([]) == ()


# -- times at the ends of what can be written


@pytest.mark.parametrize("count", [0xFFFFFFFE, 71_582_789])
def test_minutes_after_2106_are_no_time(count: int) -> None:
    with pytest.raises(ValueError, match="minutes since 1970"):
        decode_wall(count.to_bytes(4, "little"), 3, "little")
    assert decode_wall((71_582_788).to_bytes(4, "little"), 3, "little") == EPOCH + timedelta(minutes=71_582_788)


@pytest.mark.parametrize("octets", [b"\x18\0\1", b"\x18\1\0", b"\x19\0\0", b"\0\x3c\0"])
def test_a_time_of_day_ends_with_the_day(octets: bytes) -> None:
    with pytest.raises(ValueError, match=":"):
        decode_time(octets, 2, "little")
    assert decode_time(b"\x18\0\0", 2, "little") == timedelta(days=1)


@given(count=st.integers(0, 2**32 - 1), tm_format=st.sampled_from([3, 4]), zone=st.integers(-56, 56))
def test_every_count_that_is_a_time_can_be_reckoned_with(count: int, tm_format: int, zone: int) -> None:
    try:
        wall = decode_wall(count.to_bytes(4, "big"), tm_format, "big")
    except ValueError:
        return
    context = Context().with_tables(
        d0.GeneralConfiguration(tm_format=tm_format, data_order=1),
        d5.Clock(clock_calendar=wall, tm_zn_applied=True, dst_applied=True),
        d5.TimeOffset(dst_time_eff=timedelta(hours=2), time_zone_offset=15 * zone),
    )
    if wall is not None:
        found = MeterTimes.of(context).to_utc(wall)
        assert found is not None
        assert datetime(1969, 12, 30, tzinfo=UTC) < found.utc < datetime(2106, 2, 10, tzinfo=UTC)


def test_the_maker_of_this_file_is_an_honest_meter() -> None:
    blocks, problems = MeterMaker([block("2026-06-01T01:00")], units=(KWH,)).read()
    assert len(blocks) == 1
    assert not problems
