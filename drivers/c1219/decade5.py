"""Decade 5: the clock, its offsets, and the calendar (ST50–ST57)."""

from datetime import date, datetime, timedelta
from typing import Annotated

from drivers.c1219.enumerations import (
    CALENDAR_CONTROLS,
    DAYS_OF_WEEK,
    SPECIAL_SCHEDULES,
    TIER_DRIVES,
    WEEKDAYS,
)
from drivers.c1219.record import Array, BitField, Record, Sub, Table, record
from drivers.c1219.scope import BySize, If, Unless
from drivers.c1219.wire import DATE, I16, LTIME, TIME, U8, U16
from drivers.c1219.wording import DAYS, MINUTES, OCTETS, ZONE_OFFSET

_FUNC1, _FUNC2, _CALENDAR, _QUALIFIER, _STATUS = BitField(1), BitField(1), BitField(1), BitField(1), BitField(2)
_RDATE, _ACTION, _SWITCH = BitField(2), BitField(1), BitField(2)


@record
class TimeLimits(Table):
    """ST51 ACT_TIME_TOU_TBL (9 octets).

    0 TIME_FUNC_FLAG1 | 1 TIME_FUNC_FLAG2 | 2 NBR_SEASONS 0..3, NBR_SPECIAL_SCHED 4..7 | 3 NBR_NON_RECURR_DATES |
    4 NBR_RECURR_DATES | 5 NBR_TIER_SWITCHES U16 | 7 CALENDAR_TBL_SIZE U16
    """

    number = 51
    title = "ACT_TIME_TOU_TBL"

    tou_self_read: Annotated[bool, _FUNC1.bit(0)] = False
    season_self_read: Annotated[bool, _FUNC1.bit(1)] = False
    season_demand_reset: Annotated[bool, _FUNC1.bit(2)] = False
    season_chng_armed: Annotated[bool, _FUNC1.bit(3)] = False
    sort_dates: Annotated[bool, _FUNC1.bit(4)] = False
    anchor_date: Annotated[bool, _FUNC1.bit(5)] = False
    cap_dst_auto: Annotated[bool, _FUNC2.bit(0)] = False
    separate_weekdays: Annotated[bool, _FUNC2.bit(1)] = False
    separate_sum_demands: Annotated[bool, _FUNC2.bit(2)] = False
    sort_tier_switches: Annotated[bool, _FUNC2.bit(3)] = False
    cap_tm_zn_offset: Annotated[bool, _FUNC2.bit(4)] = False
    nbr_seasons: Annotated[int, _CALENDAR.bits(0, 3)] = 0
    nbr_special_sched: Annotated[int, _CALENDAR.bits(4, 7)] = 0
    nbr_non_recurr_dates: Annotated[int, U8] = 0
    nbr_recurr_dates: Annotated[int, U8] = 0
    nbr_tier_switches: Annotated[int, U16] = 0
    calendar_tbl_size: Annotated[int, U16, OCTETS] = 0


@record
class TimeDimensions(TimeLimits):
    """ST50 DIM_TIME_TOU_TBL: the most that ST51 could say. Never used to decode other tables."""

    number = 50
    title = "DIM_TIME_TOU_TBL"


@record
class Clock(Table):
    """ST52 CLOCK_TBL: CLOCK_CALENDAR LTIME | [fraction U8, in some meters] | TIME_DATE_QUAL U8.

    The qualifier tells in what sense every time of the meter is meant, not only this one.
    """

    number = 52
    title = "CLOCK_TBL"

    clock_calendar: Annotated[datetime | None, LTIME]
    fraction: Annotated[int | None, U8, BySize()] = None
    day_of_week: Annotated[int, _QUALIFIER.bits(0, 2), DAYS_OF_WEEK] = 7
    dst_flag: Annotated[bool, _QUALIFIER.bit(3)] = False  # daylight saving is in effect now
    gmt_flag: Annotated[bool, _QUALIFIER.bit(4)] = False
    tm_zn_applied: Annotated[bool, _QUALIFIER.bit(5)] = False
    dst_applied: Annotated[bool, _QUALIFIER.bit(6)] = False
    dst_supported: Annotated[bool, _QUALIFIER.bit(7)] = False  # 2008


