"""Parameters and responses of the standard procedures that the agent may run, carried in ST07 and ST08.

octets = encode_record(SetDateTime(clock=…, tm_zn_applied=True), context)
before_and_after = decode_record(DateTimeSet, response.response, context)
"""

from datetime import datetime
from typing import Annotated

from drivers.c1219.record import BitField, Record, record
from drivers.c1219.wire import LTIME, U8, U16

_MASK, _QUALIFIER, _ACTION = BitField(1), BitField(1), BitField(1)

UPDATE_LAST_READ = 5
REMOTE_RESET = 9
SET_DATE_TIME = 10


@record
class UpdateLastRead(Record):
    """Parameters of SP05: LIST U8 (1 events, 2 self reads, 3–6 profile set 1–4, 7 history) | ENTRIES_READ U16."""

    list_number: Annotated[int, U8]
    entries_read: Annotated[int, U16]


@record
class RemoteReset(Record):
    """Parameter of SP09, and its response (1: done): 0 demand reset | 1 self read | 2 season change | 3..6 season."""

    demand_reset: Annotated[bool, _ACTION.bit(0)] = False
    self_read: Annotated[bool, _ACTION.bit(1)] = False
    season_change: Annotated[bool, _ACTION.bit(2)] = False
    new_season: Annotated[int, _ACTION.bits(3, 6)] = 0


@record
class SetDateTime(Record):
    """Parameters of SP10: SET_MASK U8 | DATE_TIME LTIME, in the sense of ST52 | TIME_DATE_QUAL U8 as in ST52."""

    set_time: Annotated[bool, _MASK.bit(0)] = True
    set_date: Annotated[bool, _MASK.bit(1)] = True
    set_time_date_qual: Annotated[bool, _MASK.bit(2)] = True
    clock: Annotated[datetime | None, LTIME]
    day_of_week: Annotated[int, _QUALIFIER.bits(0, 2)] = 7
    dst_flag: Annotated[bool, _QUALIFIER.bit(3)] = False
    gmt_flag: Annotated[bool, _QUALIFIER.bit(4)] = False
    tm_zn_applied: Annotated[bool, _QUALIFIER.bit(5)] = False
    dst_applied: Annotated[bool, _QUALIFIER.bit(6)] = False
    dst_supported: Annotated[bool, _QUALIFIER.bit(7)] = False


@record
class DateTimeSet(Record):
    """Response of SP10: the clock before and after, LTIME each."""

    before: Annotated[datetime | None, LTIME]
    after: Annotated[datetime | None, LTIME]
