"""When a meter's clock may be set, what is to be written, and which interval pays for it. Pure.

A correction must not step over a boundary of the meter's own time: the end of an interval of the profile or of a
demand interval, midnight, a switch of tiers, a change of daylight saving. Before or after it, one interval of each kind
is longer or shorter than the others, and nothing else happens to the meter's data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from drivers.c1219.context import Context
from drivers.c1219.decade1 import DemandControl
from drivers.c1219.decade5 import Calendar, Clock, ClockState
from drivers.c1219.decade6 import ProfileLimits
from drivers.c1219.procedures import SetDateTime
from drivers.c1219.times import MeterTimes
from drivers.errors import DataError

_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)


class Boundary(NamedTuple):
    """An instant that a correction must not step over."""

    at: datetime
    what: str


class Grid(NamedTuple):
    """Intervals of one length, counted from midnight of standard time."""

    length: timedelta
    what: str  # "profile set 1"


@dataclass(frozen=True, slots=True)
class Boundaries:
    """All boundaries of one meter. `Boundaries.of(context, times)` reads them from ST13, ST54 and ST61."""

    times: MeterTimes
    grids: tuple[Grid, ...]
    switches: frozenset[int]  # minutes of the local day at which some schedule changes the tier

    @classmethod
    def of(cls, context: Context, times: MeterTimes) -> Boundaries:
        """Return the boundaries that the tables of `context` tell; those of tables that were not read are missing."""
        calendar = context.find(Calendar)
        switches = calendar.tier_switches if calendar is not None else ()
        return cls(times, tuple(_grids(context)), frozenset(60 * item.hour + item.minute for item in switches))

    def first(self, after: datetime, until: datetime) -> Boundary | None:
        """Return the first boundary in (after, until]."""
        found = [boundary for boundary in self._next(after, until) if after < boundary.at <= until]
        return min(found, default=None)

    def too_wide(self, span: timedelta) -> Grid | None:
        """Return the intervals that are too short for any correction that needs `span` of room."""
        return next((grid for grid in self.grids if span >= grid.length), None)

    def affected(self, true: datetime, error: timedelta) -> tuple[str, ...]:
        """Say which intervals become short or long when a clock that is off by `error` is set right at `true`."""
        seconds = abs(error) / _SECOND
        how = "longer" if error > timedelta() else "shorter"
        return tuple(
            f"{grid.what}: the interval of {grid.length // _MINUTE} min that ends at "
            f"{self._end(true, grid):%Y-%m-%dT%H:%M:%SZ} is {seconds:.1f} s {how} than the others"
            for grid in self.grids
        )

    def _next(self, after: datetime, until: datetime) -> list[Boundary]:
        local = wall_time(self.times, after)[0]
        offset = local.replace(tzinfo=UTC) - after
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        found = [Boundary(self._end(after, grid), f"the end of an interval of {grid.what}") for grid in self.grids]
        for day in (midnight, midnight + _DAY):
            found.append(Boundary(day.replace(tzinfo=UTC) - offset, "midnight"))
            found += [
                Boundary((day + minute * _MINUTE).replace(tzinfo=UTC) - offset, "a switch of tiers")
                for minute in self.switches
            ]
        if self.times.amount and self.times.rule(after) != self.times.rule(until):
            found.append(Boundary(self._change(after, until), "a change of daylight saving"))
        return found

    def _end(self, true: datetime, grid: Grid) -> datetime:
        """Return the end of the interval that `true` lies in."""
        wall, daylight = wall_time(self.times, true)
        standard = wall - (self.times.amount if daylight else timedelta())
        into = standard - standard.replace(hour=0, minute=0, second=0, microsecond=0)
        return true + min(_DAY, (into // grid.length + 1) * grid.length) - into

    def _change(self, before: datetime, after: datetime) -> datetime:
        """Return when the state of daylight saving changes, to the second."""
        state = self.times.rule(before)
        while after - before > _SECOND:
            middle = before + (after - before) / 2
            before, after = (middle, after) if self.times.rule(middle) == state else (before, middle)
        return after


def _grids(context: Context) -> list[Grid]:
    grids: dict[str, Grid] = {}
    limits = context.find(ProfileLimits)
    for number, profile_set in enumerate(limits.sets if limits is not None else (), start=1):
        if profile_set is not None and profile_set.max_int_time and profile_set.nbr_chns:
            name = f"profile set {number}"
            grids[name] = Grid(profile_set.max_int_time * _MINUTE, name)
    demand = context.find(DemandControl)
    for minutes in sorted({interval.minutes for interval in demand.intervals} if demand is not None else ()):
        if minutes:
            grids[f"demand {minutes}"] = Grid(minutes * _MINUTE, "demand")
    return list(grids.values())


def wall_time(times: MeterTimes, utc: datetime) -> tuple[datetime, bool]:
    """Return what a right clock of this meter shows at `utc`, and whether daylight saving is in effect then.

    The other direction of `MeterTimes.to_utc`. Raises `DataError` where that direction does not lead back.
    """
    if times.problem:
        raise DataError(times.problem, advice="give the site's zone")
    daylight = bool(times.amount) and times.rule(utc)
    if times.site_zone is None:
        offset = times.offset
    else:
        there = utc.astimezone(times.site_zone)
        offset = (there.utcoffset() or timedelta()) - (there.dst() or timedelta())
    wall = utc.astimezone(UTC).replace(tzinfo=None) + offset + (times.amount if daylight else timedelta())
    back = times.to_utc(wall, daylight=daylight)
    if back is None or back.utc != utc:
        raise DataError(
            f"{utc:%Y-%m-%dT%H:%M:%SZ} has no sure wall time in the sense of this meter's clock",
            advice="check the zone and daylight-saving rule of meter, profile and site",
        )
    return wall, daylight


def setting(context: Context, times: MeterTimes, utc: datetime) -> SetDateTime:
    """Return the parameters of SP10 that make the clock show `utc`, a whole second, in the sense that it shows now.

    Zone, GMT and daylight-saving-applied stay as ST52 (ST55) says; DST_FLAG and the day of the week become right.
    Raises `DataError` for a clock whose sense is not sure, `NotRead` without a clock table.
    """
    clock = context.find(Clock) or context.need(ClockState)
    wall, daylight = wall_time(times, utc)
    return SetDateTime(
        clock=wall,
        day_of_week=wall.isoweekday() % 7,
        dst_flag=daylight if times.amount else clock.dst_flag,
        gmt_flag=clock.gmt_flag,
        tm_zn_applied=clock.tm_zn_applied,
        dst_applied=clock.dst_applied,
        dst_supported=clock.dst_supported,
    )
