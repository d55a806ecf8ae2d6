"""Sizes that lie: each table longer, shorter, empty; dimensions of 255; more than can be true.

Through the whole driver. Each time the visit ends soon, the other tables come home as they are, and what is missing is
named.
"""

from __future__ import annotations

import re
import tracemalloc
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import DataError
from tests.fuzz.contract import check_values, document_of
from tests.fuzz.hostile_meter import (
    NOW,
    HostileTables,
    Visited,
    assert_others_came_home,
    honest,
    honest_visit,
    patched,
    visit,
)

SCENARIO = "descending-fifo-2008"
SCENARIOS = ["descending-fifo-2008", "big-endian-float-bcd", "residential-tou"]
READ = [1, 2, 3, 5, 11, 12, 15, 16, 21, 22, 23, 24, 25, 26, 27, 28, 51, 52, 53, 61, 62, 63, 64, 66, 71, 74, 76]
YESTERDAY = NOW - timedelta(days=1)
LARGEST = 40_000_000  # octets of memory that a visit to any meter takes at most


def hostile(manner: str, *numbers: int, tables: dict[int, bytes] | None = None) -> HostileTables:
    return HostileTables(dict(tables or honest(SCENARIO)), manners=dict.fromkeys(numbers, manner))


def checked(visited: Visited, *tables: int, scenario: str = SCENARIO) -> Visited:
    """Return a visit of which everything is right that can be."""
    check_values(visited.data)
    document_of(visited.data)
    assert visited.data.broken is None
    assert_others_came_home(visited, scenario, *tables)
    return visited


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_an_honest_meter_has_nothing_lost(scenario: str) -> None:
    visited = checked(honest_visit(scenario), scenario=scenario)
    assert not visited.lost()


@pytest.mark.parametrize("cut", ["empty", "one short", "one long", "64 kB"])
@pytest.mark.parametrize("number", READ)
def test_a_table_of_another_size_costs_itself_and_is_named(number: int, cut: str) -> None:
    tables = dict(honest(SCENARIO))
    whole = tables[number]
    tables[number] = {
        "empty": b"",
        "one short": whole[:-1],
        "one long": whole + b"\0",
        "64 kB": whole.ljust(65_535, b"\x55"),
    }[cut]
    visited = checked(visit(tables), number)
    if (number, cut) in {(52, "one long"), (71, "one short")}:
        return  # a clock with a fraction; limits of which only the fields that are there are used
    if tables[number] != whole and not (number in (64, 66) and len(tables[number]) >= len(whole)):
        assert visited.said(f"ST{number:02}") or visited.said("registers"), visited.data.problems
    elif number in (64, 66):  # only its valid blocks are read
        assert visited.data.blocks == honest_visit(SCENARIO).data.blocks


@pytest.mark.parametrize("cut", ["one octet", "one short", "doubled", "ones"])
@pytest.mark.parametrize("number", [26, 51, 52, 53, 61, 62, 63, 64, 66, 71, 74, 76])
def test_a_table_of_another_size_costs_itself_also_where_only_what_is_new_is_read(number: int, cut: str) -> None:
    tables = dict(honest(SCENARIO))
    whole = tables[number]
    tables[number] = {
        "one octet": whole[:1],
        "one short": whole[:-1],
        "doubled": whole * 2,
        "ones": b"\xff" * len(whole),
    }[cut]
    visited = visit(tables, since=YESTERDAY)
    check_values(visited.data)
    document_of(visited.data)
    assert visited.data.broken is None
    assert_others_came_home(visited, SCENARIO, number, since=YESTERDAY)


@pytest.mark.parametrize("manner", ["padded", "long", "empty", "crumbs", "short"])
@pytest.mark.parametrize("number", [1, 12, 16, 22, 23, 26, 52, 62, 63, 64, 74, 76])
def test_a_table_that_answers_in_its_own_way(number: int, manner: str) -> None:
    handler = hostile(manner, number)
    visited = checked(visit(handler), number)
    if manner == "padded" and number not in (64, 66):
        assert visited.said(f"ST{number:02}"), visited.data.problems


@pytest.mark.parametrize("manner", ["padded", "short", "empty", "crumbs"])
@pytest.mark.parametrize(
    ("limits", "affected"),
    [
        ((11, 1, b"\xff" * 7), (11, 12, 15, 16)),
        ((21, 2, b"\xff" * 8), (21, 22, 23, 24, 25, 26, 27, 28)),
        ((51, 0, b"\xff" * 9), (51, 52, 53)),
        ((61, 7, b"\xff" * 12), (61, 62, 63, 64, 66)),
        ((71, 1, b"\xff" * 8), (71, 74, 76)),
    ],
    ids=["ST11", "ST21", "ST51", "ST61", "ST71"],
)
def test_dimensions_of_255(limits: tuple[int, int, bytes], affected: tuple[int, ...], manner: str) -> None:
    handler = hostile(manner, *affected[1:], tables=patched(SCENARIO, limits))
    tracemalloc.start()
    try:
        visited = visit(handler)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    checked(visited, *affected)
    assert visited.lost() or affected[0] == 51  # no table of this meter depends on it
    assert peak < LARGEST
    assert handler.octets < 3_000_000


