"""`power_outage`: for information, the intervals in which the power failed."""

from __future__ import annotations

from agent.checks.channels import NO_INTERVALS, channels, several
from agent.checks.rules import RuleSet
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Verdict
from agent.reading import CheckResult


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass always; name the intervals that the MDSP may not interpolate between or take for a reference day."""
    verdict = Verdict.by(CHECK.name, rules, rules.power_outage)
    found = channels(subject.data)
    if not found:
        return (verdict.skipped(NO_INTERVALS),)
    results = [
        verdict.passed(
            None,
            f"{several(len(intervals))} with a power failure: not for interpolation or reference days",
            channel=channel.number,
            intervals=intervals,
        )
        for channel in found
        if (intervals := channel.flagged("power_outage"))
    ]
    return tuple(results) or (verdict.passed(),)


CHECK = Check(name="power_outage", title="power outages", judge=judge, advice="nothing to do")
