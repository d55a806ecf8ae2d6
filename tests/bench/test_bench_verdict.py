"""The verdict: limits, allowance, the uncertainty of a poor standard, meters that do not register, creep."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from agent.bench.errors import BenchRefused
from agent.bench.figures import Figure
from agent.bench.plan import Plan
from agent.bench.rules import load_test_rules
from agent.bench.verdict import Creeping, Measured, check_ratio, judge
from tests.bench.bench_kit import CREEP, PLAN, loaded

D = Decimal
RULES = load_test_rules("ubp-2000")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return loaded(tmp_path, PLAN + CREEP).plan


def fig(registration: str, expanded: str = "0.05") -> Figure:
    return Figure(D(registration), (), D(expanded))


def points(heavy: str | None, light: str | None) -> list[Measured]:
    return [
        Measured("heavy", "heavy", None if heavy is None else fig(heavy)),
        Measured("light", "light", None if light is None else fig(light)),
    ]


@pytest.mark.parametrize(
    ("heavy", "light", "outcome"),
    [
        ("100", "100", "pass"),
        ("101.100", "98.900", "pass"),  # the limits and the allowance, both included
        ("101.101", "100", "fail"),
        ("101.1004", "100", "pass"),  # as it is written down: 101.100
        ("100", "98.899", "fail"),
        ("98.899", "98.899", "fail"),
        ("0", "100", "fail"),
        (None, "100", "indeterminate"),
        ("100", None, "indeterminate"),
        (None, None, "not_registering"),
    ],
)
def test_the_outcome_by_the_limits_of_both_loads(
    heavy: str | None, light: str | None, outcome: str, plan: Plan
) -> None:
    verdict = judge(plan, RULES, points(heavy, light), None)
    assert verdict.outcome == outcome
    assert verdict.reasons
    assert (verdict.average is None) == (heavy is None or light is None)


@pytest.mark.parametrize("program", ["selective", "variable_interval"])
def test_sampled_populations_have_no_allowance(program: str, plan: Plan) -> None:
    sampled = msgspec.structs.replace(plan, program=program)
    assert judge(sampled, RULES, points("101.001", "100"), None).outcome == "fail"
    assert judge(plan, RULES, points("101.001", "100"), None).outcome == "pass"


def test_new_meters_are_judged_by_their_average_too(plan: Plan) -> None:
    strict = load_test_rules("ubp-2000-acceptance")
    narrow = msgspec.structs.replace(strict, limits=msgspec.structs.replace(strict.limits, low=D(98), high=D(102)))
    verdict = judge(plan, narrow, points("101.5", "101.5"), None)
    assert (verdict.outcome, verdict.judged[-1].name) == ("fail", "final average")


@pytest.mark.parametrize(
    ("heavy", "outcome"),
    [("101.00", "pass"), ("101.05", "pass"), ("101.06", "undecided"), ("101.15", "undecided"), ("101.16", "fail")],
)
def test_with_a_poor_standard_the_whole_uncertainty_must_fit(heavy: str, outcome: str, plan: Plan) -> None:
    guarded = msgspec.structs.replace(plan, uncertainty_in_verdict=True)
    assert judge(guarded, RULES, points(heavy, "100"), None).outcome == outcome


def test_the_standard_is_four_times_better_or_enters_the_verdict(plan: Plan) -> None:
    assert check_ratio(plan, RULES, D("0.25")) == 4
    with pytest.raises(BenchRefused, match="not 4"):
        check_ratio(plan, RULES, D("0.26"))
    guarded = msgspec.structs.replace(plan, uncertainty_in_verdict=True)
    assert check_ratio(guarded, RULES, D("0.5")) == 2
    with pytest.raises(BenchRefused, match="not more accurate"):
        check_ratio(guarded, RULES, D("1.0"))


def test_a_better_meter_needs_a_better_standard(plan: Plan) -> None:
    precise = msgspec.structs.replace(plan, meter=msgspec.structs.replace(plan.meter, accuracy="0.2 %"))
    with pytest.raises(BenchRefused, match=r"limit of error 0\.2 %"):
        check_ratio(precise, RULES, D("0.1"))
    lax = msgspec.structs.replace(plan, meter=msgspec.structs.replace(plan.meter, accuracy="2 %"))
    with pytest.raises(BenchRefused):
        check_ratio(lax, RULES, D("0.3"))  # the limit of the rule set stays


@pytest.mark.parametrize(
    ("creeping", "outcome"),
    [
        (Creeping(86_400, 0, D(0)), "pass"),
        (Creeping(86_400, 0, D(1000)), "pass"),  # one last digit, by its register
        (Creeping(86_400, 0, D("1000.1")), "creep"),
        (Creeping(3600, 0, D(0)), "pass"),
        (Creeping(3600, 2, D("14.4")), "pass"),  # 345.6 Wh in 24 hours
        (Creeping(600, 2, D("14.4")), "creep"),  # 2,073.6 Wh
    ],
)
def test_creep_is_more_than_one_last_digit_in_24_hours(creeping: Creeping, outcome: str, plan: Plan) -> None:
    assert judge(plan, RULES, points("100", "100"), creeping).outcome == outcome


def test_a_meter_that_creeps_and_is_out_of_limits_is_said_to_be_both(plan: Plan) -> None:
    verdict = judge(plan, RULES, points("103", "100"), Creeping(600, 5, D(36)))
    assert verdict.outcome == "creep"
    assert [reason.split(":")[0] for reason in verdict.reasons] == ["heavy", "final average", "creep"]


def test_a_point_of_the_curve_is_not_judged(plan: Plan) -> None:
    verdict = judge(plan, RULES, [*points("100", "100"), Measured("half", "curve", fig("95"))], None)
    assert verdict.outcome == "pass"
    assert {one.name: one.judgement for one in verdict.judged}["half"] == "not_judged"


def test_one_load_is_enough_where_the_plan_says_why(tmp_path: Path) -> None:
    text = PLAN[: PLAN.rindex("[[points]]")].replace("settling", 'single_load = "type test 17"\nsettling')
    plan = loaded(tmp_path, text).plan
    assert judge(plan, RULES, points("100", None)[:1], None).outcome == "pass"
    assert judge(plan, RULES, points(None, None)[:1], None).outcome == "not_registering"
