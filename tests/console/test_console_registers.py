"""Registers in large digits: in an order that a person knows, exact, and as the display has them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.console.registers_shown import RegisterShown, groups_of
from agent.console.text import Texts
from agent.reading import RegisterPart
from tests.console.reading_kit import register

TEXTS = Texts()


def shown(one: RegisterPart) -> RegisterShown:
    [group] = groups_of([one], TEXTS)
    [found] = group.registers
    return found


def test_dials_stand_one_by_one_with_their_leading_zeros() -> None:
    one = shown(register("012345", dials=6))
    assert (one.dials, one.whole, one.places, one.unit, one.value) == (True, tuple("012345"), "", "kWh", "")


def test_decimals_stand_apart() -> None:
    one = shown(register("00012.340", dials=8, decimals=3, value="12.34"))
    assert (one.whole, one.places, one.value) == (tuple("00012"), "340", "")


def test_what_is_billed_is_said_where_the_display_shows_less() -> None:
    one = shown(register("00123", dials=5, multiplier="40", value="4920"))
    assert (one.shown, one.multiplier, one.value) == ("00123", "40", "4920")


def test_without_dials_the_value_stands_in_threes() -> None:
    one = shown(register("36644198", value="36644198", unit="Wh"))
    assert (one.dials, one.whole, one.length) == (False, ("36", "644", "198"), "")
    assert shown(register("1", value="1539388569600")).length == "longest"
    assert shown(register("1", value="-1234.5")).whole == ("-1", "234")
    assert shown(register("1", value="-123")).whole == ("-123",)


@pytest.mark.parametrize("raw", ["1e3", "-", "", "ABC", "1.2.3", "\N{ARABIC-INDIC DIGIT ONE}x"])
def test_what_is_no_number_stands_as_it_is(raw: str) -> None:
    one = shown(register(raw, dials=6, value=None))
    assert (one.dials, "".join(one.whole) + (f".{one.places}" if one.places else "")) == (False, raw)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4), st.sampled_from([None, 9]))
def test_no_digit_is_lost_or_added(value: object, dials: int | None) -> None:
    text = f"{value:f}"
    one = shown(register(text, value=text, dials=dials))
    assert "".join(one.whole) + (f".{one.places}" if one.places else "") == text


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"tier": 2}, "kWh delivered, rate 2"),
        ({"kind": "demand", "quantity": "kW"}, "kW delivered, maximum"),
        ({"kind": "demand", "quantity": "kW", "extreme": "minimum"}, "kW delivered, minimum"),
        ({"kind": "cumulative_demand", "continuous": True}, "kWh delivered, running cumulative demand"),
        ({"kind": "instantaneous", "direction": "total", "quantity": "V", "phase": "A"}, "V, at this moment, phase A"),
        ({"kind": "demand", "occurrence": 1}, "kWh delivered, maximum, no. 2"),
    ],
)
def test_registers_have_names(changes: dict[str, Any], name: str) -> None:
    assert shown(register(**changes)).name == name


def test_what_is_now_comes_first_and_totals_before_rates() -> None:
    end = "2026-11-01T04:00:00Z"
    found = groups_of(
        [
            register(period="self_read", self_read=1, period_end=end),
            register(period="self_read", self_read=2),
            register(period="previous_reset", period_end=end),
            register(season="previous"),
            register(tier=1),
            register(kind="demand", quantity="kW", occurred_at=end),
            register(),
        ],
        TEXTS,
    )
    names = ["Now", "Season before", "At the last demand reset", "Self read 2", "Self read 1"]
    assert [group.name for group in found] == names
    now = found[0].registers
    assert [one.name for one in now] == ["kWh delivered", "kWh delivered, rate 1", "kW delivered, maximum"]
    assert [one.main for one in now] == [True, False, True]
    assert now[2].occurred_at == found[2].ended_at == datetime(2026, 11, 1, 4, tzinfo=UTC)
