"""Look at single tables of a meter, decoded field by field: for people who want to see what is in there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from decimal import Decimal

from drivers.base import Task
from drivers.c1219 import Decoded
from drivers.c1219.tables import TABLES
from drivers.decimal_text import plain
from drivers.errors import MrspError
from drivers.profiles import load_profiles
from drivers.psem.collect import MANUFACTURER, Collector
from drivers.psem.driver import opened
from drivers.psem.services import table_name

# What the layout of a table depends on (C12.19): its own limiting table, and for the profile its control table.
_DECIDES = {1: (11,), 2: (11, 21, 22), 5: (51,), 6: (61, 62, 63), 7: (71,)}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a table. `offset` is None where the octets cannot be told apart from their neighbours'."""

    path: str
    text: str
    offset: int | None
    length: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class TableReport:
    """One table as read. `problem` says why there are no fields; `exit_code` is that of the error, else 0."""

    name: str
    title: str
    octets: bytes
    fields: tuple[Field, ...] = ()
    remarks: tuple[str, ...] = ()
    problem: str = ""
    exit_code: int = 0


async def inspect_tables(task: Task, numbers: Sequence[int]) -> list[TableReport]:
    """Read and decode `numbers` (all declared ones that the meter has, if empty), limiting tables first.

    Raises what `Driver.read` raises when the meter cannot be reached or has no usable ST00; a single table that is
    refused or cannot be decoded is reported, not raised.
    """
    profiles = load_profiles(task.profile_dirs)
    profile = profiles.find(task.profile) if task.profile else profiles.generic
    async with opened(task, profile) as (client, collector, _line):
        try:
            async with client.session(task.password):
                await collector.configuration()
                used = collector.context.st00.std_tbls_used
                wanted = list(numbers) or [number for number in TABLES if number in used]
                for number in _with_limits(wanted, used):
                    if number:
                        await collector.table(number)
        except MrspError as error:
            raise error.at(task.url) from error.__cause__
    return [_report(number, collector) for number in wanted]


def _with_limits(wanted: Sequence[int], used: frozenset[int]) -> list[int]:
    """Return `wanted` with the tables before them that decide their layout."""
    order: dict[int, None] = {}
    for number in wanted:
        limits = _DECIDES.get(number // 10, ()) if number < MANUFACTURER else ()
        order.update(dict.fromkeys(limit for limit in limits if limit in used and limit < number))
        order[number] = None
    return list(order)


def _report(number: int, collector: Collector) -> TableReport:
    name = table_name(number)
    collection = collector.collection
    octets = collection.octets.get(name, b"")
    decoded = collection.context.tables.get(number)
    if decoded is not None:
        title = decoded.table.title
        return TableReport(name, title, octets, tuple(_fields(decoded)), decoded.remarks)
    declared = TABLES.get(number)
    title = declared.title if declared else ""
    error = collection.failures.get(name)
    if error is None:
        return TableReport(name, title, octets)
    return TableReport(name, title, octets, problem=str(error), exit_code=error.exit_code)


def _fields(decoded: Decoded) -> Iterator[Field]:
    for path, value in _leaves("", decoded.table):
        span = decoded.spans.get(path)
        if span is None:
            yield Field(path, _text(value), None, 0, b"")
        else:
            octets = decoded.octets[span.offset : span.offset + span.length]
            yield Field(path, _text(value), span.offset, span.length, octets)


def _leaves(path: str, value: object) -> Iterator[tuple[str, object]]:
    """Yield (path, value) of every field, walking records and lists of records."""
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _leaves(f"{path}.{field.name}" if path else field.name, getattr(value, field.name))
    elif isinstance(value, list | tuple) and any(is_dataclass(item) or isinstance(item, tuple) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(f"{path}[{index}]", item)
    elif value is not None:
        yield path, value


def _text(value: object) -> str:
    """Write one value for people."""
    match value:
        case bool():
            text = "yes" if value else "no"
        case Decimal():
            text = plain(value)
        case bytes():
            text = value.hex() or "(empty)"
        case datetime():
            text = value.isoformat(" ")
        case frozenset():
            text = ", ".join(map(str, sorted(value))) or "(none)"
        case list() | tuple():
            text = ", ".join(map(_text, value)) or "(none)"
        case _:
            text = str(value)
    return text
