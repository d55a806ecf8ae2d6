"""Standard procedures that a simulated meter executes: SP05, SP09 and SP10, as written to ST07."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from drivers.c1219 import walltime
from drivers.c1219.context import Context
from drivers.c1219.decade0 import ProcedureInitiate, ProcedureResponse
from metersim.meter.calendar import DAY, DST_SECONDS, seconds
from metersim.meter.clock import MICROSECONDS
from metersim.meter.model import Meter
from metersim.meter.tables.logs import EVENT_LIST, HISTORY_LIST
from metersim.meter.tables.profile import FIRST_LIST
from metersim.meter.tables.stamp import Stamp

DONE, INVALID_PARAMETER, CONFLICT, TIMING, NO_AUTHORITY, UNKNOWN = 0, 2, 3, 4, 5, 6
_DEMAND_RESET = 0x01
_SET_TIME_AND_DATE = 0x03
_DST_FLAG = 0x08
_MOST_S = 31 * DAY  # that a clock is set by at once; more is a mistake of whoever asks

Outcome = tuple[int, bytes]  # result code, response data


@dataclass(frozen=True, slots=True)
class Procedures:
    """What ST07 can start on this meter."""

    meter: Meter
    context: Context

    def execute(self, request: ProcedureInitiate, true_us: int, user_id: int) -> ProcedureResponse:
        """Run it and return what ST08 then holds."""
        known: dict[int, Callable[[bytes, int, int], Outcome]] = {
            5: self._update_last_read,
            9: self._remote_reset,
            10: self._set_clock,
        }
        action = None if request.manufacturer else known.get(request.procedure)
        result, data = action(request.parameters, true_us, user_id) if action else (UNKNOWN, b"")
        return ProcedureResponse(
            procedure=request.procedure,
            manufacturer=request.manufacturer,
            selector=request.selector,
            sequence=request.sequence,
            result=result,
            response=data,
        )

    def _update_last_read(self, parameters: bytes, true_us: int, _user_id: int) -> Outcome:
        """LIST U8, ENTRIES_READ U16."""
        if len(parameters) != 3:
            return INVALID_PARAMETER, b""
        which, entries = parameters[0], int.from_bytes(parameters[1:], self.context.order)
        held = self._held(which, true_us)
        if held is None:
            return INVALID_PARAMETER, b""
        total, capacity = held
        read = max(self.meter.last_read.get(which, 0), total - capacity) + entries
        if read > total:
            return INVALID_PARAMETER, b""
        self.meter.last_read[which] = read
        return DONE, b""

    def _held(self, which: int, true_us: int) -> tuple[int, int] | None:
        """Entries that a list ever had, and how many it holds at most."""
        log = self.meter.scenario.log
        if log and which == EVENT_LIST:
            return len(self.meter.events(true_us)), log.entries
        if log and which == HISTORY_LIST and log.history_entries:
            return len(self.meter.history(true_us)), log.history_entries
        memory = self.meter.memories.get(which - FIRST_LIST + 1)
        return (memory.newest(self.meter.now(true_us)) + 1, memory.layout.blocks) if memory else None

    def _remote_reset(self, parameters: bytes, true_us: int, user_id: int) -> Outcome:
        """ACTION U8; the response tells what was done."""
        if len(parameters) != 1:
            return INVALID_PARAMETER, b""
        done = parameters[0] & _DEMAND_RESET
        if done:
            self.meter.reset_demand(true_us, user_id)
        return DONE, bytes([done])

    def _set_clock(self, parameters: bytes, true_us: int, user_id: int) -> Outcome:
        """SET_MASK U8, DATE_TIME LTIME, TIME_DATE_QUAL U8; the response is the time before and after."""
        spec, tm_format = self.meter.scenario.clock, self.context.st00.tm_format
        width = walltime.LTIME_WIDTHS[tm_format]
        if spec is None or len(parameters) != width + 2 or parameters[0] & _SET_TIME_AND_DATE != _SET_TIME_AND_DATE:
            return INVALID_PARAMETER, b""
        try:
            shown = walltime.decode(parameters[1 : 1 + width], tm_format, self.context.order)
        except walltime.ImpossibleTime:
            shown = None
        if shown is None:
            return INVALID_PARAMETER, b""
        stamp = Stamp(self.meter.calendar, tm_format)
        before = stamp(self.meter.now(true_us))
        wanted = self._meter_time(shown, stamp, summer=bool(parameters[-1] & _DST_FLAG))
        if abs(wanted - self.meter.now(true_us)) > _MOST_S:
            return INVALID_PARAMETER, b""
        if not self.meter.set_clock(true_us, wanted * MICROSECONDS, user_id):
            return TIMING, b""
        after = stamp(self.meter.now(true_us))
        return DONE, b"".join(walltime.encode(t, tm_format, self.context.order, width) for t in (before, after))

    def _meter_time(self, shown: datetime, stamp: Stamp, *, summer: bool) -> int:
        """UTC seconds of a time in the sense of ST52; the repeated hour is told apart by DST_FLAG."""
        calendar = self.meter.calendar
        at = seconds(shown.year, shown.month, shown.day) + int((shown - _midnight(shown)) / timedelta(seconds=1))
        for candidate in (at, at - calendar.zone_s, at - calendar.zone_s - DST_SECONDS):
            if stamp(candidate) == shown and calendar.dst_at(candidate) == summer:
                return candidate
        return calendar.from_local(at) if calendar.clock.shows == "local" else at - calendar.zone_s


def _midnight(shown: datetime) -> datetime:
    return shown.replace(hour=0, minute=0, second=0, microsecond=0)
