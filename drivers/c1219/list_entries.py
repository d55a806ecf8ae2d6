"""The newest entries of the meter's lists, self reads (ST26) and logs (ST74, ST76): which are new, and what proves it.

The header of a list says where its newest entry is. That is believed if the entries there are numbered as the header
counts them, and the first of them that is known already is what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from drivers.c1219.context import Decoded, Span
from drivers.c1219.decade2 import SelfRead, SelfReads
from drivers.c1219.decade7 import EventEntry, EventLog, HistoryEntry, HistoryLog
from drivers.c1219.logs import oldest_first
from drivers.c1219.newest import Doubtful
from drivers.c1219.times import MeterTimes
from drivers.memory import LogMemory

List = SelfReads | EventLog | HistoryLog
Entry = SelfRead | EventEntry | HistoryEntry

HEAD = {26: 6, 74: 11, 76: 11}  # octets before the first entry
_CLOCK_SET = frozenset({3, 4, 5, 6})  # standard events "time changed": what follows may bear an earlier time
_SELF_READS = SelfReads.number
_NUMBERS = 1 << 16  # that entries have; the header counts further


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of one list."""

    since: datetime
    memory: LogMemory | None = None


@dataclass(frozen=True, slots=True)
class Fresh:
    """The newest `count` entries are new. `gap`: what is lost before them (`lost`), or may be."""

    count: int
    gap: str = ""
    lost: bool = False


def newest_first(decoded: Decoded) -> list[int]:
    """Return the elements of the valid entries, newest first. Raises `DataError` for numbers that cannot be."""
    table = _list(decoded)
    valid, newest = table.nbr_valid_entries, table.last_entry_element
    order = oldest_first(decoded.name, len(table.entries), valid, newest, descending=bool(table.order))
    return list(reversed(order))


def age_of_known(decoded: Decoded, wanted: Wanted) -> int | None:
    """Return how many entries came after the one remembered; None without memory. Below 0: the list was cleared."""
    return None if wanted.memory is None else _list(decoded).last_entry_seq_nbr - wanted.memory.sequence


def judge_entries(
    decoded: Decoded, elements: Sequence[int], wanted: Wanted, times: MeterTimes
) -> Fresh | Doubtful | None:
    """Judge a list of which the entries at `elements` were read, newest first; None: older ones are needed."""
    table = _list(decoded)
    entries = [table.entries[element] for element in elements]
    age = age_of_known(decoded, wanted)
    doubt = _doubt_numbers(table, entries) if age is None else _doubt_known(decoded, elements, age, wanted)
    if doubt:
        return Doubtful(doubt)
    for index, entry in enumerate(entries):
        if age is None and not isinstance(entry, SelfRead) and entry.code in _CLOCK_SET and not entry.manufacturer:
            return Doubtful("the meter's clock was set meanwhile")
        wall = _time(entry)
        instant = None if wall is None else times.to_utc(wall)
        known = age is not None and index >= age
        old = known
        if instant is not None:
            latest = instant.utc + times.amount if instant.ambiguous else instant.utc
            old = latest <= wanted.since and (known or age is None)
            if instant.ambiguous and not (old or known):
                return Doubtful("the times of its newest entries are ambiguous")
        if old:
            return Fresh(index)
    if len(entries) < table.nbr_valid_entries:
        return None
    return _all_new(table, age)


def _doubt_numbers(table: List, entries: Sequence[Entry]) -> str:
    """Return what is wrong with the numbers of entries, newest first."""
    for age, entry in enumerate(entries):
        due = (table.last_entry_seq_nbr - age) % _NUMBERS
        if entry.sequence not in {None, due}:
            return f"where entry {due} should be there is one with the number {entry.sequence}"
    return ""


def _doubt_known(decoded: Decoded, elements: Sequence[int], age: int, wanted: Wanted) -> str:
    """Return what is wrong with the entry that was the newest at the visit before, if it is among these."""
    if age < 0:
        return "it counts fewer entries than at the visit before"
    if wanted.memory is None or age >= len(elements):
        return ""
    if _octets(decoded, decoded.spans[f"entries[{elements[age]}]"]) != wanted.memory.octets:
        return "the entry that was the newest at the visit before is not where it should be"
    return ""


def _all_new(table: List, age: int | None) -> Fresh:
    """Say what is lost, or may be, where no entry is known from before."""
    count = table.nbr_valid_entries
    if age is not None and age > count:
        newest = table.last_entry_seq_nbr
        gone = f"entries {newest - age + 1} to {newest - count} are gone"
        return Fresh(count, f"{gone}: the meter has overwritten or cleared them since the last read", lost=True)
    if age is None and count == len(table.entries):
        return Fresh(count, "all its entries are new: older ones may have been overwritten since the last read")
    return Fresh(count)


def only_newest(decoded: Decoded, count: int) -> Decoded:
    """Return a list as if only its newest `count` entries were valid: the others were not read, or are not new."""
    return replace(decoded, table=replace(_list(decoded), nbr_valid_entries=count))


def remembered_entry(decoded: Decoded) -> LogMemory | None:
    """Return the newest entry of a log for the next visit; None where there is none."""
    table = _list(decoded)
    span = decoded.spans.get(f"entries[{table.last_entry_element}]")
    if span is None or not table.nbr_valid_entries:
        return None
    return LogMemory(decoded.name, table.last_entry_seq_nbr, _octets(decoded, span))


def entry_places(decoded: Decoded, elements: Sequence[int], *, heads: bool) -> list[tuple[int, int]]:
    """Return where entries lie in the table, as (from, to); with `heads` of self reads only number and end time."""
    found = []
    for element in elements:
        whole = decoded.spans[f"entries[{element}]"]
        last = decoded.spans[f"entries[{element}].info"] if heads and decoded.number == _SELF_READS else whole
        found.append((whole.offset, last.offset + last.length))
    return found


def _list(decoded: Decoded) -> List:
    assert isinstance(decoded.table, SelfReads | EventLog | HistoryLog)  # noqa: S101 - only lists come here
    return decoded.table


def _time(entry: Entry) -> datetime | None:
    return entry.info.end_date_time if isinstance(entry, SelfRead) else entry.time


def _octets(decoded: Decoded, span: Span) -> bytes:
    return decoded.octets[span.offset : span.offset + span.length]
