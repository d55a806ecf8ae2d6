"""Re-read to verify: which failed checks ask for a second look at the registers, and what it makes of their results.

A rule with `reread` asks for it. By UBP A4 3.3.1.4, 3.4.4, 3.6.4, 3.8.3 and 3.9.2, the same values again confirm what
failed (`verified`), other ones are judged in place of the first; by 1.4.3 the sum check is only redone with them. A
register that counts on between two looks counts as the same while it has advanced by no more than the service can draw
in that time, and one step. What was read first is never changed: not here, and not in the reading. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Literal

import msgspec

from agent.checks import RuleSet, Subject, run_checks
from agent.checks.advance import Advance, advances, counts, name_of, turn_of
from agent.checks.past import days_between, zone_of
from agent.checks.quantity import energy, factor
from agent.checks.rules import Percent, Reread
from agent.history import present_registers
from agent.reading import CheckResult, Outcome
from drivers.data import MeterData, Problem, Register
from drivers.decimal_text import plain

NS = 1_000_000_000
_NAMED = 3  # registers that a reason spells out
_SUM, _USAGE = "sum_check", "high_low_usage"
_PRESENT_ONES = frozenset({_USAGE, "zero_consumption", "register_advance"})

Place = tuple[str, int, int]
Compared = Literal["same", "advanced", "other"]


@dataclass(frozen=True, slots=True)
class Look:
    """The registers as one look found them; `at_ns` by the monotonic clock."""

    registers: dict[Place, Register]
    at_ns: int


@dataclass(frozen=True, slots=True)
class _Case:
    """A result that asked for a second look. `open`: another look could still change it."""

    result: CheckResult
    at_fault: tuple[Place, ...]
    open: bool = True


def wants(subject: Subject, rules: RuleSet) -> tuple[str, ...]:
    """Return the names of the tables to be read once more, after the looks that `subject.data` already has."""
    looks = _looks(subject.data)
    cases = [_case(result, subject, rules, looks) for result in run_checks(subject, rules)]
    places = {place for case in cases if case.open for place in case.at_fault}
    return tuple(sorted({table for table, _, _ in places}))


def verified(results: tuple[CheckResult, ...], subject: Subject, rules: RuleSet) -> tuple[CheckResult, ...]:
    """Return the results of the first look as the second ones leave them: verified, judged anew, or as they were."""
    looks = _looks(subject.data)
    if len(looks) < 2:
        return results
    return tuple(_case(result, subject, rules, looks).result for result in results)


def contradictions(subject: Subject, rules: RuleSet) -> tuple[Problem, ...]:
    """Return a remark on each register that read differently in two looks, and cannot have counted so far between."""
    looks = _looks(subject.data)
    if len(looks) < 2:
        return ()
    found: dict[Place, Problem] = {}
    before = looks[0]
    for look in looks[1:]:
        elapsed_ns = look.at_ns - before.at_ns
        for place, register in look.registers.items():
            first = before.registers.get(place)
            if first is None or _most(first, elapsed_ns, subject, rules) is None:
                continue  # of demands and the like two looks may well read differently
            if _compared(first, register, elapsed_ns, subject, rules) == "other":
                said = f"read {first.raw} at one look and {register.raw} {_later(before, look)}; see `verification`"
                found[place] = Problem(name_of(first), said, lost=False)
        before = _with(before, look)
    return tuple(found.values())


def _looks(data: MeterData) -> tuple[Look, ...]:
    """Return the first look and those after it; a register without a place in a table cannot be read again."""
    first = data.registers_ns
    if first is None:
        return ()
    seen = [(data.registers, first), *((look.registers, look.at_ns) for look in data.again)]
    return tuple(Look({p: r for r in registers if (p := _place(r)) is not None}, at_ns) for registers, at_ns in seen)


def _place(register: Register) -> Place | None:
    source = register.source
    return (source.table, source.offset, source.length) if source is not None else None


def _with(before: Look, look: Look) -> Look:
    """Return what is known after a look: what it read, and of the rest what was there."""
    return Look({**before.registers, **look.registers}, look.at_ns)


def _case(result: CheckResult, subject: Subject, rules: RuleSet, looks: tuple[Look, ...]) -> _Case:
    """Follow one result through the looks."""
    rule = getattr(rules, result.check, None)
    by_intervals = result.channel is not None and result.check != _SUM
    if result.outcome != "fail" or not (isinstance(rule, Reread) and rule.reread) or by_intervals or not looks:
        return _Case(result, (), open=False)
    case = _Case(result, _at_fault(result, subject, rules, looks[0]))
    before = looks[0]
    for look in looks[1:]:
        known = _with(before, look)
        if case.open and case.at_fault and look.registers.keys() >= set(case.at_fault):
            case = _followed(case, before, known, subject, rules, looks[0])
        else:
            case = replace(case, open=False)  # not all of it could be read again
        before = known
    return case


def _at_fault(result: CheckResult, subject: Subject, rules: RuleSet, look: Look) -> tuple[Place, ...]:
    """Return where the registers lie that fail the check, each by itself; nothing where one of them has no place."""
    data = subject.data
    if result.check == _SUM:
        blocks = [block for block in data.blocks if block.channel == result.channel]
        moved = {id(advance.register) for advance in advances(subject)} if blocks else set()
        suspects = [r for r in present_registers(data) if id(r) in moved and counts(r, blocks[0])]
    else:
        lasting = [r for r in data.registers if r.period != "self_read"]  # which no display shows, and a list moves on
        candidates = present_registers(data) if result.check in _PRESENT_ONES else lasting
        suspects = [r for r in candidates if _judged(result, subject, rules, (r,)).outcome == "fail"]
    places = [_place(register) for register in suspects]
    found = tuple(place for place in places if place is not None and place in look.registers)
    return found if len(found) == len(suspects) else ()


def _judged(result: CheckResult, subject: Subject, rules: RuleSet, registers: tuple[Register, ...]) -> CheckResult:
    """Judge one check, and of the sum check one channel, by these registers; `skipped` where there is no result."""
    blocks = tuple(b for b in subject.data.blocks if result.check == _SUM and b.channel == result.channel)
    narrow = replace(subject, data=replace(subject.data, registers=registers, blocks=blocks, again=()))
    found = (one for one in run_checks(narrow, rules) if one.check == result.check)
    return next(found, msgspec.structs.replace(result, outcome="skipped"))


def _followed(case: _Case, before: Look, look: Look, subject: Subject, rules: RuleSet, first: Look) -> _Case:
    """Return the case after one more look; `look` has all that is known by then."""
    result, places = case.result, case.at_fault
    elapsed_ns = look.at_ns - before.at_ns
    pairs = [(before.registers[place], look.registers[place]) for place in places]
    compared = {_compared(a, b, elapsed_ns, subject, rules) for a, b in pairs}
    said = _said(pairs, compared, _later(before, look))
    again = _with_look(subject, look, look.at_ns - first.at_ns)
    judged = _judged(result, again, rules, again.data.registers)
    if "other" not in compared and judged.outcome != "pass":
        outcome: Outcome = "fail" if result.check == _SUM else "verified"
        return replace(case, result=_reasoned(result, f"{result.reason}; {said}", outcome), open=False)
    rule = getattr(rules, result.check)
    figure = rule if isinstance(rule, Percent) else None  # one that a second figure near it confirms
    at_another_time = figure is not None and elapsed_ns > figure.same_time_s * NS and "other" in compared
    if figure and at_another_time and _near(result.check, figure, places, _with_look(subject, before, 0), again):
        why = f"{said}, within {plain(figure.reread_within)} %"
        return replace(case, result=_reasoned(result, f"{result.reason}; {why}", "verified"), open=False)
    if judged.outcome == "skipped" or (at_another_time and judged.outcome == "pass"):
        return replace(case, result=_reasoned(result, f"{result.reason}; {said}", "fail"))
    text = f"judged by the later look: {said}; at first: {result.reason}"
    text = f"{judged.reason}; {text}" if judged.reason else text
    judged = _reasoned(judged, text, judged.outcome)
    if judged.outcome != "fail":
        return _Case(judged, places, open=False)
    return _Case(judged, _at_fault(judged, again, rules, look))


def _with_look(subject: Subject, look: Look, later_ns: int) -> Subject:
    """Return the visit as this look saw it: its registers, and the meter's clock moved on to it."""
    data = subject.data
    registers = tuple(look.registers.get(place, r) if (place := _place(r)) else r for r in data.registers)
    clock = data.clock
    if clock is not None:
        clock = replace(clock, meter_time=clock.meter_time + timedelta(microseconds=later_ns // 1000))
    return replace(subject, data=replace(data, registers=registers, clock=clock))


def _compared(first: Register, second: Register, elapsed_ns: int, subject: Subject, rules: RuleSet) -> Compared:
    """Tell whether a register reads the same, or on by no more than the service can draw."""
    if second.raw == first.raw and second.multiplier == first.multiplier:
        return "same"
    most = _most(first, elapsed_ns, subject, rules)
    if most is None or first.value is None or second.value is None or second.multiplier != first.multiplier:
        return "other"
    if not (first.value.is_finite() and second.value.is_finite()):
        return "other"
    turn = turn_of(second, subject.dials)
    moved = Advance(second, subject.read_at, "agent", first.value, second.value, turn).moved
    return "advanced" if moved >= 0 and Fraction(moved) <= most else "other"


def _most(register: Register, elapsed_ns: int, subject: Subject, rules: RuleSet) -> Fraction | None:
    """Return by how much a register can have counted on; None for one that does not count, or of unknown limit."""
    kind = energy(register.unit)
    counting = register.kind == "cumulative" and register.period == "present" and register.direction != "net"
    an_hour = subject.history.service_limit if subject.history is not None else None
    if an_hour is None and kind in {"Wh", "VAh"}:
        an_hour = rules.implausible_jump.service_limit
    if not counting or kind is None or an_hour is None or not register.multiplier.is_finite():
        return None
    kilo = factor(f"k{kind}", register.unit) or Decimal(1)
    return Fraction(an_hour * kilo) * Fraction(max(0, elapsed_ns), 3600 * NS) + Fraction(abs(register.multiplier))


def _near(check: str, rule: Percent, at_fault: tuple[Place, ...], first: Subject, again: Subject) -> bool:
    """Tell whether every figure that failed is within some percent of what it was: average daily usage, or demand."""
    part = Fraction(rule.reread_within) / 100
    figures: Callable[[Subject], dict[Place, Fraction]] = _daily_usage if check == _USAGE else _demands
    old, new = figures(first), figures(again)
    return all(p in old and p in new and abs(new[p] - old[p]) <= part * abs(old[p]) for p in at_fault)


def _daily_usage(subject: Subject) -> dict[Place, Fraction]:
    found: dict[Place, Fraction] = {}
    for advance in advances(subject):
        days = days_between(advance.at, subject.read_at, zone_of(subject))
        place = _place(advance.register)
        if advance.by == "order" and days > 0 and place is not None:
            found[place] = Fraction(advance.moved) / days
    return found


def _demands(subject: Subject) -> dict[Place, Fraction]:
    return {
        place: Fraction(register.value)
        for register in subject.data.registers
        if (place := _place(register)) is not None and register.value is not None and register.value.is_finite()
    }


def _later(before: Look, look: Look) -> str:
    tenths = Decimal((look.at_ns - before.at_ns) // (NS // 10)).scaleb(-1)
    return f"{plain(tenths)} s later"


def _said(pairs: list[tuple[Register, Register]], compared: set[Compared], later: str) -> str:
    """Say what two looks read, both of them."""
    texts = []
    for first, second in pairs[:_NAMED]:
        now = "the same" if first.raw == second.raw else second.raw
        texts.append(f"{name_of(first)} {first.raw}, then {now}")
    if len(pairs) > _NAMED:
        texts.append(f"and {len(pairs) - _NAMED} more")
    counted = ", having counted on" if compared <= {"same", "advanced"} and "advanced" in compared else ""
    return f"read again {later}: {'; '.join(texts)}{counted}"


def _reasoned(result: CheckResult, reason: str, outcome: Outcome) -> CheckResult:
    return msgspec.structs.replace(result, reason=reason, outcome=outcome)
