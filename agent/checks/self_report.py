"""`meter_diagnostics`, `phase_loss`: what the meter itself reports to be wrong, each fault by name."""

from __future__ import annotations

from agent.checks.rules import RuleSet, SelfReport
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Measure, Verdict
from agent.reading import CheckResult
from drivers.data import Event


def judge_diagnostics(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when the meter reports no failure of its memory, clock, configuration, measurement or battery."""
    return _judge(subject, rules.meter_diagnostics, Verdict.by(DIAGNOSTICS.name, rules, rules.meter_diagnostics))


def judge_phase_loss(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when the meter reports no lost phase: dropped current, blown fuse of a voltage transformer."""
    return _judge(subject, rules.phase_loss, Verdict.by(PHASE_LOSS.name, rules, rules.phase_loss))


def _judge(subject: Subject, rule: SelfReport, verdict: Verdict) -> tuple[CheckResult, ...]:
    """Take the status flags as they stand now, and the standard events logged since the last read."""
    status = subject.data.status
    last = subject.last_read_at
    dated = last is not None and last.utcoffset() is not None
    if status is None and not (dated and subject.data.events):
        return (verdict.skipped("the meter's status was not read"),)
    faults = [flag for flag in status.flags if flag in rule.flags] if status else []
    if last is not None and dated:
        logged = [event for event in subject.data.events if event.code in rule.events and not event.manufacturer]
        faults += [_named(event) for event in logged if event.at is not None and event.at > last]
    faults = list(dict.fromkeys(faults))
    measure = Measure(len(faults), 0, "faults")
    if faults:
        return (verdict.failed(measure, "the meter reports " + ", ".join(faults)),)
    return (verdict.passed(measure, None if status else "by the event log alone: the meter's status was not read"),)


def _named(event: Event) -> str:
    return event.name or f"event {event.code}"


DIAGNOSTICS = Check(
    name="meter_diagnostics",
    title="meter diagnostics",
    judge=judge_diagnostics,
    advice="have the meter inspected and report an anomaly",
)
PHASE_LOSS = Check(
    name="phase_loss",
    title="phase loss",
    judge=judge_phase_loss,
    advice="have fuses, wiring and instrument transformers inspected and report an anomaly",
)
