"""`test_mode`: what was recorded is the customer's load, not a test load."""

from __future__ import annotations

from agent.checks.channels import channels, several
from agent.checks.rules import RuleSet
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Measure, Verdict
from agent.reading import CheckResult


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when no interval was recorded in test mode and the meter is not in it now, as far as each was read."""
    verdict = Verdict.by(CHECK.name, rules, rules.test_mode)
    status, found = subject.data.status, channels(subject.data)
    results: list[CheckResult] = []
    modes = [] if status is None else [mode for mode in status.mode if mode in rules.test_mode.modes]
    if modes:
        results.append(verdict.failed(Measure(", ".join(modes), "metering"), "the meter is in test mode now"))
    for channel in found:
        if intervals := channel.flagged("test_mode"):
            measure = Measure(len(intervals), 0, "intervals")
            reason = f"{several(len(intervals))} recorded in test mode"
            results.append(verdict.failed(measure, reason, channel=channel.number, intervals=intervals))
    if results:
        return tuple(results)
    if status is None and not found:
        return (verdict.skipped("neither the meter's mode nor interval data was read"),)
    measure = Measure(0, 0, "intervals") if found else Measure(", ".join(status.mode) if status else "", "metering")
    return (verdict.passed(measure, None if status else "by the intervals alone: the meter's mode was not read"),)


CHECK = Check(
    name="test_mode",
    title="test mode",
    judge=judge,
    advice="put the meter back into metering mode and see that the test load is not billed",
)