@record
class ClockState(Clock):
    """ST55 CLOCK_STATE_TBL: as ST52, then STATUS U16.

    0..2 CURR_TIER (or CURR_SUMM_TIER) | 3..5 CURR_DEMAND_TIER | 6..7 TIER_DRIVE | 8..11 SPECIAL_SCHD_ACTIVE |
    12..15 SEASON
    """

    number = 55
    title = "CLOCK_STATE_TBL"

    curr_tier: Annotated[int, _STATUS.bits(0, 2)] = 0
    curr_demand_tier: Annotated[int, _STATUS.bits(3, 5)] = 0
    tier_drive: Annotated[int, _STATUS.bits(6, 7), TIER_DRIVES] = 0
    special_schd_active: Annotated[int, _STATUS.bits(8, 11), SPECIAL_SCHEDULES] = 0
    season: Annotated[int, _STATUS.bits(12, 15)] = 0


@record
class TimeOffset(Table):
    """ST53 TIME_OFFSET_TBL: DST_TIME_EFF TIME | DST_TIME_AMT U8 | [TIME_ZONE_OFFSET I16] | [STD_TIME_EFF TIME, 2008].

    Offsets in minutes, west of Greenwich negative. The size decides which of the last two are there.
    """

    number = 53
    title = "TIME_OFFSET_TBL"

    dst_time_eff: Annotated[timedelta | None, TIME] = None
    dst_time_amt: Annotated[int, U8, MINUTES] = 60
    time_zone_offset: Annotated[int | None, I16, BySize(If("st51.cap_tm_zn_offset")), ZONE_OFFSET] = None
    std_time_eff: Annotated[timedelta | None, TIME, BySize(If("st00.std_version_no", above=1))] = None


@record
class CalendarAction(Record):
    """0..4 CALENDAR_CTRL (1 DST on, 2 DST off, 3..18 season, 19..30 special) | 5 DEMAND_RESET | 6 SELF_READ."""

    calendar_ctrl: Annotated[int, _ACTION.bits(0, 4), CALENDAR_CONTROLS] = 0
    demand_reset: Annotated[bool, _ACTION.bit(5)] = False
    self_read: Annotated[bool, _ACTION.bit(6)] = False


@record
class NonRecurringDate(Record):
    """DATE | ACTION U8."""

    on: Annotated[date | None, DATE]
    action: Annotated[CalendarAction, Sub(CalendarAction)]


@record
class RecurringDate(Record):
    """RDATE U16: 0..3 MONTH | 4..7 OFFSET | 8..10 WEEKDAY | 11..15 DAY; then ACTION U8."""

    month: Annotated[int, _RDATE.bits(0, 3)]
    offset: Annotated[int, _RDATE.bits(4, 7)] = 0
    weekday: Annotated[int, _RDATE.bits(8, 10), WEEKDAYS] = 0
    day: Annotated[int, _RDATE.bits(11, 15)]
    action: Annotated[CalendarAction, Sub(CalendarAction)]


@record
class TierSwitch(Record):
    """TIER_SWITCH U16: 0..2 NEW_TIER | 3 SUMM_SWITCH | 4 DEMAND_SWITCH | 5..10 minute | 11..15 hour; DAY_SCH_NUM U8."""

    new_tier: Annotated[int, _SWITCH.bits(0, 2)]
    summ_switch: Annotated[bool, _SWITCH.bit(3)] = False
    demand_switch: Annotated[bool, _SWITCH.bit(4)] = False
    minute: Annotated[int, _SWITCH.bits(5, 10)]
    hour: Annotated[int, _SWITCH.bits(11, 15)]
    day_sch_num: Annotated[int, U8]


