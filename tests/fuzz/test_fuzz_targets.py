"""Every fuzz target holds for its seeds, for what was found by earlier runs, and for what hypothesis makes of them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.registry import TARGETS
from tests.fuzz.target import Target

FOUND = Path(__file__).parent / "found"
SLOW = {"meter": 40}  # examples, where one takes a tenth of a second
TOKENS = (
    b"\0",
    b"\1",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff\xff",
    b"\xff\xff\xff\xff",
    b"\xee",
    b"[",
    b'"',
    b"9" * 40,
    b"\n",
)


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_are_good(name: str) -> None:
    seeds = list(TARGETS[name].seeds())
    assert seeds
    for seed in seeds[:: max(1, len(seeds) // SLOW.get(name, 1000))]:
        TARGETS[name].check(seed)


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_stays_fixed(name: str) -> None:
    for path in sorted((FOUND / name).glob("*")):
        TARGETS[name].check(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_any_octets(name: str) -> None:
    @settings(max_examples=SLOW.get(name, 150), deadline=None)
    @given(octets=st.binary(max_size=min(TARGETS[name].longest, 300)))
    def holds(octets: bytes) -> None:
        TARGETS[name].check(octets)

    holds()


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_with_a_few_octets_changed(name: str) -> None:
    target = TARGETS[name]
    seeds = list(target.seeds())

    @settings(max_examples=SLOW.get(name, 150), deadline=None)
    @given(seed=st.integers(0, len(seeds) - 1), chance=st.integers(0, 2**32))
    def holds(seed: int, chance: int) -> None:
        target.check(bent(target, seeds[seed], chance))

    holds()


def bent(target: Target, seed: bytes, number: int) -> bytes:
    """Return a seed with a few octets changed, left out or put in."""
    chance = random.Random(number)  # noqa: S311 - hypothesis draws the number
    octets = bytearray(seed[: target.longest])
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(octets) + 1)
        octets[at : at + chance.choice((0, 1, 1, 8))] = chance.choice((b"", chance.randbytes(1), chance.choice(TOKENS)))
    return bytes(octets[: target.longest])
