"""Energy in integers: none is lost, none is invented, however often and whenever somebody looks."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metersim.instruments.element import Element, ErrorCurve, Load, TestLight, curve_of
from metersim.instruments.physics import BILLION, PER_WH, Integral
from metersim.instruments.world import World

HEAVY = Load(240_000_000, 30_000_000)
BEGIN_US = 1_800_000_000_000_000
HOUR_US = 3_600_000_000
PIECES = st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 10**30)), max_size=12)


def integral(pieces: list[tuple[int, int]]) -> tuple[Integral, int]:
    """Energy that flows at each rate for so many microseconds, and the end."""
    one, at = Integral(BEGIN_US), BEGIN_US
    for length, rate in pieces:
        one.change(at, rate)
        at += length
    one.change(at, 0)
    return one, at


@settings(max_examples=40)
@given(PIECES)
def test_energy_is_the_sum_of_its_pieces(pieces: list[tuple[int, int]]) -> None:
    one, end = integral(pieces)
    total = sum(length * rate for length, rate in pieces)
    assert one.at(end) == one.at(end + HOUR_US) == total
    assert one.at(BEGIN_US - 1) == 0


@settings(max_examples=40)
@given(PIECES, st.integers(1, 10**40))
def test_the_instant_of_an_energy_is_the_first_one(pieces: list[tuple[int, int]], energy: int) -> None:
    one, _ = integral(pieces)
    at = one.when(energy)
    if at is None:
        assert one.at(BEGIN_US + 100 * HOUR_US) < energy
    else:
        assert one.at(at) >= energy > one.at(at - 1)


def test_what_has_flowed_is_not_changed_afterwards() -> None:
    one, end = integral([(100, 5)])
    with pytest.raises(ValueError, match="before the last change"):
        one.change(end - 1, 7)
    one.change(end, 9)
    assert one.at(end) == 500
    assert one.rate == 9


@pytest.mark.parametrize(
    ("milliamps", "ppb"), [(0, -800), (3_000, -800), (16_500, -225), (30_000, 350), (200_000, 350)]
)
def test_the_error_lies_straight_between_its_points(milliamps: int, ppb: int) -> None:
    curve = curve_of([(30_000_000, 350), (3_000_000, -800)])
    assert curve.at(Load(240_000_000, milliamps * 1000)) == ppb


def test_the_error_grows_with_the_lag() -> None:
    curve = ErrorCurve(((0, 100),), at_half_factor_ppb=1000)
    assert [curve.at(Load(1, 1, ppm)) for ppm in (1_000_000, 750_000, 500_000)] == [100, 600, 1100]


def test_a_meter_is_dead_without_volts_and_creeps_without_amperes() -> None:
    element = Element(creep=10**18)
    assert element.rate(Load(59_000_000, 30_000_000)) == 0
    assert element.rate(Load(240_000_000, 0)) == 10**18 * BILLION
    assert Element().rate(Load(240_000_000, 29_000)) == 0
    assert Element(ErrorCurve(((0, -BILLION),))).rate(HEAVY) == 0
    assert Element(ErrorCurve(((0, -2 * BILLION),))).rate(HEAVY) == 0


def test_a_meter_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="jitter"):
        Element(jitter_ppm=500_000)
    with pytest.raises(ValueError, match="Kh"):
        Element(kh_microwatthours=0)


@settings(max_examples=40)
@given(st.integers(0, 400_000), st.integers(0, 2**32), st.integers(1, 40))
def test_test_pulses_come_in_their_order_and_are_all_counted(jitter: int, seed: int, pulses: int) -> None:
    element = Element(jitter_ppm=jitter, seed=seed)
    energy = Integral(BEGIN_US)
    energy.change(BEGIN_US, element.rate(HEAVY))
    light = TestLight(element, energy)
    moments = [light.when(number) or 0 for number in range(1, pulses + 1)]
    assert moments == sorted(moments)
    assert light.count(moments[-1]) == pulses
    assert light.count(moments[-1] - 1) == pulses - 1 or moments[-1] == BEGIN_US
    assert abs(energy.at(moments[-1]) - pulses * element.pulse) <= element.pulse * Fraction(14, 10)


class Hand:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.us = BEGIN_US

    def now(self) -> int:
        return self.us

    def skip(self, microseconds: int) -> None:
        self.us += microseconds


STEPS = st.lists(
    st.tuples(st.integers(0, 600_000_000), st.integers(0, 120_000_000), st.booleans(), st.integers(1, 10**9)),
    max_size=10,
)


@settings(max_examples=40)
@given(STEPS, st.integers(-(10**7), 10**7), st.integers(-200_000, 200_000))
def test_what_the_source_gives_is_what_all_others_get(
    steps: list[tuple[int, int, bool, int]], error_ppb: int, standard_ppb: int
) -> None:
    clock = Hand()
    element = Element(ErrorCurve(((0, error_ppb),)), starting_microamps=0, least_microvolts=0)
    world = World(element, clock.now, clock.skip, standard_error_ppb=standard_ppb, step_us=1)
    given_away = 0
    for microvolts, microamps, on, length in steps:
        world.set(Load(microvolts, microamps))
        world.switch(on=on)
        given_away += microvolts * microamps * 10**6 * length if on else 0
        clock.skip(length)
    assert world.true.at(clock.us) == given_away * BILLION
    assert world.registered.at(clock.us) == given_away * (BILLION + error_ppb)
    assert world.measured.at(clock.us) == given_away * (BILLION + standard_ppb)
    counted, residual = divmod(world.registered.at(clock.us), PER_WH // 10)
    assert counted * (PER_WH // 10) + residual == given_away * (BILLION + error_ppb)


def test_nothing_flows_while_the_output_is_off() -> None:
    clock = Hand()
    world = World(Element(), clock.now, clock.skip, source_error_ppm=(100, -100))
    world.set(HEAVY)
    clock.skip(HOUR_US)
    assert world.true.at(clock.us) == 0
    world.switch(on=True)
    assert world.load == Load(240_024_000, 29_997_000)
    clock.skip(HOUR_US)
    assert world.true.at(clock.us) == 240_024_000 * 29_997_000 * 10**6 * BILLION * HOUR_US
