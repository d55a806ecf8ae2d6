"""What is odd about values is said while they are typed, without a word of what the record has."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.checks import load_rule_set
from agent.errors import UsageError
from agent.field.visual import Draft, decode_draft, encode_draft, entry_of, looks_odd
from agent.history import Before, History, LastRegister, PastPeriod, PastRegister
from agent.order import Order
from drivers.visual.entry import ShownRegister

AT = datetime(2026, 3, 20, 15, 44, 30, tzinfo=UTC)
LAST = AT - timedelta(days=30)
RULES = load_rule_set("ubp-2000", ())


def record(value: str = "99900", usage: int = 300, **more: Any) -> Order:
    """Return the order of a house that uses ten a day."""
    history = History(
        registers=(PastRegister(quantity="kWh", value=Decimal(value), at=LAST),),
        periods=(PastPeriod(start=LAST - timedelta(days=30), end=LAST, usage=Decimal(usage), peak_demand=Decimal(5)),),
    )
    return Order("visual://", history=history, **more)


def odd(order: Order, *shown: str, **face: Any) -> list[tuple[int, str, bool]]:
    registers = [ShownRegister(shown=text, **face) for text in shown]
    return [(one.register, one.kind, one.serious) for one in looks_odd(order, registers, RULES, AT)]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", []),
        ("100200", []),
        ("103000", [(0, "high", True)]),
        ("099901", [(0, "low", True)]),
        ("099900", [(0, "zero", True)]),
        ("099899", [(0, "went_back", True)]),
        ("12a", [(0, "not_a_number", True)]),
        ("-00001", [(0, "not_a_number", True)]),
        ("１２", [(0, "not_a_number", True)]),
        ("9" * 40, [(0, "not_a_number", True)]),
    ],
)
def test_each_oddity_of_a_register_that_counts(typed: str, found: list[tuple[int, str, bool]]) -> None:
    assert odd(record(), typed) == found


def test_a_rollover_is_for_information_and_its_usage_is_judged() -> None:
    order = record("99900", dials=5)
    assert odd(order, "00200") == [(0, "rollover", False)]
    assert odd(order, "03000") == [(0, "rollover", False), (0, "high", True)]
    assert odd(record("99900"), "00200", dials=5) == [(0, "rollover", False)]
    assert odd(record("99900"), "000200") == [(0, "went_back", True)]


def test_the_number_of_digits_is_that_of_the_register_else_of_the_order() -> None:
    order = record("100", dials=6)
    assert odd(order, "00400") == [(0, "digits", True)]
    assert odd(order, "00400", dials=5) == []
    assert odd(Order("visual://", decimals=3), "12.34", quantity="kW") == [(0, "decimals", True)]
    assert odd(Order("visual://", decimals=3), "12.34", quantity="kW", decimals=2) == []
    assert odd(Order("visual://"), "12.3", decimals=1, dials=3) == [(0, "digits", True)]
    assert odd(Order("visual://", dials=6), "12.3", quantity="kW") == []


def test_demand_and_each_register_for_itself() -> None:
    order = record()
    assert odd(order, "4.500", quantity="kW") == []
    assert odd(order, "50.00", quantity="kW") == [(0, "high", True)]
    assert odd(order, "100200", "x", "099900") == [(1, "not_a_number", True), (2, "zero", True)]


def test_a_net_register_may_run_backwards() -> None:
    order = Order("visual://", dials=5, history=History(registers=(past := PastRegister(
        quantity="kWh", value=Decimal(500), at=LAST, direction="net"),)))  # fmt: skip
    assert past.direction == "net"
    assert odd(order, "00400", direction="net") == []


def test_what_this_agent_remembers_counts_for_its_own_meter_only() -> None:
    last = LastRegister("kWh", "delivered", 0, "500", Decimal(500), Decimal(1))
    before = Before("77", LAST, registers=(last,))
    order = Order("visual://", expected_meter_id="77")
    [found] = looks_odd(order, [ShownRegister(shown="00499")], RULES, AT, before=before)
    assert found.kind == "went_back"
    assert looks_odd(order, [ShownRegister(shown="00499")], RULES, AT, before=replace(before, meter_id="78")) == ()


def test_a_customer_of_irregular_usage_has_their_own_limits() -> None:
    order = record()
    assert order.history is not None
    from msgspec.structs import replace as changed

    usual = changed(order.history.usual, usage_high=Decimal(2000), omit=("zero_consumption",))
    order = changed(order, history=changed(order.history, usual=usual))
    assert odd(order, "103000") == []


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1, 12) | st.none())
def test_nothing_of_the_record_is_ever_said(value: int, typed: int, dials: int | None) -> None:
    order = record(str(value), dials=dials)
    for one in looks_odd(order, [ShownRegister(shown=str(typed))], RULES, AT):
        figures = set(map(int, re.findall(r"\d+", one.text)))
        assert figures <= {len(str(typed)), dials}
        assert "None" not in one.text


@given(
    st.text(max_size=24), st.sampled_from(["kWh", "kW", "kvarh", "x"]), st.sampled_from(["1", "40", "0.000000000001"])
)
def test_nothing_that_is_typed_breaks_it(typed: str, quantity: str, multiplier: str) -> None:
    shown = [ShownRegister(shown=typed, quantity=quantity, multiplier=multiplier)]
    found = looks_odd(record(dials=5, decimals=2), shown, RULES, AT)
    assert all(one.text and one.register == 0 for one in found)


# -- drafts


FACES = (ShownRegister(shown="0", dials=6, multiplier="40"), ShownRegister(shown="0", quantity="kW", decimals=3))


def test_a_draft_comes_back_as_it_was() -> None:
    draft = Draft(values=("01", ""), again=("", "1.2"), nameplate_id=" 77", trouble=("dog",), remark="dusty")
    assert decode_draft(encode_draft(draft)) == draft


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"values":["' + b"1" * 99 + b'"]}'])
def test_what_is_no_draft_is_an_empty_one(content: bytes) -> None:
    assert decode_draft(content) == Draft()


def test_a_complete_draft_is_an_entry_as_typed() -> None:
    draft = Draft(
        values=("012345 ", "12.340"), again=("", "12.340"), nameplate_id=" 77 ", photos=("a.jpg",), remark=" "
    )
    entry = entry_of(FACES, draft, read_by="ann", read_at=AT)
    assert [(one.shown, one.again, one.multiplier, one.dials, one.decimals) for one in entry.registers] == [
        ("012345", (), "40", None, None),
        ("12.340", ("12.340",), "1", None, None),
    ]
    assert (entry.nameplate_id, entry.read_by, entry.read_at, entry.remark) == ("77", "ann", AT, None)


def test_another_number_of_digits_is_taken_as_it_is_seen() -> None:
    assert entry_of(FACES, Draft(values=("123", "1"))).registers[0].shown == "123"


def test_with_a_reason_values_may_be_missing() -> None:
    entry = entry_of(FACES, Draft(values=("012345",), trouble=("not_legible",)))
    assert ([one.shown for one in entry.registers], entry.trouble) == (["012345"], ("not_legible",))
    assert entry_of(FACES, Draft(trouble=("dog",))).registers == ()


@pytest.mark.parametrize(
    ("draft", "reason"),
    [
        (Draft(), "kWh delivered: nothing is typed"),
        (Draft(values=("012345",)), "kW delivered: nothing is typed"),
        (Draft(values=("1", "2", "3")), "3 values for 2 registers"),
        (Draft(values=("12a", "1")), "kWh delivered: '12a' is not what a display shows"),
        (Draft(values=("1", "1"), again=("x",)), "'x' is not"),
        (Draft(values=("-1", "1")), "below zero"),
        (Draft(values=("1", "1"), trouble=("cat",)), "cat"),
        (Draft(values=("1", "1"), nameplate_id="7" * 300), "nameplate_id"),
    ],
)
def test_what_is_missing_or_wrong_is_named(draft: Draft, reason: str) -> None:
    with pytest.raises(UsageError, match=re.escape(reason)):
        entry_of(FACES, draft)


def test_nothing_at_all_is_no_entry() -> None:
    with pytest.raises(UsageError, match="nothing is typed"):
        entry_of((), Draft())
