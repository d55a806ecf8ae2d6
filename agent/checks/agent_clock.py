"""`agent_clock`: the reading device itself keeps true time, or time-differentiated data is worth nothing."""

from __future__ import annotations

from agent.checks.rules import RuleSet
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Measure, Verdict
from agent.reading import CheckResult
from drivers.decimal_text import plain


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when |offset| + uncertainty is within the tolerance and the proof permits what was to be collected.

    Cumulative registers alone do not need the proof. An order that asked for more and got only those, because the
    proof forbade the rest, fails here.
    """
    verdict = Verdict.by(CHECK.name, rules, rules.agent_clock)
    clock, data = subject.clock, subject.data
    interval, tou = bool(data.blocks), any(register.tier > 0 for register in data.registers)
    if not (interval or tou):  # nothing of the kind was taken; was it asked for?
        interval, tou = data.has_clock and not subject.registers_only, data.has_tiers
    if data.method == "manual" or not (interval or tou):
        alone = "a reading by a person does" if data.method == "manual" else "cumulative registers alone do"
        return (verdict.skipped(f"{alone} not need the clock proof"),)
    if not clock.agent_checked:
        return (verdict.skipped("the order waives the clock proof (bench)"),)
    if clock.offset_s is None or clock.uncertainty_s is None:
        return (verdict.failed(None, clock.reason or "the agent's clock is not synchronised"),)
    worst = abs(clock.offset_s) + clock.uncertainty_s
    limit = rules.agent_clock.tolerance_s
    measure = Measure(worst, limit, "s")
    forbidden = (interval and not clock.permits_interval) or (tou and not clock.permits_tou)
    if worst > limit:
        off = f"off by {plain(clock.offset_s)} s, known to {plain(clock.uncertainty_s)} s"
        return (verdict.failed(measure, f"the agent's clock is {off} ({clock.source}): not within {plain(limit)} s"),)
    if forbidden:
        return (verdict.failed(measure, clock.reason or "the clock proof forbids time-differentiated data"),)
    return (verdict.passed(measure),)


CHECK = Check(
    name="agent_clock",
    title="agent clock",
    judge=judge,
    advice="bring this box to true time (`mrsp clock` says what is missing) and read again",
)
