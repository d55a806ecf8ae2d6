"""The verdict on a meter, by the figures of a test and a rule set. Pure.

    pass              within the limits
    fail              outside: to be adjusted, or removed
    not_registering   neither at heavy nor at light load
    indeterminate     not at one of them
    creep             registers without load
    undecided         the uncertainty, which enters the verdict here, reaches across a limit

The limits are widened by the allowance for instrumentation and observation, where the meter's test program has it.
With a standard that is at least the rule set's ratio better than the meter the figure alone is judged; with a worse
one the figure and its whole uncertainty must be within the limits to pass, and outside of them to fail (JCGM 106).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from agent.bench.errors import BenchRefused
from agent.bench.figures import Figure, final_average
from agent.bench.plan import Plan, Role
from agent.bench.rules import AccuracyRules, Limits
from drivers.decimal_text import plain

Outcome = Literal["pass", "fail", "not_registering", "indeterminate", "creep", "undecided"]
Judgement = Literal["pass", "fail", "undecided", "not_registering", "not_judged"]


@dataclass(frozen=True, slots=True)
class Measured:
    """A load point as it was measured. `figure` None: the meter gave no pulse in the time for at least two runs."""

    name: str
    role: Role
    figure: Figure | None


@dataclass(frozen=True, slots=True)
class Creeping:
    """What the meter registered with volts and without amperes."""

    seconds: int
    pulses: int
    wh: Decimal  # by its pulses, or by its register if that shows more


@dataclass(frozen=True, slots=True)
class Judged:
    """One judgement: of a point, of the average, or of creep."""

    name: str
    judgement: Judgement
    clause: str
    low: Decimal | None = None  # the limits as applied, the allowance within
    high: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """On the meter. `reasons` in words, the decisive one first."""

    outcome: Outcome
    reasons: tuple[str, ...]
    judged: tuple[Judged, ...]
    average: Figure | None


def check_ratio(plan: Plan, rules: AccuracyRules, standard_percent: Decimal) -> Decimal:
    """Return how many times better the standard is than the meter (UBP Levels of Precision 1.8, 1.9).

    Raises `BenchRefused` for one that is no better, and for one below the rule set's ratio unless the plan lets its
    uncertainty enter the verdict.
    """
    accuracy = min(plan.meter.accuracy_percent or rules.limit_of_error, rules.limit_of_error)
    ratio = accuracy / standard_percent
    said = f"the standard's uncertainty is {plain(standard_percent)} %, the meter's limit of error {plain(accuracy)} %"
    if ratio <= 1:
        raise BenchRefused(f"{said}: it is not more accurate than the meter", advice=rules.standard.clause)
    if ratio < rules.standard.ratio and not plan.uncertainty_in_verdict:
        raise BenchRefused(
            f"{said}: it is {plain(round(ratio, 2))} times better, not {plain(rules.standard.ratio)}",
            advice=f"take a better one, or let it enter the verdict: `uncertainty_in_verdict`; {rules.standard.clause}",
        )
    return ratio


def judge(plan: Plan, rules: AccuracyRules, measured: Sequence[Measured], creeping: Creeping | None) -> Verdict:
    """Return the verdict on a meter whose points were all measured."""
    allowance = rules.allowed(plan.program)
    guarded = plan.uncertainty_in_verdict
    judged = [_judged(one, rules.limits, allowance, guarded=guarded) for one in measured]
    heavy, light = _of_role(measured, "heavy"), _of_role(measured, "light")
    average = None
    if heavy is not None and light is not None and heavy.figure is not None and light.figure is not None:
        average = final_average(heavy.figure, light.figure, (rules.average.heavy, rules.average.light))
        judged.append(
            _within("final average", average, rules.average, allowance, guarded=guarded),
        )
    if creeping is not None:
        judged.append(_creep(creeping, plan, rules))
    silent = [one.name for one in (heavy, light) if one is not None and one.figure is None]
    tested = sum(one is not None for one in (heavy, light))
    outcome, first = _outcome(judged, silent, tested, rules)
    reasons = (first, *(_in_words(one) for one in judged if one.judgement in {"fail", "undecided"}))
    return Verdict(outcome, tuple(filter(None, reasons)), tuple(judged), average)


def _outcome(judged: Sequence[Judged], silent: Sequence[str], tested: int, rules: AccuracyRules) -> tuple[Outcome, str]:
    """Return the outcome and, where no limit says it, why."""
    if silent:
        where = " and ".join(silent)
        outcome: Outcome = "not_registering" if len(silent) == tested else "indeterminate"
        return outcome, f"not registering at {where} ({rules.not_registering.clause})"
    bad = {one.judgement for one in judged}
    if any(one.name == "creep" and one.judgement == "fail" for one in judged):
        return "creep", ""
    if "fail" in bad:
        return "fail", ""
    return ("undecided", "") if "undecided" in bad else ("pass", "every figure is within its limits")


def _judged(one: Measured, limits: Limits, allowance: Decimal, *, guarded: bool) -> Judged:
    if one.figure is None:
        return Judged(one.name, "not_registering", limits.clause)
    if one.role == "curve":
        return Judged(one.name, "not_judged", "no limit applies to this point")
    return _within(one.name, one.figure, limits, allowance, guarded=guarded)


def _within(name: str, found: Figure, limits: Limits, allowance: Decimal, *, guarded: bool) -> Judged:
    low, high = limits.low - allowance, limits.high + allowance
    value, u = found.registration, found.expanded if guarded else Decimal(0)
    if low + u <= value <= high - u:
        judgement: Judgement = "pass"
    elif value < low - u or value > high + u:
        judgement = "fail"
    else:
        judgement = "undecided"
    return Judged(name, judgement, limits.clause, low, high)


def _creep(found: Creeping, plan: Plan, rules: AccuracyRules) -> Judged:
    """Judge what was registered without load: at most so many last digits in so many hours.

    One pulse may have been nearly complete when the test began; from two on the rate is known, and goes for the rest.
    """
    digit = plan.meter.last_digit_wh or Decimal(0)
    allowed = digit * rules.creep.digits
    full = Decimal(rules.creep.hours * 3600)
    expected = found.wh if found.pulses < 2 else max(found.wh, found.wh * full / found.seconds)
    return Judged("creep", "fail" if expected > allowed else "pass", rules.creep.clause, None, allowed)


def _of_role(measured: Sequence[Measured], role: Role) -> Measured | None:
    return next((one for one in measured if one.role == role), None)


def _in_words(one: Judged) -> str:
    if one.name == "creep":
        limit = "0" if one.high is None else plain(one.high)
        return f"creep: registers without load more than {limit} Wh in the time of the rule ({one.clause})"
    low, high = (plain(limit) for limit in (one.low or Decimal(0), one.high or Decimal(0)))
    word = "outside" if one.judgement == "fail" else "its uncertainty reaches across a limit of"
    return f"{one.name}: {word} {low} to {high} % ({one.clause})"
