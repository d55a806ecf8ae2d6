"""The intersection: who is believed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock.combine import intersect
from agent.clock.samples import TimeSample
from tests.clock.clock_kit import sample

MICRO = Decimal("0.000001")
offsets = st.integers(-100_000_000, 100_000_000).map(lambda us: us * MICRO)
widths = st.integers(0, 2_000_000).map(lambda us: us * MICRO)


@st.composite
def honest(draw: st.DrawFn, truth: Decimal, name: str) -> TimeSample:
    """A source as wrong as it admits to be."""
    width = draw(widths)
    return sample(truth + draw(st.integers(-1_000, 1_000)) * width / 1_000, width, name)


@st.composite
def crowds(draw: st.DrawFn) -> tuple[Decimal, list[TimeSample]]:
    """Any sources, more than half of them honest about the truth."""
    truth = draw(offsets)
    liars = [sample(draw(offsets), draw(widths), f"liar{n}") for n in range(draw(st.integers(0, 3)))]
    honests = [draw(honest(truth, f"honest{n}")) for n in range(len(liars) + draw(st.integers(1, 3)))]
    return truth, draw(st.permutations(honests + liars))


@given(crowds())
def test_the_truth_is_inside_if_most_are_honest(crowd: tuple[Decimal, list[TimeSample]]) -> None:
    truth, samples = crowd
    agreement = intersect(samples)
    assert agreement is not None
    assert agreement.low_s <= truth <= agreement.high_s
    assert set(agreement.agreeing) | set(agreement.falsetickers) == set(samples)
    assert all(not s.name.startswith("honest") or s in agreement.agreeing for s in samples)


@given(offsets, widths, widths, offsets, widths)
def test_one_falseticker_of_three_cannot_move_us(
    truth: Decimal, first: Decimal, second: Decimal, lie: Decimal, width: Decimal
) -> None:
    """Whatever the third says, the answer stays within what the two honest ones allow."""
    two = [sample(truth, first, "a"), sample(truth, second, "b")]
    agreement = intersect([*two, sample(lie, width, "liar")])
    assert agreement is not None
    assert agreement.low_s >= min(s.low_s for s in two)
    assert agreement.high_s <= max(s.high_s for s in two)


@given(st.lists(st.tuples(offsets, widths), max_size=6))
def test_the_order_of_asking_does_not_matter(words: list[tuple[Decimal, Decimal]]) -> None:
    samples = [sample(offset, width, str(n)) for n, (offset, width) in enumerate(words)]
    shuffled = list(reversed(samples))
    there, back = intersect(samples), intersect(shuffled)
    assert (there is None) == (back is None)
    if there is not None and back is not None:
        assert (there.low_s, there.high_s, set(there.agreeing)) == (back.low_s, back.high_s, set(back.agreeing))


def test_one_source_is_taken_at_its_word() -> None:
    only = sample("0.25", "0.01")
    agreement = intersect([only])
    assert agreement is not None
    assert (agreement.low_s, agreement.high_s) == (Decimal("0.24"), Decimal("0.26"))
    assert agreement.agreeing == (only,)


def test_two_that_disagree_prove_nothing() -> None:
    assert intersect([sample(0, "0.01", "a"), sample(90, "0.01", "b")]) is None


def test_two_pairs_that_disagree_prove_nothing() -> None:
    assert intersect([sample(0, name="a"), sample(0, name="b"), sample(9, name="c"), sample(9, name="d")]) is None


def test_no_source_proves_nothing() -> None:
    assert intersect([]) is None


def test_touching_is_agreeing() -> None:
    agreement = intersect([sample(0, 1, "a"), sample(2, 1, "b")])
    assert agreement is not None
    assert agreement.low_s == agreement.high_s == 1


def test_a_liar_at_the_edge_does_not_narrow_the_answer() -> None:
    """Two honest ones allow −1 … 1; a liar that overlaps their edge must not make that edge the truth."""
    agreement = intersect([sample(0, 1, "a"), sample(0, 1, "b"), sample("1.9", 1, "liar")])
    assert agreement is not None
    assert (agreement.low_s, agreement.high_s) == (Decimal(-1), Decimal(1))


@pytest.mark.parametrize("lie", [90, -90, "0.5"])
def test_the_falseticker_is_named(lie: int | str) -> None:
    liar = sample(lie, name="liar")
    agreement = intersect([sample(0, name="a"), liar, sample("0.001", name="b")])
    assert agreement is not None
    assert agreement.falsetickers == (liar,)
