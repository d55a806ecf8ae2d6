"""Runs of octets: what is asked of the meter is what is wanted and not known, in few requests."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from drivers.psem.runs import Blocks, Run, merged, without

TABLE = bytes(n * 37 % 251 for n in range(200))
runs = st.lists(st.tuples(st.integers(0, 199), st.integers(0, 200)), max_size=6)


def octets_of(found: list[Run]) -> set[int]:
    return {at for start, end in found for at in range(start, end)}


@given(runs, st.integers(0, 40))
def test_merged_runs_are_in_order_and_farther_apart_than_the_gap(wanted: list[Run], gap: int) -> None:
    found = merged(wanted, gap=gap)
    assert octets_of(wanted) <= octets_of(found)
    assert all(start < end for start, end in found)
    assert all(after - before > gap for (_, before), (after, _) in pairwise(found))
    if gap == 0:
        assert octets_of(found) == octets_of(wanted)


@given(runs, runs)
def test_what_is_known_is_taken_away(wanted: list[Run], known: list[Run]) -> None:
    assert octets_of(without(wanted, known)) == octets_of(wanted) - octets_of(known)


@given(st.integers(1, 60), runs, runs)
def test_blocks_hold_what_was_put_into_them(size: int, put: list[Run], wanted: list[Run]) -> None:
    blocks = Blocks(size)
    for start, end in put:
        blocks.put(start, TABLE[start:end])
    for start, end in blocks.missing(wanted):
        blocks.put(start, TABLE[start:end])
    assert not blocks.missing(wanted)
    for at in octets_of(wanted):
        assert blocks.block(at // size)[at % size] == TABLE[at]


def test_a_block_that_is_forgotten_is_missing_again() -> None:
    blocks = Blocks(10)
    blocks.put(0, TABLE[:40])
    blocks.forget([1, 3])
    assert blocks.missing([(0, 40)]) == [(10, 20), (30, 40)]
    assert blocks.block(2) == TABLE[20:30]
