"""`dial_count`: the register has as many digits as the record says, or its rollover will be billed wrongly."""

from __future__ import annotations

import re

from agent.checks.rules import RuleSet
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Measure, Verdict
from agent.reading import CheckResult
from drivers.data import Register

_NUMBER = re.compile(r"-?(\d+)(?:\.\d*)?")


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when no cumulative register shows more whole digits than the dials on record.

    Digits are those of the unmultiplied register, as the profile knows them; else those before the point of the raw
    value without leading zeros, since a store that is wider than the display fills up with them.
    """
    verdict = Verdict.by(CHECK.name, rules, rules.dial_count)
    if subject.dials is None:
        return (verdict.skipped("no number of dials on record: the order does not give one"),)
    widest = max(
        ((digits, register) for register in subject.data.registers if (digits := _digits(register)) is not None),
        key=lambda pair: pair[0],
        default=None,
    )
    if widest is None:
        return (verdict.skipped("no cumulative register was read"),)
    digits, register = widest
    measure = Measure(digits, subject.dials, "digits")
    if digits <= subject.dials:
        return (verdict.passed(measure),)
    what = f"{register.quantity} {register.direction} reads {register.raw}"
    return (verdict.failed(measure, f"{what}: {digits} digits, the record says {subject.dials}"),)


def _digits(register: Register) -> int | None:
    if register.kind != "cumulative":
        return None
    if register.digits is not None:
        return register.digits
    found = _NUMBER.fullmatch(register.raw)
    return max(1, len(found[1].lstrip("0"))) if found else None


CHECK = Check(
    name="dial_count",
    title="number of dials",
    judge=judge,
    advice="read once more; if it stays so, the record of this meter must be corrected",
)
