"""Tables whose size contradicts the meter's own limits: which one field, stated otherwise, would make them all fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, Final, cast

from drivers.c1219 import Context, decode, size
from drivers.c1219.overriding import NoSuchField, fits, overridden, wire_at
from drivers.c1219.quirks import Override, Quirks
from drivers.c1219.record import Table
from drivers.c1219.tables import TABLES
from drivers.errors import DataError
from drivers.learn.lesson import Lesson

#: Limiting table → the tables whose layout it decides, the profile's data left out.
_DECIDES: Final = {11: (12, 13, 14, 15, 16), 21: (22, 23, 24, 25, 26, 27, 28), 61: (62, 63), 71: (72, 73, 74, 75, 76)}
_LARGEST: Final = 64  # value that is tried for a number
_FEW: Final = 5  # candidates that are worth naming


def of_dimensions(context: Context, octets: Mapping[int, bytes]) -> list[Lesson]:
    """Return the fields of limiting tables that are wrong, judged by `octets` of the tables as they were read."""
    return [lesson for limiting in _DECIDES if limiting in context for lesson in _of(limiting, context, octets)]


def _of(limiting: int, context: Context, octets: Mapping[int, bytes]) -> Iterator[Lesson]:
    came = {number: octets[number] for number in _DECIDES[limiting] if number in octets and number in TABLES}
    misfits = [number for number in came if number not in context]
    if not misfits:
        return
    names = ", ".join(f"ST{number}" for number in misfits)
    seen = f"{names}: not the size that ST{limiting} gives"
    found = [override for override in _candidates(limiting, context) if _all_fit(override, context, came)]
    overrides = {f"ST{override.table}.{override.path}": int(override.value) for override in found}
    if len(found) == 1:
        yield Lesson("c1219.override", f"{seen}; this one field would explain it", "likely", overrides)
    elif 1 < len(found) <= _FEW:
        choices = "; ".join(f"{path} = {value}" for path, value in overrides.items())
        yield Lesson("c1219.override", f"{seen}; any of these would explain it: {choices}", "open")
    else:
        yield Lesson("c1219.override", f"{seen}, and no single field would explain it", "open")


def _candidates(limiting: int, context: Context) -> Iterator[Override]:
    table = context.decoded(limiting).table
    for path in _paths(table):
        try:
            wire = wire_at(type(table), path)
        except NoSuchField:
            continue
        for value in range(_LARGEST + 1):
            if fits(wire, value):
                yield Override(limiting, path, value)


def _paths(table: Table) -> Iterator[str]:
    for item in fields(cast(Any, table)):
        value = getattr(table, item.name)
        if isinstance(value, int):
            yield item.name
        elif item.name == "sets":
            for index, one in enumerate(value):
                yield from (f"sets[{index}].{inner.name}" for inner in fields(one) if one is not None)


def _all_fit(override: Override, context: Context, came: Mapping[int, bytes]) -> bool:
    """Whether every table of the decade would have the size that came, and can be decoded."""
    before = context.decoded(override.table)
    after = overridden(before, Quirks(override=(override,)))
    if after is before:
        return False
    others = {number: known for number, known in context.tables.items() if number not in came}
    made = replace(context, tables=others).with_table(after)
    if any(size(number, made) not in {len(octets), None} for number, octets in came.items()):
        return False
    try:
        for number, octets in came.items():
            made = made.with_table(decode(number, octets, made))
    except DataError:
        return False
    return True
