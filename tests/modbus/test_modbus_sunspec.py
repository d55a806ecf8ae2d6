"""The chain of SunSpec models, also where it is broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import DataError, MeterRefused
from drivers.modbus.image import Answer, Span
from drivers.modbus.library import load_maps
from drivers.modbus.meaning import meter_data
from drivers.modbus.sunspec import MOST_MODELS, ModelFound, walk
from drivers.modbus.survey import Steps, Survey
from metersim.modbus.world import SUNSPEC_BASE, World, world_of

BASES = (40_000, 50_000, 0)


def answered(words: dict[int, int], steps: Steps) -> None:
    """Answer steps from registers; what is not there is refused as a meter would."""
    try:
        span = next(steps)
        while True:
            found = [words.get(at) for at in range(span.first, span.end)]
            if None in found:
                span = steps.throw(MeterRefused(f"{span} is not there", code=2))
            else:
                octets = b"".join(word.to_bytes(2, "big") for word in found if word is not None)
                span = steps.send(Answer(octets))
    except StopIteration:
        return


def chain(words: dict[int, int]) -> tuple[ModelFound, ...]:
    models: list[tuple[ModelFound, ...]] = []

    def steps() -> Steps:
        models.append((yield from walk(BASES, "holding")))

    answered(words, steps())
    return models[0]


def laid(base: int, *models: tuple[int, int]) -> dict[int, int]:
    words = {base: 0x5375, base + 1: 0x6E53}
    at = base + 2
    for number, length in models:
        words |= {at: number, at + 1: length}
        at += 2 + length
    return words


@pytest.mark.parametrize("base", BASES)
def test_the_chain_is_walked_from_each_base(base: int) -> None:
    words = laid(base, (1, 66), (203, 105), (0xFFFF, 0))
    assert chain(words) == (ModelFound(1, base + 2, 66), ModelFound(203, base + 70, 105))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({}, "no SunSpec marker"),
        (laid(40_000, (1, 0)), "broken at HR40002: model 1 of length 0"),
        (laid(40_000, (0, 5)), "model 0"),
        (laid(50_000, (1, 20_000)), "past the last register"),
        (laid(40_000, *[(1, 1)] * (MOST_MODELS + 1)), f"after {MOST_MODELS} models"),
    ],
)
def test_a_chain_that_makes_no_sense_is_an_error(words: dict[int, int], says: str) -> None:
    with pytest.raises(DataError, match=says):
        chain(words)


@given(st.lists(st.integers(0, 65_535), max_size=40))
def test_any_registers_give_a_chain_or_a_reason(words: list[int]) -> None:
    image = dict(enumerate([0x5375, 0x6E53, *words]))
    try:
        models = chain(image)
    except (DataError, MeterRefused):
        return
    assert len(models) <= len(words)


def surveyed(world: World) -> Survey:
    survey = Survey(load_maps().find("sunspec-meter"))
    answered({at: word for (code, at), word in world.words.items() if code == 3}, survey.steps())
    return survey


def test_a_further_meter_of_the_device_is_told() -> None:
    world = world_of(load_maps().find("sunspec-meter"))
    start = SUNSPEC_BASE + 2 + 67
    end = start + 107
    for offset in range(107):
        world.words[3, end + offset] = world.words[3, start + offset]
    world.put(3, end + 107, [0xFFFF, 0])
    data = meter_data(surveyed(world))
    assert len(data.registers) == len(world.truth)
    assert [problem.reason for problem in data.problems if problem.what.startswith("SunSpec")] == [
        f"a further meter of this device, at register {end}, is not read"
    ]


def test_an_inverter_is_no_meter() -> None:
    world = world_of(load_maps().find("sunspec-meter"))
    world.words[3, SUNSPEC_BASE + 2 + 67] = 103
    with pytest.raises(DataError, match=r"no model of a meter.*its models: 1, 103"):
        surveyed(world)


def test_a_model_that_is_too_short_is_refused() -> None:
    world = world_of(load_maps().find("sunspec-meter"))
    start = SUNSPEC_BASE + 2 + 67
    world.words[3, start + 1] = 100
    world.put(3, start + 102, [0xFFFF, 0])
    with pytest.raises(DataError, match=r"model 203.*has 100 registers, and should have 105"):
        surveyed(world)


def test_a_span_is_named_by_its_address_on_the_wire() -> None:
    assert (str(Span("holding", 40_083, 1)), str(Span("input", 72, 2))) == ("HR40083", "IR72 to IR73")
