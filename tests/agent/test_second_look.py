"""What a second look at the registers makes of a failed check, by UBP A4 1.4.3, 3.3.1.4, 3.4.4, 3.6.4 and 3.8.3."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.checks import RuleSet, Subject, load_rule_set, run_checks
from agent.history import PastRegister
from agent.reading import CheckResult
from agent.second_look import contradictions, verified, wants
from drivers.data import Register, SecondLook, Source
from tests.checks.good_subject import good_subject, with_data, with_history, with_register

UBP = load_rule_set("ubp-2000")
S = 1_000_000_000
TOTAL, DEMAND = 0, 3  # registers of the good subject


def on_record(subject: Subject | None = None) -> Subject:
    """A visit whose registers lie in ST23, and were in at 0 s of the monotonic clock."""
    subject = subject or good_subject()
    placed = tuple(
        replace(register, source=Source("ST23", 6 * index, 6)) for index, register in enumerate(subject.data.registers)
    )
    return with_data(subject, registers=placed, registers_ns=0)


def looked(subject: Subject, *looks: tuple[float, dict[int, str]], tables: tuple[str, ...] = ("ST23",)) -> Subject:
    """Read all of ST23 again: after so many seconds, with these registers reading otherwise."""
    again = []
    for seconds, changed in looks:
        registers = list(subject.data.registers)
        for index, raw in changed.items():
            registers[index] = other(registers[index], raw)
        kept = tuple(r for r in registers if r.source is not None and r.source.table in tables)
        again.append(SecondLook(tables, kept, int(seconds * S)))
    return with_data(subject, again=tuple(again))


def other(register: Register, raw: str) -> Register:
    return replace(register, raw=raw, value=Decimal(raw) * register.multiplier)


def result(subject: Subject, check: str, rules: RuleSet = UBP) -> CheckResult:
    found = [one for one in verified(run_checks(subject, rules), subject, rules) if one.check == check]
    return max(found, key=lambda one: ("skipped", "pass", "verified", "fail").index(one.outcome))


def without_reread(check: str) -> RuleSet:
    rule = msgspec.structs.replace(getattr(UBP, check), reread=False)
    return msgspec.structs.replace(UBP, **{check: rule})


# -- what asks for it


def test_a_good_reading_asks_for_nothing() -> None:
    assert wants(on_record(), UBP) == ()


def misread(**changes: Any) -> Subject:
    return replace(on_record(), **changes)


def test_a_failed_check_asks_for_the_tables_of_its_registers() -> None:
    assert wants(misread(dials=4), UBP) == ("ST23",)


def test_only_the_tables_that_hold_what_failed_are_asked_for() -> None:
    subject = on_record()
    last = replace(subject.data.registers[TOTAL], raw="152345", period="previous_reset", source=Source("ST25", 8, 6))
    assert wants(with_data(subject, registers=(*subject.data.registers, last)), UBP) == ("ST25",)


def test_a_rule_without_reread_asks_for_nothing() -> None:
    subject = misread(dials=4)
    assert wants(subject, without_reread("dial_count")) == ()
    assert result(looked(subject, (2, {})), "dial_count", without_reread("dial_count")).outcome == "fail"


@pytest.mark.parametrize("check", ["meter_id_internal", "meter_clock"])
def test_what_no_register_can_mend_asks_for_nothing(check: str) -> None:
    clock = replace(good_subject().clock, meter_offset_s=Decimal(500))
    subject = misread(expected_meter_id="99999999") if check == "meter_id_internal" else misread(clock=clock)
    assert result(subject, check).outcome == "fail"
    assert wants(subject, UBP) == ()


def test_registers_without_a_place_cannot_be_read_again() -> None:
    subject = replace(with_data(good_subject(), registers_ns=0), dials=4)
    assert wants(subject, UBP) == ()


def test_self_reads_are_not_read_again() -> None:
    subject = on_record()
    copy = replace(subject.data.registers[TOTAL], raw="152345", period="self_read", source=Source("ST26", 8, 6))
    assert wants(with_data(subject, registers=(*subject.data.registers, copy)), UBP) == ()


def test_before_the_registers_were_in_nothing_is_asked_for() -> None:
    assert wants(with_data(misread(dials=4), registers_ns=None), UBP) == ()


# -- the same again


def test_the_same_value_verifies_the_number_of_dials() -> None:
    subject = looked(misread(dials=4), (4.25, {}))
    found = result(subject, "dial_count")
    assert (found.outcome, found.measured, found.limit) == ("verified", "5", "4")
    assert found.reason is not None
    assert "read again 4.2 s later: kWh delivered 052345, then the same" in found.reason
    assert wants(subject, UBP) == ()


def test_the_same_value_verifies_decimals_of_demand() -> None:
    assert result(looked(misread(decimals=3), (2, {})), "demand_decimals").outcome == "verified"


def test_a_register_that_counted_on_is_the_same() -> None:
    """96 kW for 75 s is 2 kWh, and one step more for where the digit turns."""
    subject = looked(misread(dials=4), (75, {TOTAL: "052348"}))
    found = result(subject, "dial_count")
    assert found.outcome == "verified"
    assert found.reason is not None
    assert "052345, then 052348" in found.reason
    assert "having counted on" in found.reason
    assert contradictions(subject, UBP) == ()


def test_a_register_that_counted_further_than_the_service_can_draw_is_another_value() -> None:
    subject = looked(misread(dials=4), (75, {TOTAL: "052349"}))
    found = result(subject, "dial_count")
    assert found.outcome == "fail"  # judged anew: it has five digits, too
    assert wants(subject, UBP) == ("ST23",)
    (odd,) = contradictions(subject, UBP)
    assert (odd.what, odd.lost) == ("kWh delivered", False)
    assert "052345" in odd.reason
    assert "052349" in odd.reason


def test_the_limit_of_the_service_is_the_orders() -> None:
    subject = with_history(looked(misread(dials=4), (75, {TOTAL: "052349"})), service_limit=Decimal(200))
    assert result(subject, "dial_count").outcome == "verified"


def test_a_register_that_ran_backwards_is_another_value() -> None:
    assert result(looked(misread(dials=4), (75, {TOTAL: "052344"})), "dial_count").outcome == "fail"


def test_one_rollover_between_the_looks_is_counting_on() -> None:
    subject = with_register(misread(dials=5, decimals=1), TOTAL, "99999")
    assert contradictions(looked(subject, (75, {TOTAL: "00001"})), UBP) == ()


# -- another value


def test_a_misread_is_judged_by_the_second_look_and_keeps_the_first() -> None:
    subject = with_register(on_record(), TOTAL, "152345")
    assert {one.check for one in run_checks(subject, UBP) if one.outcome == "fail"} >= {"dial_count"}
    seen = looked(subject, (3, {TOTAL: "052345"}))
    found = result(seen, "dial_count")
    assert (found.outcome, found.measured) == ("pass", "5")
    assert found.reason is not None
    assert "judged by the later look" in found.reason
    assert "152345, then 052345" in found.reason
    assert seen.data.registers[TOTAL].raw == "152345"
    assert len(contradictions(seen, UBP)) == 1
    assert wants(seen, UBP) == ()


def test_another_wrong_value_is_looked_at_once_more_and_then_verified() -> None:
    subject = misread(dials=4)
    once = looked(subject, (3, {TOTAL: "072345"}))
    assert result(once, "dial_count").outcome == "fail"
    assert wants(once, UBP) == ("ST23",)
    twice = looked(subject, (3, {TOTAL: "072345"}), (6, {TOTAL: "072345"}))
    found = result(twice, "dial_count")
    assert found.outcome == "verified"
    assert found.reason is not None
    assert "052345, then 072345" in found.reason  # nothing of the first look is dropped
    assert wants(twice, UBP) == ()


def test_a_table_that_could_not_be_read_again_leaves_the_result_as_it_was() -> None:
    subject = misread(dials=4)
    first = result(subject, "dial_count")
    seen = looked(subject, (3, {}), tables=("ST25",))
    assert result(seen, "dial_count") == first
    assert wants(seen, UBP) == ()


def test_a_second_look_without_a_number_leaves_the_failure() -> None:
    subject = misread(dials=4)
    blank = replace(subject.data.registers[TOTAL], raw="FFFFFF", value=None)
    rest = subject.data.registers[1:3]
    seen = with_data(
        subject, again=(SecondLook(("ST23",), (blank, *rest), S),), registers=(subject.data.registers[TOTAL], *rest)
    )
    assert result(seen, "dial_count").outcome == "fail"


# -- high and low usage: the only figures that may be near


def high(raw: str = "152345") -> Subject:
    """A register that says 100000 kWh more than were used; five times of usage is ten times too much."""
    subject = on_record()
    return with_register(replace(subject, dials=None, before=None), TOTAL, raw)


def test_high_usage_read_the_same_is_verified() -> None:
    found = result(looked(high(), (2, {})), "high_low_usage")
    assert found.outcome == "verified"


def test_high_usage_read_otherwise_at_the_same_time_is_judged_anew() -> None:
    assert result(looked(high(), (60, {TOTAL: "052345"})), "high_low_usage").outcome == "pass"


def usage(subject: Subject) -> Decimal:
    assert subject.history is not None
    value = subject.data.registers[TOTAL].value
    assert value is not None
    return value - subject.history.registers[0].value


@pytest.mark.parametrize(
    ("part", "outcome"), [("1.2", "verified"), ("0.8", "verified"), ("1.3", "fail"), ("0.7", "fail")]
)
def test_high_usage_at_another_time_is_verified_within_a_fifth(part: str, outcome: str) -> None:
    first = high()
    assert first.history is not None
    (past,) = first.history.registers
    raw = str(past.value + usage(first) * Decimal(part))
    seen = looked(first, (61, {TOTAL: raw}))
    assert result(seen, "high_low_usage").outcome == outcome


def test_how_near_and_how_much_later_is_the_rule_sets() -> None:
    first = high()
    assert first.history is not None
    raw = str(first.history.registers[0].value + usage(first) * Decimal("1.3"))
    wider = msgspec.structs.replace(UBP.high_low_usage, reread_within=Decimal(30))
    rules = msgspec.structs.replace(UBP, high_low_usage=wider)
    assert result(looked(first, (61, {TOTAL: raw})), "high_low_usage", rules).outcome == "verified"
    later = msgspec.structs.replace(UBP.high_low_usage, same_time_s=Decimal(120))
    rules = msgspec.structs.replace(UBP, high_low_usage=later)
    assert result(looked(first, (61, {TOTAL: "052345"})), "high_low_usage", rules).outcome == "pass"


def test_high_usage_at_another_time_that_is_far_off_fails_until_it_is_confirmed() -> None:
    """A4 3.3.1.4 (2): what is not within 20 % of the first fails, although the new value by itself would pass."""
    once = looked(high(), (61, {TOTAL: "052345"}))
    assert result(once, "high_low_usage").outcome == "fail"
    assert wants(once, UBP) == ("ST23",)
    twice = looked(high(), (61, {TOTAL: "052345"}), (63, {TOTAL: "052345"}))
    assert result(twice, "high_low_usage").outcome == "pass"


def test_usage_by_intervals_asks_for_no_register() -> None:
    results = run_checks(on_record(), UBP)
    by_channel = CheckResult("high_low_usage", "fail", "ubp-2000", "A4 1.5.1", reason="far off", channel=1)
    subject = looked(on_record(), (2, {}))
    assert verified((*results, by_channel), subject, UBP)[-1] == by_channel


def test_high_demand_near_the_first_at_another_time_is_verified() -> None:
    subject = with_register(on_record(), DEMAND, "50.00")
    assert result(subject, "high_low_demand").outcome == "fail"
    assert result(looked(subject, (5, {})), "high_low_demand").outcome == "verified"
    assert result(looked(subject, (400, {DEMAND: "55.00"})), "high_low_demand").outcome == "verified"
    assert result(looked(subject, (400, {DEMAND: "61.00"})), "high_low_demand").outcome == "fail"
    assert result(looked(subject, (5, {DEMAND: "12.34"})), "high_low_demand").outcome == "pass"


def test_demand_that_rose_between_the_looks_is_no_contradiction() -> None:
    assert contradictions(looked(on_record(), (400, {DEMAND: "55.00"})), UBP) == ()


# -- zero consumption, advance, sum


def idle() -> Subject:
    subject = on_record()
    value = subject.data.registers[TOTAL].value
    assert value is not None
    past = PastRegister(quantity="kWh", value=value, at=subject.read_at - timedelta(days=30))
    return replace(with_history(subject, registers=(past,)), before=None)


def test_no_consumption_read_the_same_is_verified() -> None:
    assert result(idle(), "zero_consumption").outcome == "fail"
    assert result(looked(idle(), (2, {})), "zero_consumption").outcome == "verified"


def test_a_meter_that_counted_on_meanwhile_has_consumption() -> None:
    found = result(looked(idle(), (75, {TOTAL: "052346"})), "zero_consumption")
    assert (found.outcome, found.measured) == ("pass", "1")


def test_a_register_that_went_backwards_is_verified_by_the_same_again() -> None:
    subject = with_register(on_record(), TOTAL, "040000")
    assert result(subject, "register_advance").outcome == "fail"
    assert result(looked(subject, (2, {})), "register_advance").outcome == "verified"
    assert result(looked(subject, (2, {TOTAL: "052345"})), "register_advance").outcome == "pass"


def test_the_sum_check_is_redone_and_never_verified() -> None:
    """A4 1.4.3 a: from the original start reading to the new stop reading; the same stop proves nothing of the sum."""
    subject = with_register(on_record(), TOTAL, "052395")
    assert result(subject, "sum_check").outcome == "fail"
    assert wants(subject, UBP) == ("ST23",)
    same = looked(subject, (2, {}))
    assert result(same, "sum_check").outcome == "fail"
    assert wants(same, UBP) == ()
    assert result(looked(subject, (2, {TOTAL: "052345"})), "sum_check").outcome == "pass"


# -- any data


@settings(max_examples=60, deadline=None)
@given(
    first=st.sampled_from(["052345", "152345", "000000", "-5", "1E9", "FFFF", "NaN", "99999"]),
    second=st.sampled_from(["052345", "052346", "999999", "0.5", "", "NaN", "Infinity", "-1"]),
    seconds=st.sampled_from([0, 0.1, 59, 61, 4000]),
    dials=st.sampled_from([None, 0, 4, 5, 6]),
)
def test_never_raises_and_never_changes_what_did_not_fail(
    first: str, second: str, seconds: float, dials: int | None
) -> None:
    def read(register: Register, raw: str) -> Register:
        try:
            value: Decimal | None = Decimal(raw)
        except ArithmeticError:
            value = None
        return replace(register, raw=raw, value=value)

    subject = replace(on_record(), dials=dials)
    registers = subject.data.registers
    subject = with_data(subject, registers=(read(registers[0], first), *registers[1:]))
    look = SecondLook(("ST23",), (read(registers[0], second), *registers[1:]), int(seconds * S))
    seen = with_data(subject, again=(look, look))
    results = run_checks(seen, UBP)
    wants(seen, UBP)
    contradictions(seen, UBP)
    for before, after in zip(results, verified(results, seen, UBP), strict=True):
        assert (after.check, after.channel) == (before.check, before.channel)
        if before.outcome != "fail":
            assert after == before
        elif first == second:
            assert after.outcome in {"fail", "verified"}
