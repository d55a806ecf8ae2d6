"""All checks together: a good reading passes, one thing wrong fails what it should, bad data never raise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.checks import RuleSet, Subject, describe, load_rule_set, rule_set_names, run_checks
from agent.checks.run import CHECKS
from agent.reading import CheckResult
from drivers.data import ClockSample, Event, Identity, IntervalBlock, MeterData, MeterStatus, Problem
from tests.checks.good_subject import (
    START,
    failing,
    good_clock,
    good_register,
    good_subject,
    only,
    outcomes,
    with_block,
    with_data,
    with_interval,
)

RULE_SETS = [load_rule_set(name) for name in rule_set_names()]
UBP = load_rule_set("ubp-2000")
NAMES = [check.name for check in CHECKS]


def cut_last_interval(block: IntervalBlock) -> IntervalBlock:
    return replace(block, counts=block.counts[:-1], values=block.values[:-1], status=block.status[:-1])


def drop_block(subject: Subject, index: int) -> Subject:
    return with_data(subject, blocks=tuple(block for k, block in enumerate(subject.data.blocks) if k != index))


SPOILED: dict[str, tuple[Callable[[Subject], Subject], set[str]]] = {
    "agent clock 60.001 s": (lambda s: replace(s, clock=good_clock(uncertainty_s=Decimal("59.997"))), {"agent_clock"}),
    "wrong id": (lambda s: with_data(s, identity=Identity(meter_id="12345679")), {"meter_id_internal"}),
    "wrong nameplate": (lambda s: replace(s, nameplate_id="12345679"), {"meter_id_external"}),
    "meter clock 180.001 s": (
        lambda s: replace(s, clock=good_clock(meter_offset_s=Decimal("180.001"))),
        {"meter_clock"},
    ),
    "one digit": (lambda s: replace(s, dials=4), {"dial_count"}),
    "one decimal": (lambda s: replace(s, decimals=3), {"demand_decimals"}),
    "one tier": (lambda s: with_data(s, registers=(*s.data.registers, good_register("4", tier=3))), {"tou_sum"}),
    "last interval": (lambda s: with_block(s, 2, cut_last_interval), {"interval_count"}),
    "older last read": (lambda s: replace(s, last_read_at=START - timedelta(minutes=15)), {"interval_count"}),
    "lost block": (lambda s: drop_block(s, 1), {"interval_count", "missing_intervals"}),
    "block twice": (lambda s: with_data(s, blocks=(*s.data.blocks, s.data.blocks[0])), {"missing_intervals"}),
    "no value": (lambda s: with_interval(s, 1, 9, count=None, status=("missing",)), {"missing_intervals"}),
    "overflow flag": (lambda s: with_interval(s, 1, 9, status=("overflow",)), {"pulse_overflow"}),
    "test interval": (lambda s: with_interval(s, 1, 9, status=("test_mode",)), {"test_mode"}),
    "in test mode": (lambda s: with_data(s, status=MeterStatus(("test",), ())), {"test_mode"}),
    "spike": (lambda s: with_interval(s, 1, 9, count=73), {"spike"}),
    "low battery": (lambda s: with_data(s, status=MeterStatus(("metering",), ("low_battery",))), {"meter_diagnostics"}),
    "lost phase": (lambda s: with_data(s, status=MeterStatus(("metering",), ("low_loss_potential",))), {"phase_loss"}),
    "lost table": (lambda s: with_data(s, problems=(Problem("ST76", "refused"),)), {"table_data"}),
}

UNHARMED: dict[str, Callable[[Subject], Subject]] = {
    "agent clock 60 s": lambda s: replace(s, clock=good_clock(uncertainty_s=Decimal("59.996"))),
    "meter clock 180 s": lambda s: replace(s, clock=good_clock(meter_offset_s=Decimal(-180))),
    "one tier": lambda s: with_data(s, registers=(*s.data.registers, good_register("3", tier=3))),
    "outage": lambda s: with_interval(s, 1, 9, status=("power_outage", "partial")),
    "clock set": lambda s: with_interval(s, 1, 9, status=("clock_adjusted", "long")),
    "no spike": lambda s: with_interval(s, 1, 9, count=72),
    "blocks in any order": lambda s: with_data(s, blocks=s.data.blocks[::-1]),
}


@settings(max_examples=25, deadline=None)
@given(
    intervals=st.integers(1, 400),
    channels=st.integers(1, 4),
    interval_s=st.sampled_from([60, 300, 900, 1800, 3600]),
    rules=st.sampled_from(RULE_SETS),
)
def test_a_reading_that_satisfies_every_rule_passes_all(
    intervals: int, channels: int, interval_s: int, rules: RuleSet
) -> None:
    results = run_checks(good_subject(intervals, channels=channels, interval_s=interval_s), rules)
    assert [result.check for result in results] == NAMES
    assert set(outcomes(results).values()) == {"pass"}


@pytest.mark.parametrize("what", SPOILED)
@pytest.mark.parametrize("rules", RULE_SETS, ids=lambda rules: rules.name)
def test_one_thing_wrong_fails_what_it_should(what: str, rules: RuleSet) -> None:
    spoil, expected = SPOILED[what]
    if rules.name == "pge-direct-access" and what in {"last interval", "older last read"}:
        expected = set()  # one interval off: less than five
    assert failing(run_checks(spoil(good_subject()), rules)) == expected


@pytest.mark.parametrize("what", UNHARMED)
def test_at_the_boundary_nothing_fails(what: str) -> None:
    assert failing(run_checks(UNHARMED[what](good_subject()), UBP)) == set()


INDEPENDENT = [
    "agent clock 60.001 s",
    "wrong id",
    "wrong nameplate",
    "one digit",
    "one decimal",
    "one tier",
    "lost block",
    "in test mode",
    "lost table",
]


@given(chosen=st.lists(st.sampled_from(INDEPENDENT), unique=True))
@settings(max_examples=40, deadline=None)
def test_no_failure_hides_another(chosen: list[str]) -> None:
    subject = good_subject()
    expected: set[str] = set()
    for what in chosen:
        spoil, fails = SPOILED[what]
        subject, expected = spoil(subject), expected | fails
    assert failing(run_checks(subject, UBP)) == expected


def test_every_result_names_rule_set_and_clause_and_every_skip_its_reason() -> None:
    bare = Subject(MeterData(Identity(""), "", "manual"), good_clock(), START, START)
    for rules in RULE_SETS:
        for subject in (good_subject(), bare, *(spoil(good_subject()) for spoil, _ in SPOILED.values())):
            for result in run_checks(subject, rules):
                assert result.rule_set == rules.name
                assert result.clause
                assert result.outcome == "pass" or result.reason
                assert result.intervals != ()


@dataclass(frozen=True)
class Odd:
    """How odd the data of a property test may be: what a driver could return, or what no driver should."""

    times: st.SearchStrategy[datetime]
    numbers: st.SearchStrategy[Decimal]


def utc_times(first: int, last: int) -> st.SearchStrategy[datetime]:
    bounds = (datetime(year, 6, 1, tzinfo=UTC).replace(tzinfo=None) for year in (first, last))
    return st.datetimes(*bounds, timezones=st.just(UTC))


POSSIBLE = Odd(utc_times(1900, 2300), st.decimals(-(10**20), 10**20, places=6))
ABSURD = Odd(utc_times(1, 9999), st.decimals(allow_nan=True, allow_infinity=True))
WORDS = ["overflow", "missing", "partial", "test_mode", "power_outage", "clock_adjusted"]


def blocks_of(odd: Odd) -> st.SearchStrategy[IntervalBlock]:
    return st.builds(
        IntervalBlock,
        channel=st.integers(-1, 3),
        quantity=st.sampled_from(["kWh", "V", ""]),
        direction=st.just("net"),
        unit=st.just(""),
        interval_s=st.sampled_from([-1, 0, 1, 900, 86_400]),
        first_interval_end=odd.times,
        counts=st.lists(st.none() | st.integers(-(2**70), 2**70) | odd.numbers, max_size=5).map(tuple),
        multiplier=odd.numbers,
        values=st.just(()),
        status=st.lists(st.lists(st.sampled_from(WORDS), max_size=2).map(tuple), max_size=5).map(tuple),
        maximum_count=st.none() | st.integers(0, 255),
    )


@st.composite
def subjects(draw: st.DrawFn, odd: Odd) -> Subject:
    raw = st.text(max_size=6) | st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,9})?", fullmatch=True)
    registers = tuple(
        replace(good_register("1", tier=tier, kind="demand" if tier == 3 else "cumulative"), raw=draw(raw))
        for tier in range(draw(st.integers(0, 4)))
    )
    maybe = st.none() | odd.numbers
    data = MeterData(
        Identity(draw(st.text(max_size=3))),
        "",
        registers=registers,
        blocks=tuple(draw(st.lists(blocks_of(odd), max_size=4))),
        clock=ClockSample(draw(odd.times), 0, 0, Decimal(0), Decimal(0), Decimal(0)),
        has_clock=True,
        method=draw(st.sampled_from(["optical", "manual", "modem"])),
        events=(Event(draw(st.none() | odd.times), 44, ""),),
    )
    clock = good_clock(
        meter_offset_s=draw(maybe),
        meter_offset_uncertainty_s=draw(maybe),
        offset_s=draw(maybe),
        uncertainty_s=draw(maybe),
    )
    return Subject(
        data,
        clock,
        draw(odd.times),
        draw(odd.times),
        expected_meter_id=draw(st.none() | st.text(max_size=3)),
        last_read_at=draw(st.none() | odd.times),
        dials=draw(st.none() | st.integers(1, 18)),
        decimals=2,
    )


@settings(max_examples=150, deadline=None)
@given(subject=subjects(POSSIBLE))
def test_whatever_a_driver_returns_is_judged(subject: Subject) -> None:
    for rules in RULE_SETS:
        results = run_checks(subject, rules)
        assert list(dict.fromkeys(result.check for result in results)) == NAMES
        assert not [result for result in results if "broke on these data" in (result.reason or "")]
        assert all(describe(result) for result in results)


@settings(max_examples=100, deadline=None)
@given(subject=subjects(ABSURD))
def test_absurd_data_never_raise(subject: Subject) -> None:
    results = run_checks(subject, UBP)
    assert list(dict.fromkeys(result.check for result in results)) == NAMES


def test_a_check_that_breaks_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
        raise ZeroDivisionError("nothing to divide by")

    position = NAMES.index("spike")
    checks = (*CHECKS[:position], replace(CHECKS[position], judge=broken), *CHECKS[position + 1 :])
    monkeypatch.setattr("agent.checks.run.CHECKS", checks)
    results = run_checks(good_subject(), UBP)
    assert failing(results) == {"spike"}
    assert "ZeroDivisionError: nothing to divide by" in (only(results, "spike").reason or "")


def described(subject: Subject, check: str) -> str:
    return describe(only(run_checks(subject, UBP), check))


def test_sentences_say_what_is_wrong_and_what_to_do() -> None:
    slow = replace(good_subject(), clock=good_clock(meter_offset_s=Decimal("-200.5")))
    assert described(slow, "meter_clock") == (
        "Meter clock: the meter's clock is 200.5 s slow; "
        "the meter's clock must be set (only if the order authorises it), else report an anomaly."
    )
    assert described(good_subject(), "meter_clock") == "Meter clock: in order (-1.3 s, limit 180 s)."
    assert described(good_subject(), "meter_id_internal") == "Internal meter id: in order (12345678)."
    remote = replace(with_data(good_subject(), method="modem"), nameplate_id=None)
    assert (
        described(remote, "meter_id_external")
        == "External meter id: not checked, no nameplate id: read remotely, nobody is at the meter."
    )
    outage = with_interval(good_subject(), 0, 1, status=("power_outage",))
    assert described(outage, "power_outage") == (
        "Power outages, channel 1: in order; 1 interval with a power failure: not for interpolation or reference days."
    )
    verified = replace_outcome(only(run_checks(replace(good_subject(), dials=4), UBP), "dial_count"))
    assert "failed, but a second reading gave the same (5 digits, limit 4 digits)" in describe(verified)
    assert describe(CheckResult("new_check", "pass", "x", "y")) == "New check: in order."


def replace_outcome(result: CheckResult) -> CheckResult:
    return msgspec.structs.replace(result, outcome="verified")
