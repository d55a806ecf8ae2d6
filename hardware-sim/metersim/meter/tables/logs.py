"""Decade 7 of a simulated meter: the event log and the history log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.c1219 import decade7
from drivers.c1219.record import Table
from metersim.meter.events import LoggedEvent, supported
from metersim.meter.lists import EVENTS, HISTORY
from metersim.meter.model import Meter
from metersim.meter.scenario import Log
from metersim.meter.tables.place import Arranged, arrange
from metersim.meter.tables.stamp import Stamp

_SETS = 6  # octets at least of the sets of standard events


@dataclass(frozen=True, slots=True)
class LogTables:
    """Builds ST71 to ST76 from the model."""

    meter: Meter
    stamp: Stamp
    log: Log

    def fixed(self) -> list[Table]:
        """ST71, ST72, ST73 and ST75."""
        new = self.meter.scenario.layout.edition == 2008
        limits = decade7.LogLimits(
            event_number=self.log.event_numbers,
            hist_date_time=True,
            hist_seq_nbr=True,
            nbr_std_events=max(_SETS, max(supported(self.meter.scenario)) // 8 + 1),
            nbr_mfg_events=0,
            hist_data_length=self.log.argument_octets,
            event_data_length=self.log.argument_octets,
            nbr_history_entries=self.log.history_entries,
            nbr_event_entries=self.log.entries,
            ext_log_flags=0 if new else None,
            nbr_program_tables=0 if new else None,
        )
        codes = frozenset(supported(self.meter.scenario))
        people = frozenset(code for code in codes if LoggedEvent(0, code).historic)
        tables: list[Table] = [limits, decade7.EventIdentification(std_events_supported=codes)]
        if self.log.history_entries:
            tables.append(decade7.HistoryLogControl(std_events_monitored=people))
        tables.append(decade7.EventLogControl(std_events_monitored=codes))
        return tables

    def events(self, true_us: int) -> decade7.EventLog:
        """ST76."""
        events = self.meter.events(true_us)
        placed = self._arranged(events, EVENTS, self.log.entries)
        return decade7.EventLog(
            order=int(self.log.order == "descending"),
            list_type=int(self.log.list_type == "circular"),
            nbr_valid_entries=placed.valid,
            last_entry_element=placed.last,
            last_entry_seq_nbr=len(events),
            nbr_unread_entries=self._unread(EVENTS, events, placed),
            entries=tuple(self._event(entry) for entry in placed.elements),
        )

    def history(self, true_us: int) -> decade7.HistoryLog:
        """ST74."""
        events = self.meter.history(true_us)
        placed = self._arranged(events, HISTORY, self.log.history_entries)
        return decade7.HistoryLog(
            order=int(self.log.order == "descending"),
            list_type=int(self.log.list_type == "circular"),
            nbr_valid_entries=placed.valid,
            last_entry_element=placed.last,
            last_entry_seq_nbr=len(events),
            nbr_unread_entries=self._unread(HISTORY, events, placed),
            entries=tuple(self._entry(entry) for entry in placed.elements),
        )

    def _arranged(self, events: Sequence[LoggedEvent], which: int, capacity: int) -> Arranged[LoggedEvent]:
        cleared = self.meter.done.cleared.get(which, 0)
        return arrange(
            [(event.sequence, event) for event in events if event.sequence > cleared],
            capacity,
            descending=self.log.order == "descending",
            circular=self.log.list_type == "circular",
        )

    def _unread(self, which: int, events: Sequence[LoggedEvent], placed: Arranged[LoggedEvent]) -> int:
        return min(placed.valid, len(events) - self.meter.last_read.get(which, 0))

    def _argument(self, entry: LoggedEvent | None) -> bytes:
        return (entry.argument if entry else 0).to_bytes(8, "little")[: self.log.argument_octets]

    def _event(self, entry: LoggedEvent | None) -> decade7.EventEntry:
        sequence = entry.sequence % 65_536 if entry else 0
        return decade7.EventEntry(
            time=self.stamp(entry.at) if entry else None,
            event_number=sequence if self.log.event_numbers else None,
            sequence=sequence,
            user_id=entry.user_id if entry else 0,
            code=entry.code if entry else 0,
            argument=self._argument(entry),
        )

    def _entry(self, entry: LoggedEvent | None) -> decade7.HistoryEntry:
        sequence = entry.sequence % 65_536 if entry else 0
        return decade7.HistoryEntry(
            time=self.stamp(entry.at) if entry else None,
            event_number=sequence if self.log.event_numbers else None,
            sequence=sequence,
            user_id=entry.user_id if entry else 0,
            code=entry.code if entry else 0,
            argument=self._argument(entry),
        )
