"""How far the registers moved since earlier reads: those on the order, and the last one that the agent remembers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Literal

from agent.checks.moments import utc
from agent.checks.quantity import factor
from agent.checks.subject import Subject
from agent.history import Before, present_registers
from drivers.data import IntervalBlock, Register

NOTHING_ON_RECORD = "no earlier reading of the registers is on record, neither on the order nor by this agent"


@dataclass(frozen=True, slots=True)
class Advance:
    """How far one register moved since one earlier read. All in the unit of the register."""

    register: Register
    at: datetime  # of the earlier read, by the meter's clock where that is known
    by: Literal["order", "agent"]
    earlier: Decimal
    present: Decimal
    turn: Decimal | None  # what a full turn of all dials counts; None where their number is not known

    @property
    def rolled_over(self) -> bool:
        """Tell whether the register stands lower, and one rollover of its dials would explain that."""
        low = self.register.offset or Decimal(0)
        return (
            self.turn is not None
            and self.present < self.earlier
            and self.present >= low
            and self.earlier - low < self.turn
        )

    @property
    def moved(self) -> Decimal:
        """Return by how much it moved on, over one rollover if there was one; negative if it went backwards."""
        moved = self.present - self.earlier
        return moved + self.turn if self.rolled_over and self.turn is not None else moved

    @property
    def what(self) -> str:
        """Return the register's name for people."""
        return name_of(self.register)


def name_of(register: Register) -> str:
    """Return a register's name for people: `kWh delivered`, `kWh delivered, rate 2`."""
    what = " ".join(filter(None, (register.quantity, register.direction, register.phase)))
    return f"{what}, rate {register.tier}" if register.tier else what


def counts(register: Register, block: IntervalBlock) -> bool:
    """Tell whether a register is the total of what a channel records, in one unit or another."""
    total = register.direction == block.direction and register.tier == 0 and not register.phase
    return total and register.multiplier > 0 and factor(block.quantity, register.quantity) is not None


def remembered(subject: Subject) -> Before | None:
    """Return what the agent remembers of this meter; None if that is of another one, or of a read yet to come."""
    before = subject.before
    if before is None or before.meter_id != subject.data.identity.meter_id or before.read_at > subject.read_at:
        return None
    return before


def advances(subject: Subject) -> tuple[Advance, ...]:
    """Compare every present register that has a value with every earlier reading of it, the order's first."""
    registers = [r for r in present_registers(subject.data) if r.value is not None and r.value.is_finite()]
    return tuple(found for r in registers for found in (*_by_order(subject, r), *_by_agent(subject, r)))


def why_none(subject: Subject) -> str:
    """Say why there is nothing to compare the registers with."""
    past = subject.history.registers if subject.history is not None else ()
    before = subject.before
    if any(one.at > subject.read_at for one in past):
        latest = max(one.at for one in past)
        return f"contradictory: the earlier reading on record, {utc(latest)}, is later than this one"
    if past:
        named = ", ".join(dict.fromkeys(f"{one.quantity} {one.direction}" for one in past))
        return f"the registers on record ({named}) were not read"
    if before is not None and before.meter_id != subject.data.identity.meter_id:
        return f"the last read that this agent remembers was of another meter, {before.meter_id}"
    if before is not None and before.read_at > subject.read_at:
        return f"contradictory: the last read that this agent remembers, {utc(before.read_at)}, is later than this one"
    return NOTHING_ON_RECORD if before is None else "no register was read that the last read has"


def turn_of(register: Register, dials: int | None) -> Decimal | None:
    """Return what a full turn of a register's dials counts in its unit; None where their number is not known."""
    digits = register.digits or dials
    if digits is None or not (register.multiplier.is_finite() and register.multiplier > 0):
        return None
    return register.multiplier.scaleb(digits)


def _by_order(subject: Subject, register: Register) -> Iterator[Advance]:
    for past in subject.history.registers if subject.history is not None else ():
        same = (past.direction, past.tier, past.phase) == (register.direction, register.tier, register.phase)
        scale = factor(past.quantity, register.quantity) if same else None
        if scale is not None and past.at <= subject.read_at:
            yield _advance(subject, register, past.at, "order", past.value * scale)


def _by_agent(subject: Subject, register: Register) -> Iterator[Advance]:
    before = remembered(subject)
    for last in before.registers if before is not None else ():
        key = (last.quantity, last.direction, last.tier, last.phase)
        if before is None or key != (register.quantity, register.direction, register.tier, register.phase):
            continue
        try:  # by what the meter itself counted: the constants that were applied to it may have changed
            earlier = Decimal(last.raw) * register.multiplier + (register.offset or Decimal(0))
        except InvalidOperation:
            continue
        if earlier.is_finite():
            yield _advance(subject, register, before.meter_time or before.read_at, "agent", earlier)


def _advance(
    subject: Subject, register: Register, at: datetime, by: Literal["order", "agent"], earlier: Decimal
) -> Advance:
    present = register.value if register.value is not None else Decimal(0)
    return Advance(register, at, by, earlier, present, turn_of(register, subject.dials))
