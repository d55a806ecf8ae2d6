"""How long a stage takes is told by its own rate, then by that of the line, and never before it means something."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.field.pace import LONGEST_S, NS, Pace
from agent.field.views import ProgressView
from drivers.base import Progress


def fed(*told: tuple[float, str, int, int, int]) -> ProgressView:
    """Feed (second, stage, done, total, octets on the line)."""
    pace = Pace()
    for at_s, stage, done, total, on_line in told:
        pace.feed(Progress(stage, done, total, bytes_on_line=on_line), int(at_s * NS))
    return pace.view()


def test_before_anything_is_told_there_is_nothing() -> None:
    assert Pace().view() == ProgressView()


def test_the_time_left_is_that_of_the_stage_at_its_own_rate() -> None:
    view = fed((0, "ST64", 0, 10_000, 100), (1, "ST64", 1_000, 10_000, 1_600), (2, "ST64", 2_000, 10_000, 3_100))
    assert (view.seconds_left, view.line_rate, view.tables, view.done, view.total) == (8, 1_500, 1, 2_000, 10_000)


def test_a_stage_that_has_just_begun_goes_by_the_rate_of_the_line() -> None:
    view = fed((0, "ST23", 0, 0, 0), (2, "ST23", 0, 0, 2_000), (2.1, "ST64", 0, 5_000, 2_010))
    assert (view.seconds_left, view.tables) == (6, 2)


def test_nothing_is_told_too_early_or_of_what_is_not_known() -> None:
    assert fed((0, "ST64", 0, 10_000, 0), (0.1, "ST64", 500, 10_000, 600)).seconds_left is None
    assert fed((0, "logon", 0, 0, 0), (5, "logon", 0, 0, 50)).seconds_left is None
    assert fed((0, "ST1", 200, 100, 0), (5, "ST1", 300, 100, 50)).seconds_left is None


def test_a_rate_of_long_ago_is_forgotten() -> None:
    told = [(float(k), "ST64", 10_000 * k, 10**6, 10_000 * k) for k in range(10)]
    slow = [(10.0 + k, "ST64", 100_000 + 100 * k, 10**6, 100_000 + 100 * k) for k in range(30)]
    assert fed(*told, *slow).line_rate < 200
    assert fed((0, "ST64", 0, 10**9, 1), (9, "ST64", 1, 10**9, 2)).seconds_left in {None, LONGEST_S}


@given(
    st.lists(
        st.tuples(
            st.floats(0, 1e6),
            st.sampled_from("ab"),
            st.integers(0, 10**9),
            st.integers(0, 10**9),
            st.integers(0, 10**9),
        ),
        max_size=40,
    )
)
def test_whatever_a_driver_tells_makes_sense(told: list[tuple[float, str, int, int, int]]) -> None:
    view = fed(*told)
    assert view.seconds_left is None or 0 <= view.seconds_left <= LONGEST_S
    assert view.line_rate >= 0


def test_it_stays_small_however_much_is_told() -> None:
    pace = Pace()
    for k in range(20_000):
        pace.feed(Progress(f"ST{k // 10}", k, 10**6, bytes_on_line=k), k * NS // 1_000)
    assert len(pace._marks) <= 256
    assert pace.view().tables <= 1024
