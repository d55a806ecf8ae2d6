"""`channel_count`: the load profile has as many channels as the record says. Our own rule."""

from __future__ import annotations

from agent.checks.channels import NO_INTERVALS, channels
from agent.checks.rules import RuleSet
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Measure, Verdict
from agent.reading import CheckResult


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when the number of profile channels is that on record; none at all is no number of channels on record."""
    verdict = Verdict.by(CHECK.name, rules, rules.channel_count)
    expected = subject.history.channels if subject.history is not None else None
    if expected is None:
        return (verdict.skipped("no number of profile channels on record: the order does not give one"),)
    if subject.registers_only:
        return (verdict.skipped("registers alone were asked for"),)
    found = channels(subject.data)
    if not found and not subject.clock.permits_interval:
        return (verdict.skipped(NO_INTERVALS),)
    measure = Measure(len(found), expected, "channels")
    if len(found) == expected:
        return (verdict.passed(measure),)
    numbers = ", ".join(str(channel.number) for channel in found)
    has = f"the meter has {len(found)} ({numbers})" if found else NO_INTERVALS
    return (verdict.failed(measure, f"{has}, the record says {expected}"),)


CHECK = Check(
    name="channel_count",
    title="profile channels",
    judge=judge,
    advice="correct the record, or have the meter's load profile reprogrammed",
)
