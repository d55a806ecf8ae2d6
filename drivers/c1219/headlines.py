"""What a whole record of a table means, in one line above its fields: a quantity, an event, a switch of tier."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from drivers.c1219.context import Context
from drivers.c1219.decade0 import PendingEntry, ProcedureInitiate, ProcedureResponse
from drivers.c1219.decade1 import Constant, DemandInterval, SourceFlags, Sources, UnitOfMeasure
from drivers.c1219.decade2 import SelfRead
from drivers.c1219.decade5 import RecurringDate, TierSwitch
from drivers.c1219.decade6 import ProfileSet, ProfileSetControl, ProfileSetStatus
from drivers.c1219.decade7 import EventEntry, HistoryEntry
from drivers.c1219.enumerations import CALENDAR_CONTROLS, WEEKDAYS
from drivers.c1219.event_names import event_name
from drivers.c1219.record import Record
from drivers.c1219.scaling import entry_index, scale_of
from drivers.c1219.units import Measure, measure_of

_INDEX = re.compile(r"\[(\d+)\]$")
#: Table of decade 1 → the flag of ST16 that gives a source its entry there, and the table's list.
_ENTRIES = {
    12: ("uom_entry", "entries"),
    13: ("demand_ctrl", "intervals"),
    14: ("data_ctrl", "source_ids"),
    15: ("constants", "entries"),
}


def headline_of(path: str, record: Record, context: Context, table: int) -> str:
    """Return what a record means; empty for one whose fields say it all."""
    make = _HEADLINES.get(type(record))
    return "" if make is None else make(record, _place(path), context, table)


def measured(measure: Measure) -> str:
    """Return a quantity with its direction and phase, as `kWh delivered`; empty where it is not known."""
    if measure.unit == "unknown":
        return ""
    direction = measure.direction if measure.amps and measure.volts else ""
    phase = f"phase {measure.phase}" if measure.phase else ""
    return " ".join(filter(None, (measure.quantity, direction, phase)))


def _place(path: str) -> int:
    found = _INDEX.search(path)
    return int(found[1]) if found else 0


def _unit_of_measure(record: UnitOfMeasure, index: int, context: Context, table: int) -> str:
    return measured(measure_of(record, context)) + _for_sources(index, context, table)


def _decade_1_entry(_record: Record, index: int, context: Context, table: int) -> str:
    return _for_sources(index, context, table).removeprefix(", ")


def _demand_interval(record: DemandInterval, index: int, context: Context, table: int) -> str:
    return f"{record.minutes} min" + _for_sources(index, context, table)


def _for_sources(index: int, context: Context, table: int) -> str:
    """Say which sources an entry of ST12–ST15 belongs to, where ST16 is known."""
    if Sources.number not in context or table not in context or table not in _ENTRIES:
        return ""
    flag, name = _ENTRIES[table]
    entries = len(getattr(context.decoded(table).table, name))
    sources = range(len(context.need(Sources).sources))
    found = [str(one) for one in sources if entry_index(context, one, flag, entries) == index]
    return f", source{'s' if len(found) > 1 else ''} {', '.join(found)}" if found else ", no source"


def _source(record: SourceFlags, index: int, context: Context, _table: int) -> str:
    said = [measured(scale_of(context, index).measure)]
    for table, (flag, name) in _ENTRIES.items():
        if getattr(record, flag) and table in context:
            entry = entry_index(context, index, flag, len(getattr(context.decoded(table).table, name)))
            said.append(f"entry {entry} of ST{table}" if entry is not None else f"no entry in ST{table}")
    return ", ".join(filter(None, said))


def _event(record: EventEntry | HistoryEntry, _index: int, context: Context, _table: int) -> str:
    return event_name(record.code, manufacturer=record.manufacturer, own=dict(context.quirks.event_names))


def _self_read(record: SelfRead, _index: int, _context: Context, _table: int) -> str:
    return "self read" if record.sequence is None else f"self read {record.sequence}"


def _procedure(record: ProcedureInitiate | ProcedureResponse, _index: int, _context: Context, _table: int) -> str:
    from drivers.c1219.procedure_catalogue import PROCEDURES  # noqa: PLC0415 - 5 ms, for two tables that few ask for

    found = None if record.manufacturer else PROCEDURES.get(record.procedure)
    return found.title if found is not None else ""


def _pending(record: PendingEntry, _index: int, _context: Context, _table: int) -> str:
    name = f"MT{record.table}" if record.manufacturer else f"ST{record.table:02}"
    return f"{name}, {'pending' if record.pending else 'not pending'}"


def _recurring(record: RecurringDate, _index: int, _context: Context, _table: int) -> str:
    when = f"month {record.month}, day {record.day}" if 1 <= record.month <= 12 else f"period {record.month}"
    weekday = WEEKDAYS.word(record.weekday)
    return f"{when}, offset {record.offset}, {weekday}: {CALENDAR_CONTROLS.word(record.action.calendar_ctrl)}"


def _tier_switch(record: TierSwitch, _index: int, _context: Context, _table: int) -> str:
    return f"tier {record.new_tier} at {record.hour:02}:{record.minute:02} in day schedule {record.day_sch_num}"


def _set(_record: Record, index: int, _context: Context, _table: int) -> str:
    return f"set {index + 1}: ST{64 + index}"


_HEADLINES: Mapping[type[Record], Callable[[Any, int, Context, int], str]] = {
    UnitOfMeasure: _unit_of_measure,
    DemandInterval: _demand_interval,
    Constant: _decade_1_entry,
    SourceFlags: _source,
    SelfRead: _self_read,
    EventEntry: _event,
    HistoryEntry: _event,
    ProcedureInitiate: _procedure,
    ProcedureResponse: _procedure,
    PendingEntry: _pending,
    RecurringDate: _recurring,
    TierSwitch: _tier_switch,
    ProfileSet: _set,
    ProfileSetControl: _set,
    ProfileSetStatus: _set,
}