@record
class SeasonSchedule(Record):
    """Day schedules of one season: Sunday … Saturday, or Saturday, Sunday, weekday; then the special ones."""

    each_day: Annotated[tuple[int, ...] | None, Array(U8, 7), If("st51.separate_weekdays")] = None
    day_kinds: Annotated[tuple[int, ...] | None, Array(U8, 3), Unless("st51.separate_weekdays")] = None
    special: Annotated[tuple[int, ...], Array(U8, "st51.nbr_special_sched")] = ()


@record
class Calendar(Table):
    """ST54 CALENDAR_TBL: [anchor DATE] | non-recurring dates | recurring dates | tier switches | day schedules.

    The layout of DATE is not confirmed; a table of another size is refused, never bent.
    """

    number = 54
    title = "CALENDAR_TBL"

    anchor_date: Annotated[date | None, DATE, If("st51.anchor_date")] = None
    non_recurring: Annotated[
        tuple[NonRecurringDate, ...], Array(Sub(NonRecurringDate), "st51.nbr_non_recurr_dates")
    ] = ()
    recurring: Annotated[tuple[RecurringDate, ...], Array(Sub(RecurringDate), "st51.nbr_recurr_dates")] = ()
    tier_switches: Annotated[tuple[TierSwitch, ...], Array(Sub(TierSwitch), "st51.nbr_tier_switches")] = ()
    schedules: Annotated[tuple[SeasonSchedule, ...], Array(Sub(SeasonSchedule), "st51.nbr_seasons")] = ()


@record
class TimeRemaining(Table):
    """ST56 TIME_REMAIN_TBL: one U16 of minutes, or two where demands have tiers of their own | SELF_READ_DAYS U8."""

    number = 56
    title = "TIME_REMAIN_TBL"

    summ_tier_time_remain: Annotated[int | None, U16, If("st51.separate_sum_demands"), MINUTES] = None
    demand_tier_time_remain: Annotated[int | None, U16, If("st51.separate_sum_demands"), MINUTES] = None
    tier_time_remain: Annotated[int | None, U16, Unless("st51.separate_sum_demands"), MINUTES] = None
    self_read_days_remain: Annotated[int, U8, DAYS] = 255


_PRECISE_QUALIFIER, _PRECISE_STATUS = BitField(1), BitField(2)


@record
class PrecisionClock(Table):
    """ST57 PRECISION_CLOCK_STATE_TBL (2008): as ST55, its time with an octet for the fraction of the second.

    How much one step of the fraction is, no open source says: the octet is shown as it is. The size decides whether
    it is there; a table of any other size is refused, never bent.
    """

    number = 57
    title = "PRECISION_CLOCK_STATE_TBL"

    clock_calendar: Annotated[datetime | None, LTIME]
    fraction: Annotated[int | None, U8, BySize(If("st00.tm_format"))] = None
    day_of_week: Annotated[int, _PRECISE_QUALIFIER.bits(0, 2), DAYS_OF_WEEK] = 7
    dst_flag: Annotated[bool, _PRECISE_QUALIFIER.bit(3)] = False
    gmt_flag: Annotated[bool, _PRECISE_QUALIFIER.bit(4)] = False
    tm_zn_applied: Annotated[bool, _PRECISE_QUALIFIER.bit(5)] = False
    dst_applied: Annotated[bool, _PRECISE_QUALIFIER.bit(6)] = False
    dst_supported: Annotated[bool, _PRECISE_QUALIFIER.bit(7)] = False
    curr_tier: Annotated[int, _PRECISE_STATUS.bits(0, 2)] = 0
    curr_demand_tier: Annotated[int, _PRECISE_STATUS.bits(3, 5)] = 0
    tier_drive: Annotated[int, _PRECISE_STATUS.bits(6, 7), TIER_DRIVES] = 0
    special_schd_active: Annotated[int, _PRECISE_STATUS.bits(8, 11), SPECIAL_SCHEDULES] = 0
    season: Annotated[int, _PRECISE_STATUS.bits(12, 15)] = 0
