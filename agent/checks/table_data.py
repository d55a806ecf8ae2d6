"""`table_data`: everything that was asked for is in the reading. Our own rule."""

from __future__ import annotations

from agent.checks.channels import several
from agent.checks.rules import RuleSet
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Measure, Verdict
from agent.reading import CheckResult

NAMED = 5  # so many are spelled out; the reading's `problems` has them all


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when nothing was lost and the session reached its end; remarks on data that are there do not fail it."""
    verdict = Verdict.by(CHECK.name, rules, rules.table_data)
    data = subject.data
    lost = [f"{problem.what}: {problem.reason}" for problem in data.problems if problem.lost]
    if data.broken is not None:
        lost.insert(0, f"the session broke off: {data.broken or type(data.broken).__name__}")
    measure = Measure(len(lost), 0, "items")
    if lost:
        return (verdict.failed(measure, _listed(lost)),)
    remarks = [f"{problem.what}: {problem.reason}" for problem in data.problems]
    return (verdict.passed(measure, _listed(remarks) if remarks else None),)


def _listed(items: list[str]) -> str:
    rest = len(items) - NAMED
    return "; ".join(items[:NAMED]) + (f"; and {several(rest, 'more item')}" if rest > 0 else "")


CHECK = Check(
    name="table_data",
    title="data complete",
    judge=judge,
    advice="read again; what was obtained is kept and delivered as it is",
)
