"""How a value came from the octets of its registers, step by step; for people, and for whoever checks a bill.

The arithmetic is its own, in fractions: nothing is taken over from the code that made the value in the first place.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from drivers.c1219.explain import Derivation, Step, Unexplained
from drivers.data import Register
from drivers.ieee754 import NotFinite, exact, identified_by, shortest
from drivers.modbus.image import Found
from drivers.modbus.survey import Placed, Survey

_SIGNED = frozenset({"i16", "i32", "i64", "sunssf"})


def explain_register(survey: Survey, register: Register) -> Derivation:
    """Return the steps from octets to the value of a register of this survey. Raises `Unexplained`."""
    name = register.source.table if register.source is not None else ""
    placed = [one for one in survey.placed if one.found.span.name == name and one.keys.quantity == register.quantity]
    if not placed:
        raise Unexplained(f"the map {survey.map.name} has no {register.quantity} at {name or 'a place unknown'}")
    return _derive(survey, placed[0])


def _derive(survey: Survey, one: Placed) -> Derivation:
    number = _number(survey, one.found)
    steps = [*_reading(survey, one.found), Step("the number", one.keys.type, (), "=", number, number)]

    def apply(sign: Literal["×", "÷"], factor: Fraction, what: str, why: str) -> None:
        nonlocal number
        if sign == "÷" and not factor:
            raise Unexplained(f"{what} is 0")
        number = number * factor if sign == "×" else number / factor
        steps.append(Step(what, why, (), sign, factor, number))

    if Fraction(one.keys.scale) != 1:
        apply("×", Fraction(one.keys.scale), "scale", f"of the register map {survey.map.name}")
    if one.scale is not None:
        power = int(_number(survey, one.scale))
        steps += _reading(survey, one.scale)
        apply("×", Fraction(10) ** power, "scale factor", f"{one.scale.span.name} holds {power}: 10^{power}")
    for sign, names in (("×", one.keys.times), ("÷", one.keys.over)):
        for name in names:
            constant = next(each for each in survey.map.constant if each.name == name)
            found = survey.constants[name]
            steps += _reading(survey, found)
            apply("×" if sign == "×" else "÷", _number(survey, found) * Fraction(constant.scale), name, constant.note)
    return Derivation(tuple(steps), number, one.keys.unit)


def _reading(survey: Survey, found: Found) -> list[Step]:
    """Say which octets were read, and in which order they count."""
    octets = survey.image.get(found.span)
    if octets is None:
        raise Unexplained(f"{found.span} is not in the recording")
    ordered = found.ordered(octets)
    steps = [Step("registers", f"{found.span} as read: {octets.hex(' ')}")]
    if ordered != octets:
        order = f"words {found.words}, octets {found.within} endian"
        steps.append(Step("order", f"{order}: {ordered.hex(' ')}"))
    return steps


def _number(survey: Survey, found: Found) -> Fraction:
    """Return the number in a register, by arithmetic of its own."""
    octets = found.ordered(survey.image.get(found.span) or b"")
    kind = found.place.type
    if kind in ("f32", "f64"):
        try:
            value = shortest(octets)
        except NotFinite as error:
            raise Unexplained(f"{octets.hex(' ')} is {error.what}") from None
        if not identified_by(value, octets):
            raise Unexplained(f"{value} is not stored as {octets.hex(' ')}, which is {exact(octets)}")
        return Fraction(value)
    number = 0
    if kind == "bcd":
        for octet in octets:
            number = number * 100 + (octet >> 4) * 10 + (octet & 15)
        return Fraction(number)
    for at in range(0, len(octets), 2):
        word = octets[at] * 256 + octets[at + 1]
        number = number * (10_000 if kind == "mod10" else 65_536) + word
    if kind in _SIGNED and octets[0] & 0x80:
        number -= 256 ** len(octets)
    return Fraction(number)
