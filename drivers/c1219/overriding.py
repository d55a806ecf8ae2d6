"""Fields that a meter family reports wrong, put right as its profile says, and remarked (`[c1219.override]`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from typing import Any, cast, get_args, get_origin

from drivers.c1219.context import Decoded
from drivers.c1219.quirks import Override, Quirks
from drivers.c1219.record import Array, Bit, PerSet, Record, Sub, Table
from drivers.c1219.scope import Wire
from drivers.c1219.wire import NonInteger, SInt, UInt

_STEP = re.compile(r"([a-z_][a-z0-9_]*)|\[(\d{1,5})\]")
_PATH = re.compile(r"[a-z_][a-z0-9_]*(\[\d{1,5}\])*(\.[a-z_][a-z0-9_]*(\[\d{1,5}\])*)*")
Step = str | int


class NoSuchField(ValueError):
    """A path that leads to no field whose value a profile may state."""


def overridden(decoded: Decoded, quirks: Quirks) -> Decoded:
    """Return the table as the profile corrects it, with a remark for each field that it changes.

    An entry or set that this meter does not have is left as it is.
    """
    table, remarks = decoded.table, list(decoded.remarks)
    for override in quirks.override:
        if override.table == decoded.number:
            table = _corrected(table, override, remarks)
    if decoded.number == 0:
        table = _tables_used(table, quirks)
    if table is decoded.table:
        return decoded
    return replace(decoded, table=table, remarks=tuple(remarks))


def path_steps(path: str) -> tuple[Step, ...]:
    """Return `sets[0].nbr_chns` as its steps. Raises `NoSuchField` for text that is no path."""
    if not _PATH.fullmatch(path):
        raise NoSuchField("write it as `mrsp tables` prints it, like sets[0].nbr_blk_ints")
    return tuple(name or int(index) for name, index in _STEP.findall(path))


def wire_at(kind: type[Table], path: str) -> Wire | Bit:
    """Return the wire type of a field of a table. Raises `NoSuchField`, saying which names there are."""
    steps = path_steps(path)
    at: Any = Sub(kind)
    for step in steps:
        if isinstance(step, int):
            if not isinstance(at, Array | PerSet):
                raise NoSuchField(f"what stands before [{step}] is no list")
            at = at.item
        else:
            known = dict(_wires(at.kind)) if isinstance(at, Sub) else {}
            if step not in known:
                raise NoSuchField(f"there is no {step}; there are: {', '.join(known) or 'no fields in it'}")
            at = known[step]
    if not isinstance(at, Bit | UInt | SInt | NonInteger):
        raise NoSuchField("only single numbers and flags can be stated")
    return at


def fits(wire: Wire | Bit, value: bool | int | Decimal) -> bool:
    """Whether a field of this type can hold a value."""
    if isinstance(wire, NonInteger):
        return not isinstance(value, bool)
    if isinstance(value, Decimal):
        return False
    if isinstance(wire, Bit):
        return 0 <= int(value) < 1 << wire.count
    if isinstance(wire, SInt):
        return -(1 << 8 * wire.octets - 1) <= value < 1 << 8 * wire.octets - 1
    return isinstance(wire, UInt) and 0 <= value < 1 << 8 * wire.octets


def _wires(kind: type[Record]) -> Iterator[tuple[str, Wire | Bit]]:
    for item in fields(cast(Any, kind)):
        if get_origin(item.type) is not None:
            yield item.name, get_args(item.type)[1]


def _corrected(table: Table, override: Override, remarks: list[str]) -> Table:
    steps = path_steps(override.path)
    found = _at(table, steps)
    if found is None or found == override.value:
        return table
    stated = bool(override.value) if isinstance(found, bool) else override.value
    remarks.append(f"{override.path} is {found}, taken as {stated}: the profile says so")
    return cast(Table, _with(table, steps, stated))


def _at(value: Any, steps: Sequence[Step]) -> Any:
    for step in steps:
        if isinstance(step, str):
            value = getattr(value, step)
        else:
            value = value[step] if value is not None and step < len(value) else None
        if value is None:
            return None
    return value


def _with(value: Any, steps: Sequence[Step], new: object) -> Any:
    """Return a record or tuple with one value in it replaced."""
    if not steps:
        return new
    first, rest = steps[0], steps[1:]
    if isinstance(first, int):
        return (*value[:first], _with(value[first], rest, new), *value[first + 1 :])
    assert is_dataclass(value)  # noqa: S101 - the path was walked before
    return replace(cast(Any, value), **{first: _with(getattr(value, first), rest, new)})


def _tables_used(table: Table, quirks: Quirks) -> Table:
    """Put right which tables ST00 lists."""
    used = cast(Any, table).std_tbls_used
    right = (used | quirks.tables_present) - quirks.tables_absent
    return table if right == used else cast(Table, replace(cast(Any, table), std_tbls_used=right))
