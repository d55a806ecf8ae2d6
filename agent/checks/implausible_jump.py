"""`implausible_jump`: a value heard one way rises by no more than the service can draw. Our own rule."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from agent.checks.advance import Advance, advances, why_none
from agent.checks.channels import listed
from agent.checks.exact import above, shown
from agent.checks.moments import utc
from agent.checks.quantity import energy, factor
from agent.checks.rules import RuleSet
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Measure, Verdict
from agent.reading import CheckResult
from drivers.decimal_text import plain

MICROSECOND, HOUR = timedelta(microseconds=1), timedelta(hours=1)
ONE_WAY = frozenset({"radio", "pager"})


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when no register rose by more than the service can draw in the time, and one step for rounding.

    Compared is the newest earlier reading. A register that fell is judged by `register_advance`.
    """
    rule = rules.implausible_jump
    verdict = Verdict.by(CHECK.name, rules, rule)
    if subject.data.method not in ONE_WAY:
        return (verdict.skipped("the meter was asked and answered: for one-way telemetry only"),)
    newest: dict[int, Advance] = {}
    for advance in advances(subject):
        key = id(advance.register)
        if advance.register.direction != "net" and (key not in newest or advance.at > newest[key].at):
            newest[key] = advance
    if not newest:
        return (verdict.skipped(why_none(subject)),)
    limits = [(advance, _limit(subject, advance, rule.service_limit)) for advance in newest.values()]
    judged = [(advance, limit) for advance, limit in limits if limit is not None and advance.moved >= 0]
    if not judged:
        reason = "what the service can draw is not on record" if any(a.moved >= 0 for a, _ in limits) else None
        return (verdict.skipped(reason or "the register went backwards (see register_advance)"),)
    worst, allowed = max(judged, key=lambda pair: Fraction(pair[0].moved) - pair[1])
    measure = Measure(*shown(Fraction(worst.moved), allowed), worst.register.unit)
    jumped = [
        f"{a.what} rose by {plain(a.moved)} since {utc(a.at)}: the service can draw {plain(above(limit))} at most"
        for a, limit in judged
        if a.moved > limit
    ]
    return (verdict.failed(measure, listed(jumped)) if jumped else verdict.passed(measure),)


def _limit(subject: Subject, advance: Advance, default: Decimal | None) -> Fraction | None:
    """Return the most that a register can have risen by; None where the service's limit is not known."""
    unit = advance.register.unit
    kind = energy(unit)
    kilo = Decimal(1) if kind is None else factor(f"k{kind}", unit) or Decimal(1)  # limits of energy are in kW, kVA …
    an_hour = subject.history.service_limit if subject.history is not None else None
    if an_hour is None and kind in {"Wh", "VAh"}:
        an_hour = default
    if an_hour is None:
        return None
    hours = Fraction((subject.read_at - advance.at) // MICROSECOND, HOUR // MICROSECOND)
    return Fraction(an_hour * kilo) * hours + Fraction(advance.register.multiplier)


CHECK = Check(
    name="implausible_jump",
    title="plausible rise",
    judge=judge,
    advice="hold this value until a second message agrees; single messages can be corrupt although their CRC is right",
)
