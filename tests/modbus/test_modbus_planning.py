"""What is asked for: blocks within limits, whole values, and counters that may be torn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.image import Image, Span, requests
from drivers.modbus.survey import settled

spans = st.builds(
    Span,
    function=st.sampled_from(["holding", "input"]),
    first=st.integers(0, 300),
    count=st.integers(1, 4),
    alone=st.booleans(),
)


@given(st.lists(spans, max_size=40), st.integers(4, 125), st.integers(0, 20))
def test_each_value_is_whole_in_one_request_within_the_limits(wanted: list[Span], most: int, gap: int) -> None:
    asked = requests(wanted, most=most, gap=gap)
    for span in wanted:
        assert any(block.holds(span) for block in asked)
    covered = {(span.function, at) for span in wanted for at in range(span.first, span.end)}
    for block in asked:
        assert 1 <= block.count <= most
        asked_for = [(block.function, at) in covered for at in range(block.first, block.end)]
        assert asked_for[0]
        assert asked_for[-1]
        holes = "".join("x" if wanted else " " for wanted in asked_for).split("x")
        assert all(len(hole) <= gap for hole in holes)


def test_what_is_next_to_each_other_is_one_request() -> None:
    wanted = [Span("holding", first, 2) for first in (10, 12, 14, 20)]
    assert requests(wanted, most=125, gap=0) == [Span("holding", 10, 6), Span("holding", 20, 2)]
    assert requests(wanted, most=125, gap=4) == [Span("holding", 10, 12)]
    assert requests(wanted, most=4, gap=4) == [Span("holding", 10, 4), Span("holding", 14, 2), Span("holding", 20, 2)]


def test_what_is_to_be_alone_is_alone() -> None:
    wanted = [Span("input", 11, 1), Span("input", 12, 1, alone=True), Span("input", 13, 1)]
    assert len(requests(wanted, most=125, gap=5)) == 3


def test_an_image_has_a_value_only_as_a_whole() -> None:
    image = Image()
    image.put(Span("holding", 10, 2), bytes.fromhex("01020304"))
    assert image.get(Span("holding", 10, 2)) == bytes.fromhex("01020304")
    assert image.get(Span("holding", 11, 2)) is None
    assert image.get(Span("input", 10, 2)) is None


@given(st.integers(0, 2**32 - 0x4001), st.integers(0, 0x4000), st.booleans(), st.booleans())
def test_a_look_across_a_carry_is_never_taken(count: int, step: int, high_first: bool, torn_first: bool) -> None:
    later = count + step
    old, new = count.to_bytes(4, "big"), later.to_bytes(4, "big")
    torn = old[:2] + new[2:] if high_first else new[:2] + old[2:]
    if torn in (old, new):
        assert settled(old, new) or old[:2] != new[:2]
        return
    assert not settled(old, torn)
    if torn_first:
        assert not settled(torn, new) or new == torn or torn[:2] == new[:2]


def test_one_look_proves_nothing() -> None:
    assert not settled(b"", b"\0\1")
    assert settled(b"\0\1", b"\0\1")
