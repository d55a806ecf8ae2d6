"""From the registers that were read to what the driver returns: values in units, exact, with where they came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo
from fractions import Fraction
from typing import Final

from drivers.c1219.exact import Linear, to_decimal
from drivers.data import ClockSample, Identity, MeterData, Problem, Register, Source
from drivers.decimal_text import plain
from drivers.errors import DataError
from drivers.modbus.clock import clock_sample
from drivers.modbus.image import Found
from drivers.modbus.survey import Placed, Survey
from drivers.modbus.values import Number, is_absent, read_number

LARGEST_POWER: Final = 20  # of ten; SunSpec allows 10
_NAMED: Final = 12  # places that one remark spells out


@dataclass(slots=True)
class _Collected:
    registers: list[Register]
    problems: list[Problem]
    absent: list[str]


def meter_data(survey: Survey, *, zone: tzinfo | None = None) -> MeterData:
    """Return what the survey has found so far, without what only the visit knows (line, times)."""
    found = _collect(survey, survey.placed)
    problems = [*survey.problems, *_identity_problems(survey), *found.problems]
    if found.absent:
        many = f" and {len(found.absent) - _NAMED} more" if len(found.absent) > _NAMED else ""
        problems.append(
            Problem("registers", f"not implemented by this meter: {', '.join(found.absent[:_NAMED])}{many}", lost=False)
        )
    sample = None
    try:
        sample = _clock(survey, zone)
    except DataError as error:
        unset = zone is None and survey.map.clock is not None and survey.map.clock.zone == "local"
        problems.append(Problem("clock", str(error), lost=not unset))
    return MeterData(
        identity=_identity(survey),
        profile=survey.map.name,
        method="modbus",
        registers=tuple(found.registers),
        clock=sample,
        has_clock=survey.map.clock is not None,
        has_tiers=survey.map.has_tiers,
        problems=tuple(problems),
        constants=_constants(survey),
    )


def registers_of(survey: Survey, placed: Iterable[Placed]) -> tuple[tuple[Register, ...], tuple[Problem, ...]]:
    """Return some registers of a survey, and what is wrong with the others of them."""
    found = _collect(survey, placed)
    return tuple(found.registers), tuple(found.problems)


def factor_of(survey: Survey, one: Placed) -> Fraction:
    """Return what the raw number is multiplied with. Raises `DataError` where a scale or ratio is missing or absurd."""
    factor = Fraction(one.keys.scale)
    if one.scale is not None:
        factor *= Fraction(10) ** power_of(survey, one.scale)
    for name in one.keys.times:
        factor *= constant_of(survey, name)
    for name in one.keys.over:
        divisor = constant_of(survey, name)
        if not divisor:
            raise DataError(f"the constant {name} is 0, and the value is divided by it")
        factor /= divisor
    return factor


def power_of(survey: Survey, scale: Found) -> int:
    """Return the power of ten that a scale register holds. Raises `DataError`."""
    octets = _octets(survey, scale)
    power = read_number("sunssf", octets)
    if is_absent("sunssf", octets, scale.patterns) or not -LARGEST_POWER <= power <= LARGEST_POWER:
        raise DataError(f"the scale factor {scale.span.name} is {plain(power)}, which is no power of ten to scale with")
    return int(power)


def constant_of(survey: Survey, name: str) -> Fraction:
    """Return a number that the meter holds and values are scaled with. Raises `DataError`."""
    found = survey.constants[name]
    octets = _octets(survey, found)
    if is_absent(found.place.type, octets, found.patterns):
        raise DataError(f"the constant {name} ({found.span.name}) is not implemented by this meter")
    scale = next(one.scale for one in survey.map.constant if one.name == name)
    return Fraction(read_number(found.place.type, octets)) * Fraction(scale)


def _octets(survey: Survey, found: Found) -> bytes:
    """Return octets in order. Raises `DataError` where they were not read or did not stand still."""
    octets = survey.image.get(found.span)
    if octets is None:
        raise DataError(f"{found.span} could not be read")
    if found.span in survey.changed:
        raise DataError(f"{found.span} changed while the values that it scales were read")
    return found.ordered(octets)


def _collect(survey: Survey, placed: Iterable[Placed]) -> _Collected:
    found = _Collected([], [], [])
    for one in placed:
        octets = survey.image.get(one.found.span)
        if octets is None:
            refusal = survey.refused.get(one.found.span)
            if refusal is not None:
                found.problems.append(Problem(one.name, refusal.message, lost=not one.keys.optional))
            continue  # else the line broke before it
        if is_absent(one.keys.type, one.found.ordered(octets), one.found.patterns):
            found.absent.append(one.name)
            continue
        if one.found.span in survey.torn:
            found.problems.append(Problem(one.name, "it did not stand still: no two looks at it agree"))
            continue
        try:
            register = _register(survey, one, octets)
        except DataError as error:
            found.problems.append(Problem(one.name, error.message))
            continue
        found.registers.append(register)
        factor = factor_of(survey, one)
        if not Linear(factor).is_finite:
            reason = f"the factor {factor} has no end as a decimal; the value is rounded to 28 digits"
            found.problems.append(Problem(one.name, reason, lost=False))
    return found


def _register(survey: Survey, one: Placed, octets: bytes) -> Register:
    keys = one.keys
    raw: Number = read_number(keys.type, one.found.ordered(octets))
    factor = factor_of(survey, one)
    return Register(
        quantity=keys.quantity,
        direction=keys.direction,
        kind=keys.kind,
        tier=keys.tier,
        raw=plain(raw),
        value=to_decimal(Fraction(raw) * factor),
        multiplier=to_decimal(factor),
        unit=keys.unit,
        season=keys.season,
        period=keys.period,
        phase=keys.phase,
        minimum=keys.minimum,
        digits=keys.digits,
        source=Source(one.found.span.name, 0, len(octets), octets),
    )


def _identity(survey: Survey) -> Identity:
    said: dict[str, str] = {}
    for name in {*survey.identity, *survey.texts}:
        try:
            said[name] = survey.text_of(name)
        except DataError:
            said[name] = ""  # told among the problems
    return Identity(
        meter_id=said.get("meter_id") or said.get("serial_number", ""),
        manufacturer=said.get("manufacturer", ""),
        model=said.get("model", ""),
        serial_number=said.get("serial_number", ""),
        hardware_version=said.get("hardware_version", ""),
        firmware_version=said.get("firmware_version", ""),
    )


def _identity_problems(survey: Survey) -> Iterable[Problem]:
    for name, found in survey.identity.items():
        what = f"{found.span.name} {name}"
        if refusal := survey.refused.get(found.span):
            yield Problem(what, refusal.message, lost=not found.place.optional)
            continue
        try:
            survey.text_of(name)
        except DataError as error:
            yield Problem(what, error.message)


def _clock(survey: Survey, zone: tzinfo | None) -> ClockSample | None:
    clock, answer = survey.map.clock, survey.clock
    if clock is None or answer is None:
        return None
    keys = survey.map.modbus
    order = (clock.word_order or keys.word_order, clock.byte_order or keys.byte_order)
    return clock_sample(clock, answer.octets, (answer.before_ns, answer.after_ns), zone, order=order)


def _constants(survey: Survey) -> dict[str, str]:
    said: dict[str, str] = {}
    for name in survey.constants:
        try:
            said[name] = plain(to_decimal(constant_of(survey, name)))
        except DataError:
            continue  # the registers that need it say so
    return said
