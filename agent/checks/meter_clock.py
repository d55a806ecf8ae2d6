"""`meter_clock`: the meter's time tolerance, corrected for the latency of the link."""

from __future__ import annotations

from decimal import Decimal

from agent.checks.rules import MeterClock, RuleSet
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Measure, Verdict
from agent.reading import CheckResult
from drivers.decimal_text import plain

HOUR_S = 3600


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when |meter − agent| is within the tolerance; for TOU registers alone, within their own wider limit.

    The measured difference decides. Where the limit lies inside the uncertainty of the measurement the result says so;
    an uncertainty wider than the limit itself can only prove a failure, else the check is skipped. Without a proof of
    the agent's clock it is skipped too, unless the order waives the proof: a bench takes the box's clock for true.
    """
    rule = rules.meter_clock
    verdict = Verdict.by(CHECK.name, rules, rule)
    clock = subject.clock
    if not subject.data.has_clock:
        return (verdict.skipped("the meter keeps no clock"),)
    if clock.meter_offset_s is None:
        return (verdict.skipped("the meter's clock was not read"),)
    if clock.meter_offset_uncertainty_s is None and clock.agent_checked:
        return (verdict.skipped("the agent's own clock is not proven: nothing to compare the meter's clock with"),)
    monthly = rule.monthly_tou if _tou_alone(subject) else None
    limit = rule.tolerance_s if monthly is None else monthly.limit_s
    if monthly is not None:
        verdict = Verdict.by(CHECK.name, rules, monthly)
    off, uncertainty = abs(clock.meter_offset_s), clock.meter_offset_uncertainty_s or Decimal(0)
    measure = Measure(clock.meter_offset_s, limit, "s")
    if off - uncertainty <= limit < uncertainty:
        wide = f"the difference is known to {plain(uncertainty)} s only"
        return (verdict.skipped(f"cannot be decided: {wide}, wider than the limit of {plain(limit)} s"),)
    remarks = _remarks(subject, rule, limit, off, uncertainty)
    if off > limit:
        return (verdict.failed(measure, "; ".join([f"the meter's clock is {_way(clock.meter_offset_s)}", *remarks])),)
    return (verdict.passed(measure, "; ".join(remarks) or None),)


def _tou_alone(subject: Subject) -> bool:
    return not subject.data.blocks and any(register.tier > 0 for register in subject.data.registers)


def _remarks(subject: Subject, rule: MeterClock, limit: Decimal, off: Decimal, uncertainty: Decimal) -> list[str]:
    remarks = []
    if subject.clock.meter_offset_uncertainty_s is None:
        remarks.append("against this box's clock as it is: the order waives its proof (bench)")
    if rule.tolerance_s < off <= limit:
        beyond = f"off by more than {plain(rule.tolerance_s)} s"
        remarks.append(f"{beyond}: accepted for TOU registers, to be kept on record; the clock must be set")
    if off - uncertainty <= limit < off + uncertainty:
        remarks.append(f"not decidable within the uncertainty of {plain(uncertainty)} s")
    hours = round(off / HOUR_S)
    if hours and abs(off - hours * HOUR_S) <= rule.tolerance_s:
        remarks.append("close to whole hours: check time zone and daylight saving time of meter, profile and order")
    sample = subject.data.clock
    if sample is not None and sample.ambiguous:
        remarks.append("the meter's own time is ambiguous" + (f" ({sample.note})" if sample.note else ""))
    return remarks


def _way(offset: Decimal) -> str:
    return f"{plain(abs(offset))} s {'fast' if offset > 0 else 'slow'}"


CHECK = Check(
    name="meter_clock",
    title="meter clock",
    judge=judge,
    advice="the meter's clock must be set (only if the order authorises it), else report an anomaly",
)
