"""A decoded table for people: every field in the order of the octets, with its place, its unit and what it means.

The value stays as it stands in the table; what ST12, ST15, ST16, the clock and the enumerations of the standard make
of it is the note beside it. What has not been read of those tables leaves its notes out, nothing else.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from drivers.c1219.context import Context, Decoded
from drivers.c1219.decade2 import SelfReads
from drivers.c1219.decade5 import Clock, ClockState, PrecisionClock
from drivers.c1219.decade7 import EventLog, HistoryLog
from drivers.c1219.headlines import headline_of, measured
from drivers.c1219.logs import oldest_first
from drivers.c1219.profile_data import ProfileData
from drivers.c1219.readable_profile import NOT_VALID, profile_rows
from drivers.c1219.record import Record
from drivers.c1219.registers import registers_of
from drivers.c1219.row import Row, instant_text
from drivers.c1219.scaling import UNUSED, scale_of
from drivers.c1219.times import MeterTimes
from drivers.c1219.units import Measure
from drivers.c1219.wording import FlagWords, Mark, SourceIndex, Words, ZoneOffset, marks_of, unit_of, zone_name
from drivers.data import Register
from drivers.decimal_text import plain
from drivers.errors import DataError

_REGISTERS = frozenset({23, 24, 25, 26, 28})


def rows_of(decoded: Decoded, context: Context) -> Iterator[Row]:
    """Yield what a table says, row by row. Never raises: what cannot be explained has no note."""
    times = _times(context)
    if isinstance(decoded.table, ProfileData):
        size = len(decoded.octets) // (len(decoded.table.blocks) or 1)
        whole = range(len(decoded.table.blocks))
        pieces = {element: decoded.octets[element * size : (element + 1) * size] for element in whole}
        yield from profile_rows(decoded.number, pieces, context, times)
        return
    registers = _registers(decoded, context, times)
    yield from _Walk(decoded, context, times, registers, _left_over(decoded.table)).record("", decoded.table)


def block_rows(number: int, pieces: Mapping[int, bytes], context: Context) -> Iterator[Row]:
    """Yield the rows of those blocks of ST64–ST67 that are at hand, by element; see `profile_rows`."""
    yield from profile_rows(number, pieces, context, _times(context))


def _times(context: Context) -> MeterTimes | None:
    """Return how the meter's times lead to UTC; None while neither ST52 nor ST55 says it."""
    if context.find(Clock) is None and context.find(ClockState) is None:
        return None
    try:
        return MeterTimes.of(context)
    except DataError:
        return None


def _registers(decoded: Decoded, context: Context, times: MeterTimes | None) -> Mapping[int, Register]:
    """Return the registers of a table by the offset of their octets."""
    if decoded.number not in _REGISTERS:
        return {}
    others = _REGISTERS - {decoded.number}
    alone = Context(context.quirks, {number: one for number, one in context.tables.items() if number not in others})
    try:
        registers, _problems = registers_of(alone, times or MeterTimes.of(context))
    except DataError:
        return {}
    return {register.source.offset: register for register in registers if register.source is not None}


def _left_over(table: object) -> frozenset[str]:
    """Return the paths of the entries of a list that its header does not call valid."""
    if not isinstance(table, SelfReads | HistoryLog | EventLog):
        return frozenset()
    size, newest, descending = len(table.entries), table.last_entry_element, bool(table.order)
    try:
        valid = oldest_first(f"ST{table.number}", size, table.nbr_valid_entries, newest, descending=descending)
    except DataError:
        return frozenset()
    return frozenset(f"entries[{element}]" for element in set(range(size)) - set(valid))


@dataclass(slots=True)
class _Walk:
    """One table on its way to rows."""

    decoded: Decoded
    context: Context
    times: MeterTimes | None
    registers: Mapping[int, Register]
    left_over: frozenset[str]
    measures: dict[int, Measure] = field(default_factory=dict)

    def record(self, path: str, value: Record) -> Iterator[Row]:
        """Yield a headline where a record has one, then its fields."""
        headline = headline_of(path, value, self.context, self.decoded.number)
        if headline and path:
            yield self._row(path, headline, note=NOT_VALID if path in self.left_over else "")
        marks = marks_of(cast("Hashable", type(value)))
        for item in fields(value):  # type: ignore[arg-type]  # every record is a dataclass
            inner = f"{path}.{item.name}" if path else item.name
            yield from self.field(inner, getattr(value, item.name), marks.get(item.name))

    def field(self, path: str, value: Any, mark: Mark | None) -> Iterator[Row]:
        """Yield the rows of one field: one for each element of a list, none for a field that is not in the table."""
        if is_dataclass(value):
            yield from self.record(path, value)  # type: ignore[arg-type]  # fields of records hold records
        elif isinstance(value, tuple) and value and path in self.decoded.spans:  # items that have no octets
            yield Row(path, f"{len(value)} × (empty)")
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                yield from self.field(f"{path}[{index}]", item, mark)
            if not value:
                yield Row(path, "(none)")
        elif value is not None or path in self.decoded.spans:
            yield self._row(path, _text(value), unit_of(mark), self.note(path, value, mark))

    def note(self, path: str, value: Any, mark: Mark | None) -> str:
        """Return what a value means; empty where it says all itself."""
        match mark, value:
            case Words(), int():
                note = mark.word(value)
            case Words(), frozenset():
                note = ", ".join(f"{flag} {mark.word(flag)}" for flag in sorted(value) if mark.word(flag))
            case FlagWords(), int():
                note = mark.words_of(value)
            case SourceIndex(), int():
                note = self._source(value)
            case ZoneOffset(), int():
                note = zone_name(value)
            case _, bytes() if path == "device_class" and self.context.st00.std_version_no <= 1:
                note = value.decode("latin-1").strip(" \0")
            case _, int() if path == "procedure":  # of ST07 and ST08
                note = headline_of("", self.decoded.table, self.context, self.decoded.number)
            case _, datetime():
                note = self._utc(value)
            case _:
                span = self.decoded.spans.get(path)
                register = self.registers.get(span.offset) if span is not None else None
                note = "" if register is None else _meaning(register)
        return note

    def _row(self, path: str, text: str, unit: str = "", note: str = "") -> Row:
        return Row(path, text, unit, note, self.decoded.spans.get(path))

    def _source(self, number: int) -> str:
        """Say what a source measures, where ST12 and ST16 are known."""
        if number == UNUSED:
            return "none"
        if number not in self.measures:
            self.measures[number] = scale_of(self.context, number).measure
        return measured(self.measures[number])

    def _utc(self, wall: datetime) -> str:
        """Return a time of the meter in UTC, where its clock says what its times mean."""
        if self.times is None:
            return ""
        table = self.decoded.table
        daylight = table.dst_flag if isinstance(table, Clock | PrecisionClock) else None
        instant = self.times.to_utc(wall, daylight=daylight)
        if instant is None:
            return self.times.problem if daylight is not None else ""
        return instant_text(instant.utc, instant.note)


def _meaning(register: Register) -> str:
    """Return a register's value in its unit, with what sets it apart."""
    value = "no value" if register.value is None else plain(register.value)
    direction = "" if register.direction == "total" else register.direction
    phase = f"phase {register.phase}" if register.phase else ""
    named = register.quantity if register.quantity != register.unit else ""
    return ", ".join(filter(None, (f"{value} {register.unit}", named, direction, phase)))


def _text(value: Any) -> str:
    """Write one value as it stands in the table."""
    match value:
        case None:
            text = "(none)"
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
        case _:
            text = str(value)
    return text
