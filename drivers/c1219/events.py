"""ST74 and ST76 as events, oldest first."""

from __future__ import annotations

from datetime import datetime

from drivers.c1219.context import Context
from drivers.c1219.decade7 import EventEntry, EventLog, HistoryEntry, HistoryLog
from drivers.c1219.event_names import event_name
from drivers.c1219.logs import oldest_first
from drivers.c1219.times import MeterTimes
from drivers.data import Event, Problem
from drivers.errors import DataError


def events_of(context: Context, times: MeterTimes) -> tuple[list[Event], list[Problem]]:
    """Return the valid entries of the event log, then those of the history log, each oldest first.

    An entry of the repeated hour gets the pass that keeps the log in order, else the first, with a remark. An event of
    the vendor's keeps its number and its argument. Never raises.
    """
    events: list[Event] = []
    problems: list[Problem] = []
    for log in (context.find(EventLog), context.find(HistoryLog)):
        if log is not None:
            _read(log, times, dict(context.quirks.event_names), events, problems)
    return events, problems


def _read(
    log: EventLog | HistoryLog, times: MeterTimes, own: dict[int, str], events: list[Event], problems: list[Problem]
) -> None:
    name = f"ST{log.number}"
    try:
        elements = oldest_first(
            name, len(log.entries), log.nbr_valid_entries, log.last_entry_element, descending=bool(log.order)
        )
    except DataError as error:
        problems.append(Problem(name, str(error)))
        return
    if log.overflow:
        problems.append(Problem(name, "the log has overflowed: entries were lost in the meter", lost=False))
    if times.problem and elements:
        problems.append(Problem(f"{name} times", times.problem, lost=False))
    before: datetime | None = None
    for element in elements:
        entry: EventEntry | HistoryEntry = log.entries[element]
        at = None
        instant = times.to_utc(entry.time, not_before=before) if entry.time is not None else None
        if instant is not None:
            at = before = instant.utc
            if instant.ambiguous:
                problems.append(Problem(f"{name} entry {element}", instant.note, lost=False))
        events.append(
            Event(
                at=at,
                code=entry.code,
                name=event_name(entry.code, manufacturer=entry.manufacturer, own=own),
                argument=entry.argument.hex().upper(),
                manufacturer=entry.manufacturer,
                sequence=entry.sequence,
                user_id=entry.user_id,
                log="event" if isinstance(log, EventLog) else "history",
            )
        )
