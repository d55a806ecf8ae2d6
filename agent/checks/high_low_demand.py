"""`high_low_demand`: the peak demand is about what it was before."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from agent.checks.figure import Figure, judged
from agent.checks.past import NO_HISTORY, billing_start, comparable, periods_of
from agent.checks.quantity import factor
from agent.checks.rules import Percent, RuleSet
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Verdict
from agent.reading import CheckResult
from drivers.data import Register


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when the highest present demand is within the rule's part of the historical peak."""
    verdict = Verdict.by(CHECK.name, rules, rules.high_low_demand)
    if subject.history is None:
        return (verdict.skipped(NO_HISTORY),)
    return (judged(_demands(subject, rules.high_low_demand), rules.high_low_demand, verdict),)


def _demands(subject: Subject, rule: Percent) -> Iterator[Figure | str]:
    """Give the highest demand of each quantity, of whatever rate."""
    highest: dict[tuple[str, str], Fraction] = {}
    units: dict[tuple[str, str], str] = {}
    for register in subject.data.registers:
        if _peak(register) and register.value is not None and register.value.is_finite():
            key = (register.quantity, register.direction)
            highest[key] = max(highest.get(key, Fraction(register.value)), Fraction(register.value))
            units[key] = register.unit
    if not highest:
        yield "no demand register was read"
    for (quantity, direction), present in highest.items():
        what, hourly = f"{quantity} {direction}", f"{quantity}h"
        periods = periods_of(subject, hourly, direction, "peak_demand")
        start = billing_start(subject) or max((period.end for period in periods), default=subject.read_at)
        chosen = comparable(subject, periods, start, rule)
        if isinstance(chosen, str):
            yield f"{what}: {chosen}"
            continue
        past = max(Fraction((p.peak_demand or 0) * (factor(p.quantity, hourly) or 1)) for p in chosen.periods)
        if past < 0:
            yield f"{what}: demand on record is negative"
        else:
            yield Figure(what, units[quantity, direction], present, past, chosen.text)


def _peak(register: Register) -> bool:
    return register.kind == "demand" and register.period == "present" and not (register.minimum or register.phase)


CHECK = Check(
    name="high_low_demand",
    title="high or low demand",
    judge=judge,
    advice="read once more, before any demand reset; the same value verifies it",
)
