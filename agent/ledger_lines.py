"""The lines of the ledger, and how they become one entry for each read that was expected. Pure.

What is expected follows from the roster: which meters are to be read when, from the moment that it says until the next
one. So a read is expected even if the agent was not running when it fell due.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from agent.order import Purpose
from agent.scheduling.cycle import Cycle, Grid
from agent.scheduling.cycle_text import parse_cycle

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]

NOT_ATTEMPTED = "not_attempted"  # the agent was not running, stopped in the middle, or was busy with the read before


class Scheduled(msgspec.Struct, frozen=True, omit_defaults=True):
    """A meter of the roster: due at multiples of `every` seconds since 1970 UTC, plus `offset`, or by a `cycle`."""

    meter: Name
    every: Annotated[int, msgspec.Meta(ge=0)] = 0  # 0: `cycle` says when
    offset: Annotated[int, msgspec.Meta(ge=0)] = 0
    account: str | None = None
    first_cycle_until: date | None = None
    purpose: Purpose = "cycle"
    cycle: str | None = None  # as in the configuration …
    zone: str | None = None  # … by the clocks of this zone

    def when(self) -> Cycle | None:
        """Return the cycle; None for one that this version does not understand."""
        if self.cycle is None:
            return Grid(timedelta(seconds=self.every), timedelta(seconds=self.offset)) if self.every else None
        try:
            return parse_cycle(self.cycle, ZoneInfo(self.zone or "UTC"))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return None


class Roster(msgspec.Struct, frozen=True, tag="roster", tag_field="line"):
    """The meters that this agent reads by itself, from `at` on."""

    at: Moment
    meters: tuple[Scheduled, ...]


class Asked(msgspec.Struct, frozen=True, omit_defaults=True, tag="asked", tag_field="line"):
    """A read out of the cycle was requested; `due` is when."""

    meter: Name
    due: Moment
    purpose: Purpose
    account: str | None = None
    first_cycle_until: date | None = None


class Failed(msgspec.Struct, frozen=True, tag="failed", tag_field="line"):
    """An attempt brought no reading."""

    meter: Name
    due: Moment
    at: Moment
    reason: str


class GivenUp(msgspec.Struct, frozen=True, tag="given_up", tag_field="line"):
    """It is not tried again. `reason`: why the last attempt brought no reading, else `why` there was none."""

    meter: Name
    due: Moment
    at: Moment
    reason: str
    why: str


class Came(msgspec.Struct, frozen=True, omit_defaults=True, tag="came", tag_field="line"):
    """An attempt brought a reading. `lacking`: why it is not an actual read of this meter, if so."""

    meter: Name
    due: Moment
    at: Moment  # the end of the visit
    reading_id: str
    lacking: str | None = None


class Acknowledged(msgspec.Struct, frozen=True, tag="acknowledged", tag_field="line"):
    """The MDSP has the reading."""

    reading_id: str
    due: Moment
    at: Moment


class Reported(msgspec.Struct, frozen=True, tag="reported", tag_field="line"):
    """The performance report of `day` is in the spool."""

    day: date
    at: Moment


Line = Roster | Asked | Failed | GivenUp | Came | Acknowledged | Reported


@dataclass(frozen=True, slots=True)
class Entry:
    """One read that was expected, and what became of it."""

    meter: str
    due: datetime  # of a read out of the cycle: when it was requested
    purpose: Purpose
    account: str | None = None
    first_cycle_until: date | None = None
    attempts: int = 0
    reason: str = NOT_ATTEMPTED  # why there is no actual read; the last one
    reading_id: str | None = None  # of the first actual read
    read_at: datetime | None = None
    acknowledged_at: datetime | None = None


def folded(lines: Iterable[Line], begin: datetime, end: datetime, before: Roster | None = None) -> tuple[Entry, ...]:
    """Return the reads that fell due after `begin` up to and including `end`, oldest first.

    `lines` in the order in which they were written; `before`: the roster that was in force when they begin.
    """
    rosters = [before] if before is not None else []
    entries: dict[tuple[str, datetime], Entry] = {}
    told: list[Failed | GivenUp | Came] = []
    acknowledged: dict[str, datetime] = {}
    for line in lines:
        match line:
            case Roster():
                rosters.append(line)
            case Asked() if begin < line.due <= end:
                entry = Entry(line.meter, line.due, line.purpose, line.account, line.first_cycle_until)
                entries.setdefault((line.meter, line.due), entry)
            case Failed() | GivenUp() | Came() if begin < line.due <= end:
                told.append(line)
            case Acknowledged():
                acknowledged.setdefault(line.reading_id, line.at)
            case _:
                pass
    for entry in _expected(rosters, begin, end):
        entries.setdefault((entry.meter, entry.due), entry)
    for line in told:
        read = line.meter, line.due
        if isinstance(line, GivenUp) and line.why == "cancelled":
            entries.pop(read, None)  # taken back: nobody expects it any more
        elif (known := entries.get(read)) is not None:
            entries[read] = _after(known, line)
    found = (replace(one, acknowledged_at=acknowledged.get(one.reading_id or "")) for one in entries.values())
    return tuple(sorted(found, key=lambda one: (one.due, one.meter)))


def _after(entry: Entry, line: Failed | GivenUp | Came) -> Entry:
    """Return the entry after one more attempt: the first actual read counts, whatever came before or after it."""
    if isinstance(line, GivenUp):
        return entry if entry.attempts else replace(entry, reason=line.reason)
    tried = replace(entry, attempts=entry.attempts + 1)
    if entry.reading_id is not None:
        return tried
    if isinstance(line, Failed):
        return replace(tried, reason=line.reason)
    if line.lacking is not None:
        return replace(tried, reason=line.lacking)
    return replace(tried, reading_id=line.reading_id, read_at=line.at, reason="")


def _expected(rosters: Sequence[Roster], begin: datetime, end: datetime) -> Iterator[Entry]:
    """Yield what the rosters ask for; one that was written later, of an earlier time, does not undo what was asked."""
    starts = [roster.at for roster in rosters]
    for number, roster in enumerate(rosters):
        until = min(starts[number + 1 :], default=end)
        for one in roster.meters:
            if (cycle := one.when()) is None:
                continue
            due = cycle.after(max(begin, roster.at))
            while due is not None and due <= min(end, until):
                yield Entry(one.meter, due, one.purpose, one.account, one.first_cycle_until)
                due = cycle.after(due)


__all__ = [
    "NOT_ATTEMPTED",
    "Acknowledged",
    "Asked",
    "Came",
    "Entry",
    "Failed",
    "GivenUp",
    "Line",
    "Reported",
    "Roster",
    "Scheduled",
    "folded",
]
