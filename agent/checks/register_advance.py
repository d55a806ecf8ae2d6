"""`register_advance`: no register has gone backwards since an earlier read."""

from __future__ import annotations

from decimal import Decimal

from agent.checks.advance import Advance, advances, why_none
from agent.checks.channels import listed
from agent.checks.moments import utc
from agent.checks.rules import RuleSet
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Measure, Verdict
from agent.reading import CheckResult
from drivers.decimal_text import plain


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when every cumulative register stands at or above each earlier reading of it, one rollover allowed.

    Any lower reading could be a rollover. It counts as one if the number of dials is known, and the advance over it is
    at most the rule's part of a full turn. Net registers may run backwards and are left out.
    """
    rule = rules.register_advance
    verdict = Verdict.by(CHECK.name, rules, rule)
    found = advances(subject)
    one_way = [advance for advance in found if advance.register.direction != "net"]
    if not one_way:
        return (verdict.skipped("net registers may run backwards" if found else why_none(subject)),)
    least = min(one_way, key=lambda advance: _signed(advance, rule.most_of_dial))
    measure = Measure(_signed(least, rule.most_of_dial), 0, least.register.unit)
    back = [advance for advance in one_way if _signed(advance, rule.most_of_dial) < 0]
    if back:
        return (verdict.failed(measure, listed([_said(advance) for advance in back])),)
    turned = list(dict.fromkeys(f"{a.what} rolled over at its dials" for a in one_way if a.rolled_over))
    return (verdict.passed(measure, listed(turned) or None),)


def _signed(advance: Advance, most_of_dial: Decimal) -> Decimal:
    """Return how far a register moved, negative where a rollover is no explanation."""
    if advance.rolled_over and advance.turn is not None and advance.moved > most_of_dial * advance.turn:
        return advance.present - advance.earlier
    return advance.moved


def _said(advance: Advance) -> str:
    whose = "on record" if advance.by == "order" else "of this agent's last read"
    earlier = f"{plain(advance.earlier)} {advance.register.unit} {whose}, {utc(advance.at)}"
    why = "" if advance.turn is not None else "; the number of dials, for a rollover, is not known"
    return f"{advance.what} reads {plain(advance.present)}, less than {earlier}{why}"


CHECK = Check(
    name="register_advance",
    title="register advance",
    judge=judge,
    advice="read once more; if it stays so, find out whether the meter was changed, reset or runs backwards",
)
