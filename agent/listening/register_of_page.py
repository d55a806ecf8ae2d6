"""The registers of a page as the plan bills them. Pure.

The plan's multiplier stands for what is between the meter and the service: value = number × multiplier of the format ×
multiplier of the plan. The first register is what receptions are compared by. Another one is taken where a second page
says the same, since nothing else confirms it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Context, Decimal

from agent.listening.plan import PlannedMeter
from drivers.data import Problem, Register
from drivers.pager.formats import MessageFormat, Parsed

_EXACT = Context(prec=300)  # a number of 64 digits times two multipliers: nothing is rounded


def registers_of(
    planned: PlannedMeter, made: MessageFormat, parsed: Parsed, others: Sequence[Parsed]
) -> tuple[tuple[Register, ...], tuple[Problem, ...]]:
    """Return the registers of `parsed`, and what is left out of it; `others` are pages that agree with it."""
    first, *rest = parsed.registers
    kept = [_billed(first, planned, first=True)]
    problems: list[Problem] = []
    own_unit = planned.unit_given and planned.unit != first.unit
    for k, register in enumerate(rest, start=1):
        name = made.reply_means.registers[k].field
        if not any(other.registers[k].raw == register.raw for other in _alike(others, parsed)):
            problems.append(Problem(name, "no second page says the same"))
        elif own_unit and planned.multiplier != 1:
            problems.append(Problem(name, f"the plan's multiplier is for {planned.unit}: it does not say this one's"))
        else:
            kept.append(_billed(register, planned, first=False))
    return tuple(kept), tuple(problems)


def _alike(others: Iterable[Parsed], parsed: Parsed) -> list[Parsed]:
    return [other for other in others if len(other.registers) == len(parsed.registers)]


def _billed(register: Register, planned: PlannedMeter, *, first: bool) -> Register:
    multiplier = _EXACT.multiply(register.multiplier, planned.multiplier)
    unit = planned.unit if first and planned.unit_given else register.unit
    return replace(
        register,
        quantity=unit if unit != register.unit else register.quantity,
        unit=unit,
        multiplier=multiplier,
        value=_EXACT.multiply(Decimal(register.raw), multiplier),
        digits=planned.dials if first and planned.dials is not None else register.digits,
    )
