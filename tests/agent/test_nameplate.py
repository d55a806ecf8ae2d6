"""The nameplate is asked for where its check needs it, without showing what the record has."""

from __future__ import annotations

import pytest

from agent.nameplate import with_nameplate
from agent.order import Order
from drivers.data import Identity, MeterData, Method
from drivers.person import Answer, Question

EXPECTED = "10012345"


class Person:
    """Says these answers, and remembers what was asked."""

    def __init__(self, *answers: str | None) -> None:
        self._answers = list(answers)
        self.asked: list[Question] = []

    async def __call__(self, question: Question) -> Answer:
        self.asked.append(question)
        return Answer(self._answers.pop(0))


def order(**changes: str | None) -> Order:
    given: dict[str, str | None] = {"expected_meter_id": EXPECTED, **changes}
    return Order(url="/dev/ttyUSB0", **given)  # type: ignore[arg-type]


def data(method: Method = "optical") -> MeterData:
    return MeterData(Identity(EXPECTED), "generic-c1219", method)


async def test_the_right_number_is_asked_for_once() -> None:
    person = Person(EXPECTED)
    assert (await with_nameplate(order(), data(), person)).nameplate_id == EXPECTED
    assert len(person.asked) == 1


async def test_another_number_is_looked_up_again_and_the_second_answer_stands() -> None:
    for second in (EXPECTED, "10012354"):
        person = Person("10012354", second)
        assert (await with_nameplate(order(), data(), person)).nameplate_id == second
        assert person.asked[1].again


async def test_who_cannot_look_again_said_what_was_seen() -> None:
    assert (await with_nameplate(order(), data(), Person("77", None))).nameplate_id == "77"
    assert (await with_nameplate(order(), data(), Person(None))).nameplate_id is None


async def test_the_record_is_not_given_away() -> None:
    person = Person("77", "78")
    await with_nameplate(order(), data(), person)
    assert not any(EXPECTED in f"{one.text}{one.because}{one.example}" for one in person.asked)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (order(nameplate_id="5"), data()),
        (order(expected_meter_id=None), data()),
        (order(), data("modem")),
        (order(), data("manual")),
    ],
)
async def test_nobody_is_asked_in_vain(given: Order, read: MeterData) -> None:
    person = Person()
    assert await with_nameplate(given, read, person) is given
    assert await with_nameplate(given, read, None) is given
