"""The meter's clock: ST52, or ST55, as an instant in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from drivers.c1219.context import Context
from drivers.c1219.decade5 import Clock, ClockState
from drivers.c1219.times import MeterTimes


@dataclass(frozen=True, slots=True)
class MeterClock:
    """What the clock said when its table was read. `note` explains an ambiguous one."""

    utc: datetime
    wall: datetime  # as shown, without zone
    resolution_s: Decimal
    ambiguous: bool = False
    note: str = ""


def clock_of(context: Context, times: MeterTimes) -> MeterClock | None:
    """Return the clock of ST52, else of ST55. DST_FLAG tells the pass of the repeated hour.

    None without either table, with no time in it, or when the zone is not known (`times.problem`).
    """
    clock = context.find(Clock) or context.find(ClockState)
    if clock is None or clock.clock_calendar is None:
        return None
    instant = times.to_utc(clock.clock_calendar, daylight=clock.dst_flag)
    if instant is None:
        return None
    note, ambiguous = instant.note, instant.ambiguous
    if times.amount and times.rule(instant.utc) != clock.dst_flag and not note:
        state = "set" if clock.dst_flag else "clear"
        note, ambiguous = f"DST_FLAG is {state}, which the daylight-saving rule does not expect at this time", True
    return MeterClock(instant.utc, clock.clock_calendar, Decimal(1), ambiguous, note)
