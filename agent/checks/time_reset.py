"""`time_reset`: for information, the intervals that a clock setting made shorter or longer."""

from __future__ import annotations

from agent.checks.channels import NO_INTERVALS, channels, several
from agent.checks.rules import RuleSet
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Verdict
from agent.reading import CheckResult

WORDS = ("clock_adjusted", "short", "long")


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass always; name the intervals that are not of full length because the clock was set."""
    verdict = Verdict.by(CHECK.name, rules, rules.time_reset)
    found = channels(subject.data)
    if not found:
        return (verdict.skipped(NO_INTERVALS),)
    results: list[CheckResult] = []
    for channel in found:
        if cut := tuple(sorted({index for word in WORDS for index in channel.flagged(word)})):
            reason = f"{several(len(cut))} shortened or lengthened by a clock setting"
            results.append(verdict.passed(None, reason, channel=channel.number, intervals=cut))
    return tuple(results) or (verdict.passed(),)


CHECK = Check(name="time_reset", title="clock settings", judge=judge, advice="nothing to do")
