"""The figures of a test, against numbers worked out by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.bench.figures import Run, figure, final_average, registration, student, written
from tests.bench.coverage import measured

D = Decimal
WH = st.decimals(min_value="0.001", max_value="100000", places=5)


def test_registration_is_meter_over_standard() -> None:
    assert registration(Run(D("144.144"), D("144"))) == D("100.1")
    assert written(registration(Run(D("144"), D("144.144")))) == D("99.900")


@pytest.mark.parametrize(
    ("percent", "shown"), [("98.8995", "98.900"), ("98.8985", "98.898"), ("101.1004999", "101.100"), ("0", "0.000")]
)
def test_registrations_are_rounded_half_to_even(percent: str, shown: str) -> None:
    assert f"{written(D(percent)):f}" == shown


@pytest.mark.parametrize("run", [Run(D(1), D(0)), Run(D(1), D("-0.1")), Run(D("-0.1"), D(1))])
def test_what_is_no_comparison_has_no_registration(run: Run) -> None:
    with pytest.raises(ValueError, match="energy by the standard"):
        registration(run)


def test_the_budget_of_a_point_is_that_of_the_guide() -> None:
    runs = [Run(D(100), D(100), D("0.06")), Run(D("100.02"), D(100)), Run(D("99.98"), D(100))]
    found = figure(runs, D("0.04"))
    assert found.registration == D("100.000")
    parts = {one.name: one for one in found.components}
    assert parts["standard"].written == D("0.02000")  # 0.04 / 2
    assert parts["resolution"].written == D("0.02450")  # 0.06 / sqrt 6, rounded up
    assert parts["repeatability"].written == D("0.02616")  # 0.02 / sqrt 3, times 4.53 / 2, rounded up
    assert parts["repeatability"].degrees == 2
    assert found.expanded == D("0.083")  # 2 × sqrt(0.02² + 0.02449² + 0.02616²) = 0.08208, rounded up


def test_a_repeatability_of_earlier_tests_serves_for_one_run() -> None:
    found = figure([Run(D(100), D(100))], D("0.02"), D("0.03"))
    assert found.expanded == D("0.064")  # 2 × sqrt(0.01² + 0.03²) = 0.06325
    with pytest.raises(ValueError, match="one run alone"):
        figure([Run(D(100), D(100))], D("0.02"))


def test_the_average_weighs_as_the_jurisdiction_says() -> None:
    heavy = figure([Run(D("100.5"), D(100)), Run(D("100.5"), D(100))], D("0.02"))
    light = figure([Run(D("99.0"), D(100)), Run(D("99.0"), D(100))], D("0.02"))
    assert final_average(heavy, light, (4, 1)).registration == D("100.200")
    mean = final_average(heavy, light, (1, 1))
    assert mean.registration == D("99.750")
    assert mean.expanded == D("0.020")  # the standard errs alike at both loads: it does not average out


def test_what_scatters_averages_out_and_the_standard_does_not() -> None:
    heavy = figure([Run(D(100), D(100))], D("0.0002"), D("0.05"))
    assert final_average(heavy, heavy, (1, 1)).expanded == D("0.071")  # 0.1 / sqrt 2


@pytest.mark.parametrize(("degrees", "t"), [(1, "13.97"), (2, "4.53"), (22, "2.13"), (99, "2.05")])
def test_student_is_that_of_the_table_or_of_fewer_degrees(degrees: int, t: str) -> None:
    assert student(degrees) == D(t)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(WH, WH), min_size=2, max_size=6), st.decimals("0.001", "0.5", places=3))
def test_no_figure_hides_what_it_is_not_sure_of(pairs: list[tuple[Decimal, Decimal]], standard: Decimal) -> None:
    found = figure([Run(meter, true) for meter, true in pairs], standard)
    assert found.expanded >= max(found.expanded_exact, 2 * max(one.u for one in found.components))
    assert abs(found.registration - found.exact) <= D("0.0005")
    assert all(one.written >= one.u for one in found.components)


async def test_a_test_finds_the_chosen_error_within_its_own_uncertainty_in_95_of_100() -> None:
    found = await measured(100, seed=8)
    assert {name: found.within[name] >= 95 for name in ("heavy", "light", "final average")} == {
        "heavy": True,
        "light": True,
        "final average": True,
    }
    assert max(max(one) for one in found.expanded.values()) < 0.5  # and not by being sure of nothing
