"""What is odd about values that a person types, said at once: never what the record has, which they are to confirm."""

from __future__ import annotations

import decimal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Literal

import msgspec

from agent.checks import ClockFacts, RuleSet, Subject, run_checks
from agent.checks.advance import advances
from agent.checks.channels import several
from agent.field.drafts import Draft, decode_draft, encode_draft, entry_of
from agent.history import Before
from agent.order import Order
from agent.reading import CheckResult
from drivers.data import Identity, MeterData, Register
from drivers.visual.driver import PROFILE
from drivers.visual.entry import ShownRegister, check_shown, digits_of, value_of

OddKind = Literal["not_a_number", "digits", "decimals", "zero", "went_back", "rollover", "high", "low"]

#: What a person is told. No figure is in it: who knows what is expected reads that.
WORDS: dict[OddKind, str] = {
    "went_back": "this is lower than it can be: look at every digit once more",
    "rollover": "the register has turned over to zero, if this is right: look at the first digits once more",
    "zero": "nothing was used since the last reading, if this is right: look once more",
    "high": "this is far above what is usual here: look at every digit once more",
    "low": "this is far below what is usual here: look at every digit once more",
}
_CLOCK = ClockFacts(permits_interval=True, permits_tou=True, reason="", source="none")
_EXACT = decimal.Context(prec=100)  # a display's 18 digits times a factor's 24


@dataclass(frozen=True, slots=True)
class Odd:
    """One oddity. `register`: index into what was typed; `serious`: it will fail a check, and is to be looked up anew.

    What is not serious (`rollover`) is for information.
    """

    register: int
    kind: OddKind
    text: str  # for the person, without any figure of earlier readings
    serious: bool = True


def looks_odd(
    order: Order,
    shown: Sequence[ShownRegister],
    rules: RuleSet,
    at: datetime,
    *,
    before: Before | None = None,
    zone: tzinfo | None = None,
) -> tuple[Odd, ...]:
    """Return what is odd about the values typed so far (`shown`, empty: not yet) at `at`, by the checks of `rules`.

    Pure; tells nothing of what the record has. A register's own `dials` and `decimals` stand for the order's.
    `before`: what this agent remembers of the last read; `zone`: of the site, where days are counted.
    """
    found: list[Odd] = []
    for number, one in enumerate(shown):
        if one.shown:
            found += _odd(number, one, _subject(order, one, at, before, zone), rules)
    return tuple(found)


def _odd(number: int, one: ShownRegister, subject: Subject | None, rules: RuleSet) -> Iterator[Odd]:
    if subject is None:
        yield Odd(number, "not_a_number", check_shown(one.shown, _uncounted(one)))
        return
    digits, places = digits_of(one.shown)
    results = {result.check: result for result in run_checks(subject, rules)}
    failed = {name for name, result in results.items() if result.outcome == "fail"}
    if "dial_count" in failed or one.dials not in {None, digits}:
        said = f"{several(digits, 'digit')}, the register has {subject.dials}: type all zeros in front"
        yield Odd(number, "digits", said)
    if "demand_decimals" in failed or one.decimals not in {None, places}:
        said = f"{several(places, 'decimal place')}, the display has {subject.decimals}: type all zeros behind"
        yield Odd(number, "decimals", said)
    if "register_advance" in failed:
        yield Odd(number, "went_back", WORDS["went_back"])
        return  # of a usage backwards nothing else makes sense
    if _rolled_over(subject):
        yield Odd(number, "rollover", WORDS["rollover"], serious=False)
    if "zero_consumption" in failed:
        yield Odd(number, "zero", WORDS["zero"])
        failed.discard("high_low_usage")  # low, of course
    for name in ("high_low_usage", "high_low_demand"):
        if name in failed:
            kind = _side(results[name])
            yield Odd(number, kind, WORDS[kind])


def _subject(
    order: Order, one: ShownRegister, at: datetime, before: Before | None, zone: tzinfo | None
) -> Subject | None:
    """Return the visit as if this value were all of it; None for what is no value."""
    if check_shown(one.shown, _uncounted(one)):
        return None
    data = MeterData(
        identity=Identity(order.nameplate_id or order.expected_meter_id or ""),
        profile=PROFILE,
        method="manual",
        registers=(_register(one),),
    )
    return Subject(
        data=data,
        clock=_CLOCK,
        read_started_at=at,
        read_at=at,
        dials=one.dials or (order.dials if one.sense == "cumulative" else None),
        decimals=one.decimals if one.decimals is not None or one.sense != "demand" else order.decimals,
        last_read_at=order.last_read_at,
        purpose=order.purpose,
        registers_only=True,
        site_zone=zone,
        history=order.history,
        before=before,
    )


def _register(one: ShownRegister) -> Register:
    """Return the value as a reading has it."""
    digits, _ = digits_of(one.shown)
    return Register(
        quantity=one.quantity,
        direction=one.direction,
        kind=one.sense,
        tier=one.tier,
        raw=one.shown,
        value=value_of(one.shown, one.multiplier),
        multiplier=Decimal(one.multiplier),
        unit=one.quantity,
        period=one.period,
        digits=digits,
    )


def _uncounted(one: ShownRegister) -> ShownRegister:
    """Return the register without its number of digits: a wrong one is odd, and may be what is seen all the same."""
    return msgspec.structs.replace(one, dials=None, decimals=None)


def _rolled_over(subject: Subject) -> bool:
    with decimal.localcontext(_EXACT):
        return any(one.rolled_over for one in advances(subject) if one.register.direction != "net")


def _side(result: CheckResult) -> Literal["high", "low"]:
    """Tell on which side of its limits, `LOW to HIGH` in percent, a figure is; of a usage of 0 before, above."""
    _, between, high = (result.limit or "").partition(" to ")
    return "high" if not between or Decimal(result.measured or "0") > Decimal(high) else "low"


__all__ = ["WORDS", "Draft", "Odd", "OddKind", "decode_draft", "encode_draft", "entry_of", "looks_odd"]
