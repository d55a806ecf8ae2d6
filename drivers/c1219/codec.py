"""Decode, encode and size any declared table. Pure functions of the octets and the `Context`.

The size that came is compared with the size that the declaration and the context give, before anything is decoded;
on a mismatch the variants of the table are tried (`BySize` fields, sets reported or left out), then it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from typing import TypeVar

from drivers.c1219 import profile_data
from drivers.c1219.context import Context, Decoded, NotRead, Span
from drivers.c1219.decade0 import FIXED_OCTETS
from drivers.c1219.overriding import overridden
from drivers.c1219.quirks import Quirks
from drivers.c1219.record import Record, Table
from drivers.c1219.scope import SETS, Places, Reader, Scope
from drivers.c1219.tables import TABLES
from drivers.errors import DataError

R = TypeVar("R", bound=Record)


def decode(number: int, octets: bytes, context: Context) -> Decoded:
    """Return standard table `number` decoded from all its octets.

    Raises `NotRead` when a table that decides its layout is missing from the context, `DataError` when the size is
    none that the context allows, or when ST00 announces formats that are reserved. An impossible date in it is None
    and a remark; ST00 with its maps cut short, and ST64–ST67 cut after a whole block, are decoded as far as they go.
    """
    octets = bytes(octets)
    if number in profile_data.TABLES:
        return profile_data.decode(number, octets, context)
    kind = _kind(number)
    reader = Reader(octets, noting=False)
    try:
        if number == 0:
            _complete(reader)
        scope = _fitting(kind, octets, Scope(context)) if number else Scope(context)
        values = kind.layout.decode(reader, scope, "")
    except NotRead as error:
        raise _unknown(number, error) from error
    places = Places(partial(_places, kind, reader.octets, scope))
    decoded = Decoded(number, kind(**values), octets, places, reader.said())
    return overridden(decoded, context.quirks)


def with_quirks(context: Context, quirks: Quirks) -> Context:
    """Return the context as if its tables had been decoded with `quirks` from the start.

    For the moment at which a meter is recognised by tables that were read without its profile. A table that cannot be
    decoded so stays as it was, and says so in a remark.
    """
    made = Context(quirks)
    for number, before in context.tables.items():
        if not before.octets:
            made = made.with_table(before)
            continue
        try:
            decoded = decode(number, before.octets, made)
        except DataError as error:
            remark = f"with the profile it cannot be decoded, and stays as without: {error.message}"
            decoded = replace(before, remarks=(*before.remarks, remark))
        made = made.with_table(decoded)
    return made


def encode(table: Table, context: Context) -> bytes:
    """Return the octets of a table as a meter of this context sends it.

    Optional fields follow the limiting tables; those that only the size tells are written when they are not None.
    Raises `NotRead` for a limiting table missing from the context, `ValueError` naming a field that does not fit.
    """
    if isinstance(table, profile_data.ProfileData):
        return profile_data.encode(table, context)
    try:
        return table.layout.encode(table, Scope(context))
    except NotRead as error:
        raise _unknown(table.number, error) from error


def size(number: int, context: Context) -> int | None:
    """Return the octets that the table should have (its usual variant); None while that cannot be known."""
    try:
        if number in profile_data.TABLES:
            return profile_data.table_size(number, context)
        if number == 0:
            st00 = context.st00
            maps = 2 * st00.dim_std_tbls_used + 2 * st00.dim_mfg_tbls_used
            return FIXED_OCTETS + maps + st00.dim_std_proc_used + st00.dim_mfg_proc_used
        layout = _kind(number).layout
        return None if layout.open_ended(Scope(context)) else layout.size(Scope(context))
    except DataError:  # a limiting table not read, or reserved formats in it
        return None


def decode_record(kind: type[R], octets: bytes, context: Context) -> R:
    """Return one record from exactly its octets: parameters or the response of a procedure. Raises `DataError`."""
    reader, scope = Reader(bytes(octets)), Scope(context)
    expected = kind.layout.size(scope)
    if len(octets) != expected and not (kind.layout.open_ended(scope) and len(octets) > expected):
        raise DataError(f"{kind.__name__} has {len(octets)} octets, not {expected}", advice="ask again")
    return kind(**kind.layout.decode(reader, scope, ""))


def encode_record(record: Record, context: Context) -> bytes:
    """Return the octets of one record. Raises `ValueError` naming a field that does not fit."""
    return record.layout.encode(record, Scope(context))


def _places(kind: type[Table], octets: bytes, scope: Scope) -> dict[str, Span]:
    """Return where each field of a table lies that has been decoded once."""
    reader = Reader(octets)
    kind.layout.decode(reader, scope, "")
    return reader.spans


def _kind(number: int) -> type[Table]:
    try:
        return TABLES[number]
    except KeyError:
        raise DataError(
            f"ST{number:02} is not a table that can be decoded", advice="its octets are kept as they came"
        ) from None


def _unknown(number: int, error: NotRead) -> NotRead:
    made = NotRead(error.number)
    made.message = f"ST{number:02} cannot be decoded or encoded: {error.message}"
    return made


def _complete(reader: Reader) -> None:
    """Fill up the maps of a cut ST00 with zeros (absent), or raise `DataError` when its fixed part is cut."""
    came = len(reader.octets)
    if came < FIXED_OCTETS:
        raise DataError(
            f"ST00 has {came} octets, at least {FIXED_OCTETS} are needed",
            advice="read it again; without it nothing of this meter can be decoded",
        )
    standard, manufacturer, procedures, manufacturer_procedures = reader.octets[13:17]
    expected = FIXED_OCTETS + 2 * standard + 2 * manufacturer + procedures + manufacturer_procedures
    if came < expected:
        reader.octets += bytes(expected - came)
        reader.remarks.append(f"the maps end after {came} of {expected} octets: what is missing counts as absent")
    elif came > expected:
        reader.remarks.append(f"{came - expected} octets after the maps are ignored")


def _fitting(kind: type[Table], octets: bytes, scope: Scope) -> Scope:
    """Return the variant of the table whose size is the one that came; raises `DataError` when none is."""
    expected: list[int] = []
    for variant in _variants(kind, scope):
        wanted = kind.layout.size(variant)
        if wanted == len(octets) or (wanted <= len(octets) and kind.layout.open_ended(variant)):
            return variant
        if wanted not in expected:
            expected.append(wanted)
    sizes = " or ".join(str(wanted) for wanted in expected)
    raise DataError(
        f"ST{kind.number:02} has {len(octets)} octets where the meter's own limits say {sizes}",
        advice="read it again with its limiting table; if it stays so, this family needs a quirk in its profile",
    )


def _variants(kind: type[Table], scope: Scope) -> Iterator[Scope]:
    """Yield the ways that this table may be laid out, the standard's own first."""
    names = sorted(kind.layout.choices())
    choices = [
        {},
        *(dict(zip(names, flags, strict=True)) for flags in product((True, False), repeat=len(names)) if names),
    ]
    for sets in _set_choices(kind.number, scope.context):
        for chosen in choices:
            yield replace(scope, chosen=chosen, sets=sets)


def _set_choices(number: int, context: Context) -> list[tuple[int, ...] | None]:
    """Return which load-profile sets may be in the table; None: as the maps say."""
    if number in {60, 61}:
        return [None, *(SETS[:count] for count in range(1, len(SETS) + 1))]
    if number in {62, 63}:
        mapped = tuple(item for item in SETS if 63 + item in context.st00.std_tbls_used)
        recording = tuple(item for item in SETS if context.st61.of_set(item, "nbr_chns"))
        return [None, mapped, recording]
    return [None]
