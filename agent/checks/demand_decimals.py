"""`demand_decimals`: demand is displayed with as many decimal places as the record says."""

from __future__ import annotations

import re

from agent.checks.rules import RuleSet
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Measure, Verdict
from agent.reading import CheckResult

_NUMBER = re.compile(r"-?\d+(?:\.(\d*))?")


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when the demand registers show the expected decimal places; only where a person is at the meter.

    The register that shows most of them counts, since number formats drop trailing zeros.
    """
    verdict = Verdict.by(CHECK.name, rules, rules.demand_decimals)
    if not subject.on_site:
        return (verdict.skipped("read remotely: for reads at the meter only"),)
    if subject.decimals is None:
        return (verdict.skipped("no demand decimal places on record: the order does not give them"),)
    shown = [
        (len(found[1] or ""), register)
        for register in subject.data.registers
        if register.kind == "demand" and (found := _NUMBER.fullmatch(register.raw))
    ]
    if not shown:
        return (verdict.skipped("no demand register was read"),)
    places, register = max(shown, key=lambda pair: pair[0])
    measure = Measure(places, subject.decimals, "decimal places")
    if places == subject.decimals:
        return (verdict.passed(measure),)
    what = f"{register.quantity} {register.direction} reads {register.raw}"
    return (verdict.failed(measure, f"{what}: {places} decimal places, the record says {subject.decimals}"),)


CHECK = Check(
    name="demand_decimals",
    title="demand decimal places",
    judge=judge,
    advice="read once more; if it stays so, correct the record or have the meter reprogrammed",
)