@pytest.mark.parametrize(
    "limits", [(21, 2, b"\xff" * 8), (61, 7, b"\xff" * 12), (71, 1, b"\xff" * 8)], ids=["ST21", "ST61", "ST71"]
)
def test_dimensions_of_255_where_only_what_is_new_is_read(limits: tuple[int, int, bytes]) -> None:
    handler = hostile("padded", 26, 64, 66, 74, 76, tables=patched(SCENARIO, limits))
    tracemalloc.start()
    try:
        visited = visit(handler, since=YESTERDAY)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    document_of(visited.data)
    assert visited.lost()
    assert peak < LARGEST
    assert handler.octets < 3_000_000


def profile_of(blocks: int, intervals: int, minutes: int, valid: int) -> dict[int, bytes]:
    """Return a big-endian meter whose ST61 and ST63 say this of set 1."""
    limits = blocks.to_bytes(2, "big") + intervals.to_bytes(2, "big") + honest(SCENARIO)[61][11:12] + bytes([minutes])
    status = valid.to_bytes(2, "big") + max(valid - 1, 0).to_bytes(2, "big")
    return patched(SCENARIO, (61, 7, limits), (63, 1, status))


@pytest.mark.parametrize(
    ("blocks", "intervals", "minutes", "valid", "said"),
    [
        (65_535, 65_535, 60, 65_535, "years of intervals"),
        (65_535, 48, 30, 65_535, "years of intervals"),
        (65_535, 65_535, 255, 1, "years of intervals"),
        (300, 65_535, 1, 80, "5242800 intervals of 3 channels: more than is read"),
        (65_535, 8, 1, 65_535, "not asked for: the table has ended"),
        (20, 48, 0, 20, "an interval length of 0"),
        (20, 0, 30, 20, "blocks of 0 intervals"),
        (0, 48, 30, 20, "20 valid entries"),
        (20, 48, 30, 21, "21 valid entries"),
        (20, 48, 30, 65_535, "years of intervals"),
    ],
)
@pytest.mark.parametrize("manner", ["", "short", "padded"])
def test_a_profile_that_cannot_be(
    blocks: int, intervals: int, minutes: int, valid: int, said: str, manner: str
) -> None:
    """Refused by name before hours are spent on it; where it could be, read to the end that there is."""
    tables = profile_of(blocks, intervals, minutes, valid)
    if manner == "padded" and "ended" in said:
        return  # nothing contradicts it: it is all read
    handler = hostile(manner, 64, tables=tables) if manner else HostileTables(tables)
    visited = checked(visit(handler), 61)
    assert re.search(said, visited.said("ST6")) or "IAR" in visited.said("ST64"), visited.data.problems
    assert handler.reads < 120


def test_blocks_beyond_the_end_are_not_asked_for_one_by_one() -> None:
    handler = hostile("short", 64, tables=profile_of(10_000, 48, 1, 10_000))
    visited = checked(visit(handler), 61)
    assert "the table ends" in visited.said("ST64")
    assert handler.reads < 40


@pytest.mark.parametrize("octets", [b"", b"\2", bytes(18), bytes(19), b"\xff" * 19, b"\xff" * 65_535])
def test_an_st00_without_its_fixed_part_or_all_ones(octets: bytes) -> None:
    with pytest.raises(DataError) as caught:
        visit(dict(honest(SCENARIO)) | {0: octets})
    assert caught.value.advice


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_octets_of_st00(data: st.DataObject) -> None:
    """A reserved format, a map of nothing, dimensions of 255: a DataError with advice, or a reading that is right."""
    st00 = bytearray(honest(SCENARIO)[0])
    at = data.draw(st.integers(0, len(st00) - 1))
    st00[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        st00 = st00[: data.draw(st.integers(0, len(st00)))]
    refusal: DataError | None = None
    try:
        visited = visit(dict(honest(SCENARIO)) | {0: bytes(st00)})
    except DataError as error:
        refusal = error
    else:
        check_values(visited.data)
        document_of(visited.data)
    assert refusal is None or refusal.advice


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_octets_of_any_table(data: st.DataObject) -> None:
    """Whole tables of nonsense, or single octets changed: what they cannot reach is as it was."""
    scenario = data.draw(st.sampled_from(SCENARIOS))
    tables = dict(honest(scenario))
    number = data.draw(st.sampled_from([number for number in READ if tables.get(number)]))
    octets = bytearray(tables[number])
    for _ in range(data.draw(st.integers(1, 8))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFE, 0xFF]))
    tables[number] = bytes(octets)
    assert checked(visit(tables), number, scenario=scenario).data.broken is None
