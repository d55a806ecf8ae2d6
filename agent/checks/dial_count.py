"""`dial_count`: the register has as many digits as the record says, or its rollover will be billed wrongly."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.checks.rules import RuleSet
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Measure, Verdict
from agent.reading import CheckResult
from drivers.data import Register

_NUMBER = re.compile(r"-?(\d+)(?:\.\d*)?")


@dataclass(frozen=True, slots=True)
class _Shown:
    """The digits of one register: how many the meter is known to show, or how many its value takes at least."""

    register: Register
    digits: int
    known: bool

    def apart(self, dials: int) -> int:
        """Return how far this is from the dials on record: more digits than dials, or a known number of fewer."""
        return abs(self.digits - dials) if self.known else max(0, self.digits - dials)


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when the cumulative registers show as many digits as there are dials on record.

    Digits are those of the unmultiplied register, as the profile knows them. Where it does not, those before the point
    of the raw value without leading zeros, since a store that is wider than the display fills up with them: these may
    be fewer than the dials, but not more.
    """
    verdict = Verdict.by(CHECK.name, rules, rules.dial_count)
    if subject.dials is None:
        return (verdict.skipped("no number of dials on record: the order does not give one"),)
    found = [shown for register in subject.data.registers if (shown := _shown(register)) is not None]
    if not found:
        return (verdict.skipped("no cumulative register was read"),)
    worst = max(found, key=lambda shown: (shown.apart(subject.dials or 0), shown.digits))
    measure = Measure(worst.digits, subject.dials, "digits")
    if not worst.apart(subject.dials):
        return (verdict.passed(measure),)
    register = worst.register
    what = f"{register.quantity} {register.direction} reads {register.raw}"
    shows = f"the meter shows {worst.digits} digits" if worst.known else f"{worst.digits} digits"
    return (verdict.failed(measure, f"{what}: {shows}, the record says {subject.dials}"),)


def _shown(register: Register) -> _Shown | None:
    if register.kind != "cumulative":
        return None
    if register.digits is not None:
        return _Shown(register, register.digits, known=True)
    found = _NUMBER.fullmatch(register.raw)
    return _Shown(register, max(1, len(found[1].lstrip("0"))), known=False) if found else None


CHECK = Check(
    name="dial_count",
    title="number of dials",
    judge=judge,
    advice="read once more; if it stays so, the record of this meter must be corrected",
)
