"""How good a line is, and which packets suit it."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.memory import LineMemory
from drivers.psem.adaptive import best_shape, expected_rate, pays, remembered_size, renegotiation_s, sizes_from
from drivers.psem.quality import GOOD_RATE, LineQuality

SIZES = sizes_from(1024)
RATES = [10 ** (exponent / 4) for exponent in range(-24, -5)]


def observed(rate: float, size: int, octets: int, quality: LineQuality | None = None, seed: int = 1) -> LineQuality:
    """A line on which so many octets went in packets of `size`."""
    random, quality = Random(seed), quality or LineQuality()  # noqa: S311 - repeatable, not secret
    for _ in range(octets // size):
        if random.random() < math.exp(-rate * size):
            quality.whole(size)
        else:
            quality.damaged(size)
    return quality


@pytest.mark.parametrize("size", [64, 256, 1024])
@pytest.mark.parametrize("rate", [0.0003, 0.001, 0.003, 0.01])
def test_the_rate_is_found_whatever_the_packets(rate: float, size: int) -> None:
    if rate * size > 4:
        return  # hardly a packet is whole: that the line is bad is all that can be known
    found = [observed(rate, size, 60_000, seed=seed).rate for seed in range(8)]
    assert rate / 2 < sum(found) / len(found) < rate * 1.6


def test_a_line_that_gets_better_is_seen_to_be_better() -> None:
    quality = observed(0.003, 128, 30_000)
    assert quality.rate > 0.001
    assert observed(0.0, 128, 60_000, quality).rate < 0.0001


def test_the_first_damage_is_no_catastrophe() -> None:
    quality = LineQuality()
    quality.damaged(1024)
    assert quality.rate < 0.001


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8192)), max_size=300))
def test_any_course_gives_a_rate(course: list[tuple[bool, int]]) -> None:
    quality = LineQuality()
    for whole, octets in course:
        if whole:
            quality.whole(octets)
        else:
            quality.damaged(octets)
        assert quality.rate > 0
        assert math.isfinite(quality.rate)


# -- what suits it


def test_the_sizes_to_choose_from() -> None:
    assert sizes_from(1024) == (1024, 512, 256, 128, 64)
    assert sizes_from(1500) == (1500, 1024, 512, 256, 128, 64)
    assert sizes_from(8192)[:3] == (8192, 4096, 2048)
    assert sizes_from(64) == (64,)


@pytest.mark.parametrize("baud", [0, 1200, 9600, 57600])
def test_the_worse_the_line_the_smaller_the_packets_and_the_answers(baud: int) -> None:
    shapes = [best_shape(rate, SIZES, packets=255, baud=baud) for rate in RATES]
    sizes = [shape.size for shape in shapes]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 1024
    assert sizes[-1] == 64
    assert shapes[-1].packets < 10
    costs = [shape.octet_s for shape in shapes]
    assert costs == sorted(costs)


@pytest.mark.parametrize("rate", [0.0, 0.0001, 0.001, 0.003])
def test_the_best_shape_is_the_cheapest(rate: float) -> None:
    best = best_shape(rate, SIZES, packets=255, baud=9600)
    assert all(best.octet_s <= best_shape(rate, (size,), packets=255, baud=9600).octet_s for size in SIZES)


def test_what_the_packets_negotiated_allow_is_a_limit() -> None:
    assert best_shape(0.0, (64,), packets=1, baud=9600).packets == 1
    assert best_shape(0.0, (1024,), packets=10, baud=9600).packets == 10


def test_a_change_is_made_only_where_it_pays() -> None:
    now = best_shape(0.003, (1024,), packets=255, baud=9600)
    then = best_shape(0.003, SIZES, packets=255, baud=9600)
    assert pays(now, then, 10_000, baud=9600)
    assert not pays(now, then, 10, baud=9600)
    assert not pays(then, now, 10_000, baud=9600)
    assert 0.1 < renegotiation_s(9600) < 0.6


def test_what_is_remembered_says_how_good_the_line_was() -> None:
    for size in SIZES[1:]:
        rate = expected_rate(LineMemory(packet_size=size), 1024, baud=9600)
        assert best_shape(rate, SIZES, packets=255, baud=9600).size <= size
    assert expected_rate(LineMemory(packet_size=1024), 1024, baud=9600) == GOOD_RATE
    assert expected_rate(None, 1024, baud=9600) == GOOD_RATE


@pytest.mark.parametrize(("size", "offered"), [(0, 1024), (64, 64), (200, 200), (5000, 1024), (32, 1024), (-1, 1024)])
def test_a_memory_that_makes_no_sense_is_left_alone(size: int, offered: int) -> None:
    assert remembered_size(LineMemory(packet_size=size), 1024) == offered
