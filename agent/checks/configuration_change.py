"""`configuration_change`: the meter is set up as at its last reading, and multiplies as the record says."""

from __future__ import annotations

from collections.abc import Iterator

from agent.checks.advance import name_of, remembered
from agent.checks.channels import listed
from agent.checks.moments import utc
from agent.checks.rules import RuleSet
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Measure, Verdict
from agent.history import Settings, configuration_of, present_registers
from agent.reading import CheckResult
from drivers.decimal_text import plain

WHOLE = frozenset({"channels", "constants"})  # sections of which every setting is read, or none

MOST_NAMED = 5  # changes that a result spells out; names and values can be long


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when constants, multipliers, channels, interval length and versions are those of the last reading.

    Each change is named with old and new. Of what was read only once nothing is said, unless the meter gives all of a
    kind or nothing, and this reading is whole. Multipliers on the order are compared, too.
    """
    verdict = Verdict.by(CHECK.name, rules, rules.configuration_change)
    before = remembered(subject)
    changes = list(_against_record(subject))
    compared = bool(subject.history is not None and subject.history.multipliers)
    now = configuration_of(subject.data)
    for section, old in before.configuration.items() if before is not None else ():
        new = now.get(section, {})
        if old and new:
            compared = True
            changes += _changes(old, new, whole=section in WHOLE and _is_whole(subject))
    if not compared:
        return (verdict.skipped(_why_not(subject)),)
    measure = Measure(len(changes), 0, "changes")
    if not changes:
        return (verdict.passed(measure),)
    since = f"since the read of {utc(before.read_at)}: " if before is not None else ""
    return (verdict.failed(measure, since + listed(changes, MOST_NAMED)),)


def _changes(old: Settings, new: Settings, *, whole: bool) -> Iterator[str]:
    for name in dict.fromkeys((*old, *new)):
        was, has = old.get(name), new.get(name)
        if was is not None and has is not None and was != has:
            yield f"{name} was {was}, is {has}"
        elif whole and has is None:
            yield f"{name} was {was}, is gone"
        elif whole and was is None:
            yield f"{name} is new, {has}"


def _against_record(subject: Subject) -> Iterator[str]:
    """Compare the multipliers of the order with those of the cumulative registers."""
    for past in subject.history.multipliers if subject.history is not None else ():
        for register in present_registers(subject.data):
            same = (register.quantity, register.direction) == (past.quantity, past.direction)
            if same and register.multiplier != past.multiplier:
                on_record = f"the record says {plain(past.multiplier)}"
                yield f"multiplier of {name_of(register)} is {plain(register.multiplier)}, {on_record}"


def _is_whole(subject: Subject) -> bool:
    data = subject.data
    return data.broken is None and not any(problem.lost for problem in data.problems)


def _why_not(subject: Subject) -> str:
    before = subject.before
    if before is None:
        return "this agent has no earlier reading of the meter to compare with"
    if remembered(subject) is None and before.meter_id != subject.data.identity.meter_id:
        return f"the last read that this agent remembers was of another meter, {before.meter_id}"
    return "nothing of the configuration was read both times"


CHECK = Check(
    name="configuration_change",
    title="configuration",
    judge=judge,
    advice="find out who changed it, and have old and new confirmed before anything is billed",
)
