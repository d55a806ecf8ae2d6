"""Standard procedures that a simulated meter executes when ST07 is written, and what ST08 then says. Strict.

Parameters of the wrong length, with reserved bits set or out of range are refused (result 2), what the meter is not
built for is in conflict with its setup (3), a clock that would take back an interval violates a constraint (4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from drivers.c1219.codec import decode_record, encode_record
from drivers.c1219.context import Context
from drivers.c1219.decade0 import ProcedureInitiate, ProcedureResponse
from drivers.c1219.procedures import (
    ChangeMode,
    DateTimeSet,
    Nothing,
    RemoteReset,
    ResetListPointers,
    SetDateTime,
    UpdateLastRead,
)
from drivers.c1219.record import Record
from drivers.errors import DataError
from metersim.meter.calendar import DAY, DST_SECONDS, seconds
from metersim.meter.clock import MICROSECONDS
from metersim.meter.interventions import Mode, change_mode, clear_list, read_itself, update_last_read
from metersim.meter.lists import EVERY, held, lists_of
from metersim.meter.model import Meter
from metersim.meter.procedure_faults import ProcedureFaults
from metersim.meter.tables.clock import ClockTables
from metersim.meter.tables.stamp import Stamp

DONE, NOT_COMPLETE, INVALID_PARAMETER, CONFLICT, TIMING, NO_AUTHORITY, UNKNOWN = range(7)
_MOST_S = 31 * DAY  # that a clock is set by at once; more is a mistake of whoever asks
_POST, _EXCEPTIONS, _NEVER, _TWICE = range(4)  # SELECTOR of ST07

R = TypeVar("R", bound=Record)


class Refused(Exception):
    """A result code other than done."""

    def __init__(self, result: int) -> None:
        super().__init__(result)
        self.result = result


@dataclass(frozen=True, slots=True)
class Moment:
    """When a procedure is run, in true time, and by whom."""

    true_us: int
    user_id: int


@dataclass
class Procedures:
    """What ST07 can start on this meter; `restart` is set when the session ends with the answer."""

    meter: Meter
    context: Context
    faults: ProcedureFaults = field(default_factory=ProcedureFaults)
    restart: bool = False
    _posted: ProcedureResponse | None = None
    _unfinished: int = 0

    def write(self, request: ProcedureInitiate, moment: Moment) -> None:
        """Run what was written to ST07."""
        response = self.execute(request, moment)
        selector = request.selector
        if selector in {_POST, _TWICE} or selector > _TWICE or (selector == _EXCEPTIONS and response.result != DONE):
            self._posted = response
            self._unfinished = self.faults.slow

    def read(self) -> ProcedureResponse | None:
        """Return what ST08 says to this look at it."""
        response = self._posted
        if response is None or not self._unfinished:
            return response
        self._unfinished -= 1
        return _answer(response, NOT_COMPLETE, b"")

    def execute(self, request: ProcedureInitiate, moment: Moment) -> ProcedureResponse:
        """Run it and return what it answers."""
        known: dict[int, Callable[[bytes, Moment], bytes]] = {
            1: self._warm_start,
            4: self._reset_list_pointers,
            5: self._update_last_read,
            6: self._change_mode,
            7: self._clear_standard_flags,
            8: self._clear_manufacturer_flags,
            9: self._remote_reset,
            10: self._set_clock,
        }
        action = None if request.manufacturer else known.get(request.procedure)
        if action is None or request.procedure not in self.context.st00.std_proc_used:
            result, data = UNKNOWN, b""
        elif request.selector > _TWICE:
            result, data = INVALID_PARAMETER, b""
        elif request.procedure in self.faults.refused:
            result, data = self.faults.refused[request.procedure], b""
        else:
            result, data = _outcome(action, request.parameters, moment)
        return _answer(request, result, data)

    def _parameters(self, kind: type[R], octets: bytes) -> R:
        """Decode parameters; reserved bits must be zero."""
        try:
            parameters = decode_record(kind, octets, self.context)
        except DataError:
            raise Refused(INVALID_PARAMETER) from None
        if getattr(parameters, "fill", 0) or getattr(parameters, "mask_fill", 0):
            raise Refused(INVALID_PARAMETER)
        return parameters

    def _warm_start(self, octets: bytes, _moment: Moment) -> bytes:
        self._parameters(Nothing, octets)
        self.restart = True
        return b""

    def _reset_list_pointers(self, octets: bytes, moment: Moment) -> bytes:
        which = self._parameters(ResetListPointers, octets).list_number
        numbers = lists_of(self.meter, moment.true_us) if which == EVERY else [which]
        found = [(number, held(self.meter, number, moment.true_us)) for number in numbers]
        for _, one in found:
            if one is None:
                raise Refused(INVALID_PARAMETER)
        for number, one in found:
            if one is not None:
                clear_list(self.meter, number, one, moment.true_us, moment.user_id)
        return b""

    def _update_last_read(self, octets: bytes, moment: Moment) -> bytes:
        wanted = self._parameters(UpdateLastRead, octets)
        entries = wanted.entries_read
        if not update_last_read(self.meter, wanted.list_number, entries, moment.true_us, moment.user_id):
            raise Refused(INVALID_PARAMETER)
        return b""

    def _change_mode(self, octets: bytes, moment: Moment) -> bytes:
        """Take one mode at a time, or a test beside metering; the factory mode is not for the field."""
        wanted = self._parameters(ChangeMode, octets)
        if wanted.factory:
            raise Refused(NO_AUTHORITY)
        if (wanted.test and wanted.meter_shop) or not (wanted.metering or wanted.test or wanted.meter_shop):
            raise Refused(INVALID_PARAMETER)
        mode: Mode = "test" if wanted.test else "meter_shop" if wanted.meter_shop else "metering"
        change_mode(self.meter, mode, moment.true_us, moment.user_id)
        return b""

    def _clear_standard_flags(self, octets: bytes, _moment: Moment) -> bytes:
        self._parameters(Nothing, octets)
        self.meter.done.standard_flags_cleared = True
        return b""

    def _clear_manufacturer_flags(self, octets: bytes, _moment: Moment) -> bytes:
        self._parameters(Nothing, octets)
        self.meter.done.manufacturer_flags_cleared = True
        return b""

    def _remote_reset(self, octets: bytes, moment: Moment) -> bytes:
        """Reset demand, keep a self read, or both; seasons follow the calendar. The response tells what was done."""
        wanted = self._parameters(RemoteReset, octets)
        if wanted.season_change or wanted.new_season:
            raise Refused(CONFLICT)
        if wanted.self_read and not self.meter.scenario.registers.self_reads:
            raise Refused(CONFLICT)
        if wanted.self_read:
            read_itself(self.meter, moment.true_us, moment.user_id)
        if wanted.demand_reset:
            self.meter.reset_demand(moment.true_us, moment.user_id)
        return octets

    def _set_clock(self, octets: bytes, moment: Moment) -> bytes:
        """Both date and time; a qualifier that is to be set must be the one that this meter lives by."""
        wanted = self._parameters(SetDateTime, octets)
        if wanted.clock is None or not (wanted.set_time and wanted.set_date):
            raise Refused(INVALID_PARAMETER)
        stamp = Stamp(self.meter.calendar, self.context.st00.tm_format)
        now = self.meter.now(moment.true_us)
        if wanted.set_time_date_qual:
            self._check_qualifier(wanted, stamp, moment)
        at = self._meter_time(wanted.clock, stamp, summer=wanted.dst_flag)
        if abs(at - now) > _MOST_S:
            raise Refused(INVALID_PARAMETER)
        before = stamp(now)
        set_ = self.faults.clock_stuck or self.meter.set_clock(moment.true_us, at * MICROSECONDS, moment.user_id)
        if not set_:
            raise Refused(TIMING)
        after = stamp(at if self.faults.clock_stuck else self.meter.now(moment.true_us))
        return encode_record(DateTimeSet(before=before, after=after), self.context)

    def _check_qualifier(self, wanted: SetDateTime, stamp: Stamp, moment: Moment) -> None:
        shown = ClockTables(self.meter, stamp).clock(moment.true_us)
        sense = ("gmt_flag", "tm_zn_applied", "dst_applied")
        if any(getattr(wanted, name) != getattr(shown, name) for name in sense):
            raise Refused(CONFLICT)
        if wanted.clock is not None and wanted.day_of_week not in {7, wanted.clock.isoweekday() % 7}:
            raise Refused(INVALID_PARAMETER)

    def _meter_time(self, shown: datetime, stamp: Stamp, *, summer: bool) -> int:
        """UTC seconds of a time in the sense of ST52; the repeated hour is told apart by DST_FLAG."""
        calendar = self.meter.calendar
        at = seconds(shown.year, shown.month, shown.day) + int((shown - _midnight(shown)) / timedelta(seconds=1))
        for candidate in (at, at - calendar.zone_s, at - calendar.zone_s - DST_SECONDS):
            if stamp(candidate) == shown and calendar.dst_at(candidate) == summer:
                return candidate
        return calendar.from_local(at) if calendar.clock.shows == "local" else at - calendar.zone_s


def _outcome(action: Callable[[bytes, Moment], bytes], parameters: bytes, moment: Moment) -> tuple[int, bytes]:
    try:
        return DONE, action(parameters, moment)
    except Refused as refused:
        return refused.result, b""


def _answer(request: ProcedureInitiate | ProcedureResponse, result: int, data: bytes) -> ProcedureResponse:
    return ProcedureResponse(
        procedure=request.procedure,
        manufacturer=request.manufacturer,
        selector=request.selector,
        sequence=request.sequence,
        result=result,
        response=data,
    )


def _midnight(shown: datetime) -> datetime:
    return shown.replace(hour=0, minute=0, second=0, microsecond=0)
