"""An answer is the number that it says, exactly, or it is refused: nothing is guessed of what an instrument sends."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.instruments import BadAnswer, Overrange
from drivers.instruments.answer import count_of, error_of, identity_of, number_of, shown, state_of, value_of
from drivers.instruments.schema import Question, State

ONE_OR_NOT = State(ask="OUTP?", yes=("1", "ON"), no=("0", "OFF"))


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("12", "12"),
        ("+12.", "12"),
        ("-.5", "-0.5"),
        (" 1.23456700E+02 ", "123.4567"),
        ("-4.2e-3", "-0.0042"),
        ("0", "0"),
        ("+0.00000000E+00", "0"),
    ],
)
def test_numbers_of_ieee_488_are_taken_exactly(answer: str, number: str) -> None:
    assert number_of(answer) == Decimal(number)


@pytest.mark.parametrize(
    "answer",
    ["", " ", ".", "+", "1,2", "1.2.3", "1 2", "0x10", "1_000", "٣", "1e", "--1", "abc", "1\t", "=1", "2;3"],
)
def test_what_is_no_number_is_refused(answer: str) -> None:
    with pytest.raises(BadAnswer, match=r"no number|no unit"):
        number_of(answer)


@pytest.mark.parametrize(
    "answer", ["9.9E37", "-9.9E+37", "+9.90000000E+37", "1E38", "9.91E37", "NAN", "INF", "-inf", "OVLD", "1E9999"]
)
def test_what_stands_for_no_measurement_is_no_number(answer: str) -> None:
    with pytest.raises(Overrange, match=r"cannot measure|no measurement|out of its range"):
        number_of(answer)


def test_more_than_any_bench_has_is_refused() -> None:
    with pytest.raises(BadAnswer, match="more than any bench"):
        number_of("1.1E15")


def test_a_unit_must_be_that_of_the_profile() -> None:
    energy = Question(ask="ENER?", suffix="kWh", scale="1000")
    assert value_of("1.5 kWh", energy) == 1500
    assert value_of("1.5kWh", energy) == 1500
    for answer in ("1.5", "1.5 Wh", "1.5 KWH", "1.5 kWh kWh"):
        with pytest.raises(BadAnswer, match="says the unit kWh"):
            value_of(answer, energy)
    with pytest.raises(BadAnswer, match="says no unit"):
        value_of("1.5 kWh", Question(ask="ENER?"))


def test_a_count_is_whole_however_it_is_written() -> None:
    count = Question(ask="COUN?")
    assert [count_of(answer, count) for answer in ("20", "+2.0E+1", "20.000")] == [20, 20, 20]
    for answer in ("20.5", "-1", "2E-1"):
        with pytest.raises(BadAnswer, match="no count"):
            count_of(answer, count)


@pytest.mark.parametrize(("answer", "meaning"), [("1", True), ("on", True), (" OFF ", False), ("0", False)])
def test_a_state_is_one_of_the_answers_of_the_profile(answer: str, meaning: bool) -> None:
    assert state_of(answer, ONE_OR_NOT) is meaning


@pytest.mark.parametrize("answer", ["", "2", "01", "1.0", "ON;OFF", "?"])
def test_any_other_state_is_not_taken_for_off(answer: str) -> None:
    with pytest.raises(BadAnswer, match="none of 1, ON, 0, OFF"):
        state_of(answer, ONE_OR_NOT)


def test_an_identity_has_four_fields() -> None:
    one = identity_of("ACME, SX-2 ,0,1.0,beta")
    assert (one.manufacturer, one.model, one.serial_number, one.firmware) == ("ACME", "SX-2", "", "1.0,beta")
    assert identity_of("ACME").model == ""
    with pytest.raises(BadAnswer, match="nothing of itself"):
        identity_of(" ,, ")


def test_an_error_queue_answers_a_number_first() -> None:
    assert error_of('-113,"Undefined header"') == (-113, "Undefined header")
    assert error_of("+0, No error") == (0, "No error")
    assert error_of("0") == (0, "")
    with pytest.raises(BadAnswer, match="no entry"):
        error_of("No error")


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=9))
def test_a_number_comes_back_as_it_went(number: Decimal) -> None:
    assert number_of(f"{number:E}") == number
    assert number_of(f"{number:f}") == number


@given(st.text(max_size=80))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    number = Decimal(0)
    with suppress(BadAnswer):
        number = number_of(text)
    assert number == 0 or number == Decimal(text.strip(" "))


@given(st.text(max_size=200))
def test_any_text_is_an_entry_of_the_queue_or_refused(text: str) -> None:
    code, said = 0, ""
    with suppress(BadAnswer):
        code, said = error_of(text)
    assert abs(code) < 10**6
    assert len(said) <= 60
    assert len(shown(text)) < 1000
