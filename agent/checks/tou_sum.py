"""`tou_sum`: the registers of the TOU periods add up to the total register."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation

from agent.checks.channels import listed
from agent.checks.rules import RuleSet, TouSum
from agent.checks.subject import Subject
from agent.checks.verdict import Check, Measure, Verdict
from agent.reading import CheckResult
from drivers.data import Register
from drivers.decimal_text import plain

_ROUNDED = Context(prec=28)  # a quotient may have no end


@dataclass(frozen=True, slots=True)
class _Sum:
    """How the periods of one quantity add up: all in the meter's own units."""

    what: str
    difference: Decimal
    tolerance: Decimal
    text: str

    @property
    def holds(self) -> bool:
        return self.difference <= self.tolerance


def judge(subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Pass when |sum of the periods − total| is within the tolerance, in the units that the meter keeps (raw values).

    Some meters let the periods run on over a change of season, others begin them afresh; the sum with and the sum
    without the previous season's registers are tried where the rule has both. Registers roll over one by one, so
    where the number of dials is known the difference is taken round the dial.
    """
    rule = rules.tou_sum
    verdict = Verdict.by(CHECK.name, rules, rule)
    groups = _groups(subject.data.registers)
    if not groups:
        return (verdict.skipped("no TOU registers were read"),)
    sums: list[_Sum] = []
    reasons: list[str] = []
    for what, registers in groups.items():
        found = _sum(what, registers, rule, subject.dials)
        if isinstance(found, str):
            reasons.append(f"{what}: {found}")
        else:
            sums.append(found)
    if not sums:
        return (verdict.skipped(listed(reasons)),)
    worst = max(sums, key=lambda each: each.difference - each.tolerance)
    measure = Measure(worst.difference, worst.tolerance, "meter units")
    wrong = [each.text for each in sums if not each.holds]
    if wrong:
        return (verdict.failed(measure, listed(wrong + reasons)),)
    return (verdict.passed(measure, listed(reasons) or None),)


def _groups(registers: Iterable[Register]) -> dict[str, list[Register]]:
    """Return the present cumulative registers of each quantity that has periods at all."""
    grouped: dict[str, list[Register]] = {}
    for register in registers:
        if register.kind == "cumulative" and register.period == "present":
            what = " ".join(filter(None, (register.quantity, register.direction, register.phase)))
            grouped.setdefault(what, []).append(register)
    return {what: group for what, group in grouped.items() if any(register.tier > 0 for register in group)}


def _sum(what: str, registers: list[Register], rule: TouSum, dials: int | None) -> _Sum | str:
    """Compare one quantity's periods with its total, or say why they cannot be compared."""
    totals = [register for register in registers if register.tier == 0 and register.season == "current"]
    now = [register for register in registers if register.tier > 0 and register.season == "current"]
    before = [register for register in registers if register.tier > 0 and register.season == "previous"]
    before = before if rule.previous_season else []
    if len(totals) != 1 or not now:
        return "no total register beside the periods" if now else "no periods of the current season"
    if len({(register.multiplier, register.offset) for register in (*totals, *now, *before)}) > 1:
        return "total and periods are not in the same units"
    try:
        total, *parts = (_own_units(register) for register in (*totals, *now, *before))
    except InvalidOperation:
        return "a register has no number"
    if not all(number.is_finite() for number in (total, *parts)):
        return "a register has no number"
    digits = totals[0].digits or dials
    sums = [sum(parts[: len(now)], Decimal(0))]
    if before:
        sums.append(sum(parts, Decimal(0)))
    counted = [
        register.tier for register, part in zip((*now, *before), parts, strict=True) if part or not rule.active_only
    ]
    periods = len(set(counted))
    difference, nearest = min((_apart(each, total, digits), each) for each in sums)
    text = f"{what}: {periods} periods add up to {plain(nearest)}, the total reads {plain(total)}"
    return _Sum(what, difference, rule.per_period * periods, text)


def _own_units(register: Register) -> Decimal:
    """Return a register in the meter's own units; a constant that its value adds is in each register, so it counts."""
    raw = Decimal(register.raw)
    if not (register.offset and register.multiplier):
        return raw
    return raw + _ROUNDED.divide(register.offset, register.multiplier)


def _apart(summed: Decimal, total: Decimal, digits: int | None) -> Decimal:
    """Return |summed − total|, round the dial if both fit one of `digits` digits but for rollovers."""
    difference = abs(summed - total)
    full = Decimal(10) ** (digits or 0)
    if digits is None or not 0 <= total < full:
        return difference
    around = difference % full
    return min(around, full - around)


CHECK = Check(
    name="tou_sum",
    title="sum of TOU periods",
    judge=judge,
    advice="read again; if it stays so, have the meter's TOU programme inspected",
)
