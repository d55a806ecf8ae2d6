"""Parameters and responses of the standard procedures (C12.19 §8), carried in ST07 and ST08.

octets = encode_record(SetDateTime(clock=…, tm_zn_applied=True), context)
before_and_after = decode_record(DateTimeSet, response.response, context)

What they do, how dangerous they are and by which name a person calls them is in `procedure_catalogue`.
"""

from datetime import datetime
from typing import Annotated

from drivers.c1219.record import BitField, Record, record
from drivers.c1219.wire import LTIME, U8, U16, Binary

_MASK, _QUALIFIER, _ACTION, _MODE, _PRECISE = BitField(1), BitField(1), BitField(1), BitField(1), BitField(1)

COLD_START = 0
WARM_START = 1
SAVE_CONFIGURATION = 2
CLEAR_DATA = 3
RESET_LIST_POINTERS = 4
UPDATE_LAST_READ = 5
CHANGE_MODE = 6
CLEAR_STATUS_FLAGS = 7
CLEAR_MANUFACTURER_FLAGS = 8
REMOTE_RESET = 9
SET_DATE_TIME = 10
EXECUTE_DIAGNOSTICS = 11
ACTIVATE_PENDING = 12
ACTIVATE_SPECIFIC_PENDING = 13
CLEAR_PENDING = 14
CLEAR_SPECIFIC_PENDING = 15
START_LOAD_PROFILE = 16
STOP_LOAD_PROFILE = 17
LOG_IN = 18
LOG_OUT = 19
IMMEDIATE_CALL = 20
LOAD_CONTROL = 21
MODIFY_CREDIT = 22
CLEAR_CALL_STATUS = 27
START_QUALITY_MONITORS = 28
STOP_QUALITY_MONITORS = 29
START_SECURED_REGISTERS = 30
STOP_SECURED_REGISTERS = 31
SET_PRECISE_DATE_TIME = 32

#: LIST of SP04 and SP05, by name (not confirmed by every source); 255 stands for all, in SP04 only.
LISTS = {
    "events": 1,
    "self_reads": 2,
    "profile_1": 3,
    "profile_2": 4,
    "profile_3": 5,
    "profile_4": 6,
    "history": 7,
}
ALL_LISTS = 255


@record
class Nothing(Record):
    """No parameters, or no response."""


@record
class ResetListPointers(Record):
    """Parameter of SP04: LIST U8 (1 events, 2 self reads, 3–6 profile set 1–4, 7 history, 255 all)."""

    list_number: Annotated[int, U8]


@record
class UpdateLastRead(Record):
    """Parameters of SP05: LIST U8 (1 events, 2 self reads, 3–6 profile set 1–4, 7 history) | ENTRIES_READ U16."""

    list_number: Annotated[int, U8]
    entries_read: Annotated[int, U16]


@record
class ChangeMode(Record):
    """Parameter of SP06, laid out as ED_MODE of ST03: 0 metering | 1 test | 2 meter shop | 3 factory."""

    metering: Annotated[bool, _MODE.bit(0)] = False
    test: Annotated[bool, _MODE.bit(1)] = False
    meter_shop: Annotated[bool, _MODE.bit(2)] = False
    factory: Annotated[bool, _MODE.bit(3)] = False
    fill: Annotated[int, _MODE.bits(4, 7)] = 0


@record
class RemoteReset(Record):
    """Parameter of SP09, and its response (1: done): 0 demand reset | 1 self read | 2 season change | 3..6 season."""

    demand_reset: Annotated[bool, _ACTION.bit(0)] = False
    self_read: Annotated[bool, _ACTION.bit(1)] = False
    season_change: Annotated[bool, _ACTION.bit(2)] = False
    new_season: Annotated[int, _ACTION.bits(3, 6)] = 0
    fill: Annotated[int, _ACTION.bit(7)] = 0


@record
class SetDateTime(Record):
    """Parameters of SP10: SET_MASK U8 | DATE_TIME LTIME, in the sense of ST52 | TIME_DATE_QUAL U8 as in ST52."""

    set_time: Annotated[bool, _MASK.bit(0)] = True
    set_date: Annotated[bool, _MASK.bit(1)] = True
    set_time_date_qual: Annotated[bool, _MASK.bit(2)] = True
    mask_fill: Annotated[int, _MASK.bits(3, 7)] = 0
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


@record
class PendingEvent(Record):
    """Parameters of SP13 and SP15: event selector and its storage as in ST04, not told apart (not confirmed)."""

    event: Annotated[bytes, Binary(None)]


@record
class LogIn(Record):
    """Parameters of SP18: USER_ID U16 | password, PASSWORD_LEN of ST41 octets. Never written down anywhere."""

    user_id: Annotated[int, U16]
    password: Annotated[bytes, Binary(None)]


@record
class CallNumber(Record):
    """Parameter of SP20 and SP27: index of a telephone number, U8."""

    index: Annotated[int, U8]


@record
class VendorParameters(Record):
    """Parameters whose layout no open source confirms (SP21, SP22): octets as the operator gives them."""

    octets: Annotated[bytes, Binary(None)]


@record
class SetPreciseDateTime(Record):
    """Parameters of SP32 (2008): SET_MASK U8 | HTIME_DATE and what follows (its widths are not confirmed)."""

    set_time: Annotated[bool, _PRECISE.bit(0)] = True
    set_date: Annotated[bool, _PRECISE.bit(1)] = True
    set_time_date_qual: Annotated[bool, _PRECISE.bit(2)] = True
    mask_fill: Annotated[int, _PRECISE.bits(3, 7)] = 0
    moment: Annotated[bytes, Binary(None)]


@record
class PreciseDateTimeSet(Record):
    """Response of SP32: the clock before and after, HTIME_DATE each, not told apart."""

    moments: Annotated[bytes, Binary(None)]
