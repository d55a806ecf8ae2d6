"""`zero_consumption`: a meter that somebody pays for has counted something."""

from __future__ import annotations

from agent.checks.advance import Advance, advances, why_none
from agent.checks.channels import listed
from agent.checks.moments import utc
from agent.checks.past import NO_HISTORY
from agent.checks.quantity import energy
from agent.checks.rules import RuleSet
from agent.checks.subject import Subject
from agent.checks.usual import LEFT_OUT, left_out
from agent.checks.verdict import Check, Measure, Verdict
from agent.reading import CheckResult


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when the usage since the last read on the order is above 0; for active meters and what they deliver."""
    verdict = Verdict.by(CHECK.name, rules, rules.zero_consumption)
    history = subject.history
    if history is None:
        return (verdict.skipped(NO_HISTORY),)
    if left_out(subject, CHECK.name):
        return (verdict.skipped(LEFT_OUT),)
    if not history.active:
        return (verdict.skipped("the meter is not active: nobody is billed for it"),)
    billed = [advance for advance in advances(subject) if _counts(advance)]
    if not billed:
        reason = "no total of delivered kWh or kVAh has an earlier reading on the order"
        return (verdict.skipped(reason if history.registers else why_none(subject)),)
    forwards = [advance for advance in billed if advance.moved >= 0]
    if not forwards:
        return (verdict.skipped(f"usage is negative: {billed[0].what} went backwards (see register_advance)"),)
    least = min(forwards, key=lambda advance: advance.moved)
    measure = Measure(least.moved, 0, least.register.unit)
    idle = [f"{a.what} has not moved since {utc(a.at)}" for a in forwards if a.moved == 0]
    return (verdict.failed(measure, listed(idle)) if idle else verdict.passed(measure),)


def _counts(advance: Advance) -> bool:
    """Tell whether this is the usage that a customer is billed for since the last billing read."""
    register = advance.register
    delivers = register.direction in {"delivered", "total"} and energy(register.unit) in {"Wh", "VAh"}
    return advance.by == "order" and delivers and register.tier == 0 and not register.phase


CHECK = Check(
    name="zero_consumption",
    title="zero consumption",
    judge=judge,
    advice="read once more; if it stays so, see whether the meter runs and the place is in use",
)
