"""How a value came from octets, step by step, as data: for people, and for whoever checks a bill.

The steps follow the standard from the octets on with arithmetic of their own, in exact fractions; nothing is taken
over from the code that made the value in the first place. Each step cites the octets that it rests on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from drivers.c1219.context import Context
from drivers.errors import DataError

TableOctets = Callable[[int, int, int], bytes | None]  # (table, offset, length) → octets as they were read last


class Unexplained(DataError):
    """A value cannot be derived again: what it rests on is not in the tables at hand."""


@dataclass(frozen=True, slots=True)
class Cited:
    """Octets of a table that a step rests on; `name` is the field's in the standard's words."""

    table: int
    offset: int
    octets: bytes
    name: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `sign` and `number`: what is done to the running `result`; "" for a step that says something only."""

    what: str
    why: str
    cited: tuple[Cited, ...] = ()
    sign: Literal["", "=", "×", "÷", "+"] = ""
    number: Fraction | None = None
    result: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Derivation:
    """All steps from octets to a value. `value` is exact; None where the meter has none. `text`: words instead."""

    steps: tuple[Step, ...]
    value: Fraction | None = None
    unit: str = ""
    text: str = ""

    def of(self, raw: Fraction) -> Fraction:
        """Return what the same steps make of another raw number."""
        value = raw
        for step in self.steps:
            if step.number is not None and step.sign != "=":
                value = _done(step.sign, value, step.number)
        return value


def _done(sign: str, value: Fraction, number: Fraction) -> Fraction:
    return value * number if sign == "×" else value / number if sign == "÷" else value + number


@dataclass(slots=True)
class Chain:
    """Collects steps and keeps the running value."""

    context: Context
    steps: list[Step] = field(default_factory=list)
    value: Fraction | None = None

    def note(self, what: str, why: str, *cited: Cited) -> None:
        """Add a step that changes nothing."""
        self.steps.append(Step(what, why, cited))

    def start(self, number: Fraction, what: str, why: str, *cited: Cited) -> None:
        """Begin with a number."""
        self.value = number
        self.steps.append(Step(what, why, cited, "=", number, number))

    def apply(self, sign: Literal["×", "÷", "+"], number: Fraction, what: str, why: str, *cited: Cited) -> None:
        """Do something to the running value. Raises `Unexplained` for a division by zero."""
        if self.value is None or (sign == "÷" and not number):
            raise Unexplained(f"{what}: nothing can be {sign} {number}")
        self.value = _done(sign, self.value, number)
        self.steps.append(Step(what, why, cited, sign, number, self.value))

    def cite(self, table: int, path: str) -> Cited:
        """Return the octets of a field. Raises `NotRead`, `Unexplained` if it is not in the table."""
        decoded = self.context.decoded(table)
        span = decoded.spans.get(path)
        if span is None:
            raise Unexplained(f"{decoded.name} has no field {path}")
        name = path.upper()
        for override in self.context.quirks.override:
            if (override.table, override.path) == (table, path):
                name += f" (the profile corrects it to {override.value})"
        return Cited(table, span.offset, decoded.octets[span.offset : span.offset + span.length], name)

    def done(self, unit: str = "", text: str = "") -> Derivation:
        """Return what was collected."""
        return Derivation(tuple(self.steps), self.value, unit, text)


def cite_octets(octets: TableOctets, table: int, offset: int, length: int, name: str) -> Cited:
    """Return octets of a table that is in no context. Raises `Unexplained` if they are not in the recording."""
    found = octets(table, offset, length)
    if found is None:
        raise Unexplained(f"octets {offset} to {offset + length - 1} of ST{table} are not in the recording")
    return Cited(table, offset, found, name)


def decimal_text(value: Fraction) -> str:
    """Write a fraction as an exact decimal, or as a fraction where it has no end."""
    twos = (value.denominator & -value.denominator).bit_length() - 1
    rest, fives = value.denominator >> twos, 0
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    places = max(twos, fives)
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    whole, part = digits[: len(digits) - places], digits[len(digits) - places :]
    return ("-" if value < 0 else "") + whole + (f".{part}" if part else "")
