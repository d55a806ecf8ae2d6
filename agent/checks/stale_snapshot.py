"""`stale_snapshot`: the meter answers with what it measures now, not with what it said before. Our own rule."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from agent.checks.advance import Advance, advances, counts, remembered, why_none
from agent.checks.channels import channels
from agent.checks.figure import rounded
from agent.checks.moments import utc
from agent.checks.quantity import factor
from agent.checks.rules import RuleSet
from agent.checks.span import span_of
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Measure, Verdict
from agent.reading import CheckResult
from drivers.decimal_text import plain

MICROSECOND, HOUR = timedelta(microseconds=1), timedelta(hours=1)
STEPS = 2  # of a register: it is cut off at one, before and after


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when the meter's clock has moved since the last read, and the registers have if there was a load.

    A load is seen in the intervals since, or in the power that the meter measures at the moment; it counts if it
    should have moved the register by more than it is cut off at.
    """
    verdict = Verdict.by(CHECK.name, rules, rules.stale_snapshot)
    before = remembered(subject)
    if before is None:
        nothing = "this agent has no earlier reading of the meter"
        return (verdict.skipped(nothing if subject.before is None else why_none(subject)),)
    elapsed = _seconds(subject.read_at - before.read_at)
    if elapsed < rules.stale_snapshot.least_s:
        return (verdict.skipped(f"the last read was {plain(elapsed)} s ago: too short a time to tell"),)
    sample = subject.data.clock
    ran = None if sample is None or before.meter_time is None else sample.meter_time - before.meter_time
    measure = None if ran is None else Measure(_seconds(ran), elapsed, "s")
    moved = [advance for advance in advances(subject) if advance.by == "agent"]
    still = moved if not any(advance.moved for advance in moved) else []
    since = f"since the last read, {utc(before.read_at)}"
    wrong = [f"the meter's clock has not moved {since}"] if ran == timedelta(0) else []
    if (load := next(filter(None, (_load(subject, each) for each in still)), None)) is not None:
        wrong.append(f"no register has moved {since}, although {load}")
    if wrong:
        return (verdict.failed(measure, "; ".join(wrong)),)
    if not moved and ran is None:
        return (verdict.skipped("neither clock nor registers of the last read were read again"),)
    return (verdict.passed(measure, f"no register has moved {since}, and no load was seen" if still else None),)


def _load(subject: Subject, still: Advance) -> str | None:
    """Say where a load was seen that a register should have counted; None if it was not."""
    register = still.register
    least = Fraction(STEPS * register.multiplier)
    stop = subject.data.clock.meter_time if subject.data.clock is not None else subject.read_at
    for channel in channels(subject.data):
        block = channel.blocks[0]
        if not (counts(register, block) and block.interval_s > 0 and block.multiplier.is_finite()):
            continue
        span = span_of(channel, still.at + timedelta(seconds=block.interval_s), stop)  # whole intervals only
        scale = Fraction(factor(block.quantity, register.quantity) or 1)
        if span is not None and span.good_total * scale > least:
            return f"channel {channel.number} recorded {rounded(span.good_total)} {block.unit}"
    hours = Fraction((subject.read_at - still.at) // MICROSECOND, HOUR // MICROSECOND)
    for other in subject.data.registers:
        value, in_unit = other.value, factor(f"{other.unit}h", register.unit)
        measured = other.kind == "instantaneous" and value is not None and value.is_finite()
        if measured and value is not None and in_unit is not None and Fraction(value * in_unit) * hours > least:
            return f"the meter measures {plain(value)} {other.unit}"
    return None


def _seconds(span: timedelta) -> Decimal:
    return Decimal(span // MICROSECOND).scaleb(-6)


CHECK = Check(
    name="stale_snapshot",
    title="fresh values",
    judge=judge,
    advice="read again; if nothing moves, the meter or its communication module must be restarted or tested",
)
