"""`pulse_overflow`: no interval counted more than its register holds."""

from __future__ import annotations

from agent.checks.channels import NO_INTERVALS, Channel, channels, clear_of
from agent.checks.rules import RuleSet
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Verdict
from agent.reading import CheckResult

REASON = (
    "overflowed: the true usage is not known. Likely causes: scaling factor, wrongly sized instrument transformer, "
    "hardware"
)


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when no interval is flagged as overflowed or stands at the largest count that its width can hold."""
    verdict = Verdict.by(CHECK.name, rules, rules.pulse_overflow)
    found = channels(subject.data)
    if not found:
        return (verdict.skipped(NO_INTERVALS),)
    return clear_of(found, _overflowed, verdict, REASON)


def _overflowed(channel: Channel) -> tuple[int, ...]:
    intervals = set(channel.flagged("overflow"))
    for first, block in channel.starts():
        if (full := block.maximum_count) is not None:
            intervals.update(first + k for k, count in enumerate(block.counts) if count is not None and count >= full)
    return tuple(sorted(intervals))


CHECK = Check(
    name="pulse_overflow",
    title="pulse overflow",
    judge=judge,
    advice="the meter needs a physical test; report an anomaly, the MDSP must estimate these intervals",
)
