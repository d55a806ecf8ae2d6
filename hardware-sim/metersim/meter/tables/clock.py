"""Decade 5 of a simulated meter: the clock and what it means, the zone, the calendar, what is left of the tier."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from drivers.c1219 import decade5
from drivers.c1219.record import Table
from metersim.meter.calendar import united_states_dst, wall
from metersim.meter.model import Meter
from metersim.meter.scenario import Switch
from metersim.meter.tables.stamp import Stamp

_DST_ON, _DST_OFF, _FIRST_SEASON, _SPECIAL = 1, 2, 3, 19  # CALENDAR_CTRL
_NO_SPECIAL = 15
_MONTH_DAY = 5  # characters of a date that comes every year
_CHANGE = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class ClockTables:
    """Builds ST51 to ST56 from the model."""

    meter: Meter
    stamp: Stamp

    def fixed(self) -> list[Table]:
        """ST51, ST53 and ST54."""
        calendar = self.meter.calendar
        new = self.meter.scenario.layout.edition == 2008
        observes = calendar.observes_dst
        offset = decade5.TimeOffset(
            dst_time_eff=_CHANGE,
            dst_time_amt=60 if observes else 0,
            time_zone_offset=calendar.clock.zone_min,
            std_time_eff=_CHANGE if new else None,
        )
        table = self._calendar() if calendar.clock.calendar else None
        specials = len(table.schedules[0].special) if table and table.schedules else 0
        limits = decade5.TimeLimits(
            cap_dst_auto=observes,
            cap_tm_zn_offset=True,
            nbr_seasons=len(table.schedules) if table else 0,
            nbr_special_sched=specials,
            nbr_non_recurr_dates=len(table.non_recurring) if table else 0,
            nbr_recurr_dates=len(table.recurring) if table else 0,
            nbr_tier_switches=len(table.tier_switches) if table else 0,
        )
        return [limits, offset] if table is None else [limits, offset, table]

    def clock(self, true_us: int) -> decade5.Clock:
        """ST52."""
        return decade5.Clock(**self._now(true_us))  # type: ignore[arg-type]

    def state(self, true_us: int) -> decade5.ClockState:
        """ST55."""
        at = self.meter.now(true_us)
        tier = self.meter.calendar.tier_at(at)
        season = self.meter.calendar.season_at(at)
        special = {"special_schd_active": 0 if self.meter.calendar.holiday_at(at) else _NO_SPECIAL}
        special = special if self.meter.scenario.holidays else {}
        return decade5.ClockState(**self._now(true_us), curr_tier=tier, season=season, **special)  # type: ignore[arg-type]

    def _now(self, true_us: int) -> dict[str, object]:
        at = self.meter.now(true_us)
        calendar = self.meter.calendar
        shows = calendar.clock.shows
        time = self.stamp(at)
        return {
            "clock_calendar": time,
            "day_of_week": 7 if time is None else (time.weekday() + 1) % 7,
            "dst_flag": calendar.dst_at(at),
            "gmt_flag": shows == "utc",
            "tm_zn_applied": shows in ("standard", "local"),
            "dst_applied": shows == "local" and calendar.clock.dst == "united_states",
            "dst_supported": calendar.observes_dst and self.meter.scenario.layout.edition == 2008,
        }

    def remaining(self, true_us: int) -> decade5.TimeRemaining:
        """ST56."""
        at = self.meter.now(true_us)
        _, until, _ = next(self.meter.calendar.tier_segments(at, at + 2 * 86_400))
        days = 0 if self.meter.scenario.registers.self_reads else 255
        return decade5.TimeRemaining(tier_time_remain=(until - at) // 60, self_read_days_remain=days)

    def _calendar(self) -> decade5.Calendar:
        """ST54: daylight saving of the years around the start, seasons by date, tier switches by kind of day.

        Day schedule 2k is the weekend of season k, 2k + 1 its weekday; behind all of these come the holidays.
        """
        tou = self.meter.scenario.tou
        year = wall(self.meter.start_us // 1_000_000).year
        changes: list[decade5.NonRecurringDate] = []
        if self.meter.calendar.observes_dst:
            for number in range(year - 2, year + 3):
                for change, action in zip(united_states_dst(number), (_DST_ON, _DST_OFF), strict=True):
                    control = decade5.CalendarAction(calendar_ctrl=action)
                    changes.append(decade5.NonRecurringDate(on=wall(change).date(), action=control))
        seasons = tou.seasons if tou else ()
        count = len(seasons)
        holidays = self.meter.scenario.holidays if seasons else ()
        yearly = [_recurring(season.begins, _FIRST_SEASON + index) for index, season in enumerate(seasons)]
        yearly += [_recurring(day, _SPECIAL) for day in holidays if len(day) == _MONTH_DAY]
        once = [date.fromisoformat(day) for day in holidays if len(day) > _MONTH_DAY]
        special = decade5.CalendarAction(calendar_ctrl=_SPECIAL)
        return decade5.Calendar(
            non_recurring=(*changes, *(decade5.NonRecurringDate(on=day, action=special) for day in once)),
            recurring=tuple(yearly),
            tier_switches=tuple(
                _switch(switch, schedule)
                for index, season in enumerate(seasons)
                for schedule, switches in (
                    (2 * index, season.weekend),
                    (2 * index + 1, season.weekday),
                    (2 * count + index, (season.holiday or season.weekend) if holidays else ()),
                )
                for switch in switches
            ),
            schedules=tuple(
                decade5.SeasonSchedule(
                    day_kinds=(2 * index, 2 * index, 2 * index + 1), special=(2 * count + index,) if holidays else ()
                )
                for index in range(count)
            ),
        )


def _recurring(month_day: str, control: int) -> decade5.RecurringDate:
    action = decade5.CalendarAction(calendar_ctrl=control)
    return decade5.RecurringDate(month=int(month_day[:2]), day=int(month_day[3:]), action=action)


def _switch(switch: Switch, schedule: int) -> decade5.TierSwitch:
    return decade5.TierSwitch(
        new_tier=switch.tier,
        summ_switch=True,
        demand_switch=True,
        hour=int(switch.at[:2]),
        minute=int(switch.at[3:]),
        day_sch_num=schedule,
    )
