"""Every fuzz target holds for its seeds, for what was found by earlier runs, and for what hypothesis makes of them."""

from __future__ import annotations

import random
import traceback
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.registry import TARGETS
from tests.fuzz.target import Target

FOUND = Path(__file__).parent / "found"
SLOW = {"meter": 25}  # examples, where one takes a tenth of a second
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
        assert not violation(TARGETS[name], seed)


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_stays_fixed(name: str) -> None:
    for path in sorted((FOUND / name).glob("*")):
        assert not violation(TARGETS[name], path.read_bytes()), path.name


@pytest.mark.parametrize("name", TARGETS)
def test_any_octets(name: str) -> None:
    @settings(max_examples=SLOW.get(name, 150), deadline=None)
    @given(octets=st.binary(max_size=min(TARGETS[name].longest, 300)))
    def holds(octets: bytes) -> None:
        assert not violation(TARGETS[name], octets)

    holds()


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_with_a_few_octets_changed(name: str) -> None:
    target = TARGETS[name]
    seeds = list(target.seeds())

    @settings(max_examples=SLOW.get(name, 150), deadline=None)
    @given(seed=st.integers(0, len(seeds) - 1), chance=st.integers(0, 2**32))
    def holds(seed: int, chance: int) -> None:
        assert not violation(target, bent(target, seeds[seed], chance))

    holds()


def violation(target: Target, octets: bytes) -> str:
    """Return what does not hold for these octets, with where it was noticed; nothing if all is well."""
    try:
        target.check(octets)
    except Exception as error:  # noqa: BLE001 - whatever is raised, it is what was looked for
        return "".join(traceback.format_exception(error))
    return ""


def bent(target: Target, seed: bytes, number: int) -> bytes:
    """Return a seed with a few octets changed, left out or put in."""
    chance = random.Random(number)  # noqa: S311 - hypothesis draws the number
    octets = bytearray(seed[: target.longest])
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(octets) + 1)
        octets[at : at + chance.choice((0, 1, 1, 8))] = chance.choice((b"", chance.randbytes(1), chance.choice(TOKENS)))
    return bytes(octets[: target.longest])
