"""The meter's calendar: local standard time, the United States' daylight saving, tier switches, days of reset.

Everything here counts whole seconds since 1970. "Standard" seconds have the zone added, "local" ones also the hour of
summer; they are what a wall clock shows, read as if it were UTC.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache

from metersim.meter.scenario import Clock, Registers, Season, Switch, Tou
from metersim.meter.shapes import NO_HOLIDAYS, Holidays

DAY = 86_400
DST_SECONDS = 3600
LAST_YEAR = 2099


def seconds(year: int, month: int, day: int, hour: int = 0) -> int:
    """Count the seconds since 1970 of this wall-clock time read as UTC."""
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp())


def wall(at: int) -> datetime:
    """Turn such a count back into a date and time; its zone, UTC, is a formality."""
    return datetime.fromtimestamp(at, UTC)


def _sunday(year: int, month: int, nth: int) -> int:
    first = date(year, month, 1)
    return 1 + (6 - first.weekday()) % 7 + 7 * (nth - 1)


@lru_cache(maxsize=512)
def united_states_dst(year: int) -> tuple[int, int]:
    """Second Sunday of March to first Sunday of November, 02:00 by the clock in use, in standard seconds."""
    return seconds(year, 3, _sunday(year, 3, 2), 2), seconds(year, 11, _sunday(year, 11, 1), 1)


def _minute(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


@dataclass(frozen=True)
class Calendar:
    """What the meter's clock and programme say about a time of the meter (whole seconds, UTC by the meter's clock)."""

    clock: Clock
    registers: Registers
    tou: Tou | None
    installed: date
    holidays: Holidays = NO_HOLIDAYS

    @cached_property
    def zone_s(self) -> int:
        return self.clock.zone_min * 60

    @cached_property
    def start(self) -> int:
        """Where the history begins: midnight, standard time, of the day of installation; UTC seconds."""
        return seconds(self.installed.year, self.installed.month, self.installed.day) - self.zone_s

    @property
    def observes_dst(self) -> bool:
        """Whether the place has daylight saving and the meter's programme follows it."""
        return self.clock.dst == "united_states" and self.clock.shows == "local"

    def dst_at(self, at: int) -> bool:
        """Is daylight saving in effect at this time (by the meter's clock, UTC)?"""
        return bisect_right(self._changes, at) % 2 == 1

    @cached_property
    def _changes(self) -> tuple[int, ...]:
        """All changes of daylight saving that the meter may live to see, on and off in turn."""
        if not self.observes_dst:
            return ()
        return tuple(t - self.zone_s for year in range(1970, LAST_YEAR + 1) for t in united_states_dst(year))

    def standard(self, at: int) -> int:
        return at + self.zone_s

    def local(self, at: int) -> int:
        """What the wall clock at the meter shows."""
        return at + self.zone_s + (DST_SECONDS if self.dst_at(at) else 0)

    def from_local(self, local: int) -> int:
        """UTC of a wall-clock time; the first pass of a repeated hour, a skipped time as if DST had begun already."""
        summer = local - self.zone_s - DST_SECONDS
        return summer if self.dst_at(summer) else local - self.zone_s

    def midnight(self, day: date) -> int:
        """UTC of the begin of a day by the wall clock."""
        return self.from_local(seconds(day.year, day.month, day.day))

    def read_back(self, at: int) -> tuple[int, bool]:
        """What a reader makes of this time once it is stored, and whether it can only guess: the repeated hour.

        The wall clock shows that hour twice; the first pass, still with daylight saving, is what is read.
        """
        if not self.observes_dst:
            return at, False
        first = self.from_local(self.local(at))
        return first, self.local(first) == self.local(first + DST_SECONDS)

    def shown(self, at: int) -> int:
        """The count that the meter stores for this time, in the sense of its TIME_DATE_QUAL."""
        match self.clock.shows:
            case "utc":
                return at
            case "standard":
                return self.standard(at)
            case "local":
                return self.local(at)
            case "unqualified":
                return at  # the image adds the zone where TM_FORMAT implies it

    def season_at(self, at: int) -> int:
        """Number of the season in force, by the local date."""
        if self.tou is None or not self.tou.seasons:
            return 0
        return self._season_of(wall(self.local(at)).date())

    def holiday_at(self, at: int) -> bool:
        """Is this a holiday, by the local date?"""
        return wall(self.local(at)).date() in self.holidays

    def _season_of(self, day: date) -> int:
        assert self.tou is not None  # noqa: S101 - callers ask only meters with TOU
        key = f"{day:%m-%d}"
        begun = [(season.begins, index) for index, season in enumerate(self.tou.seasons) if season.begins <= key]
        if not begun:  # before the first of the year: the last season of the year before goes on
            begun = [(season.begins, index) for index, season in enumerate(self.tou.seasons)]
        return max(begun)[1]

    def _switches(self, day: date) -> list[tuple[int, int]]:
        """Tier switches of one local day as (minute of the day, tier), with one at midnight in front."""
        assert self.tou is not None  # noqa: S101
        season: Season = self.tou.seasons[self._season_of(day)]
        switches = sorted((_minute(switch.at), switch.tier) for switch in self._programme(season, day))
        return switches if switches[0][0] == 0 else [(0, switches[-1][1]), *switches]

    def _programme(self, season: Season, day: date) -> tuple[Switch, ...]:
        if day in self.holidays:
            return season.holiday or season.weekend
        return season.weekend if day.weekday() >= 5 else season.weekday

    @cached_property
    def _tier_days(self) -> dict[date, tuple[list[int], list[int]]]:
        return {}

    def tier_at(self, at: int) -> int:
        """Tier (0 = A) in force at this time."""
        if self.tou is None:
            return 0
        local = self.local(at)
        day = wall(local).date()
        if day not in self._tier_days:
            midnight = local - local % DAY
            switches = self._switches(day)
            self._tier_days[day] = [midnight + minute * 60 for minute, _ in switches], [tier for _, tier in switches]
        times, tiers = self._tier_days[day]
        return tiers[bisect_right(times, local) - 1]

    def tiers_at(self, times: Sequence[int]) -> list[int]:
        """`tier_at` of ascending times."""
        tiers: list[int] = []
        for _, until, tier in self.tier_segments(times[0], times[-1] + 1) if times else ():
            tiers += [tier] * (bisect_left(times, until) - len(tiers))
        return tiers

    def tier_segments(self, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Cut [begin, end) where the tier may change; yield (from, to, tier) in UTC seconds by the meter."""
        if self.tou is None:
            yield begin, end, 0
            return
        at = begin
        while at < end:
            local = self.local(at)
            midnight = local - local % DAY
            day = wall(local).date()
            cuts = [midnight + minute * 60 for minute, _ in self._switches(day)]
            cuts.append(midnight + DAY)
            tier = self.tier_at(at)
            candidates = [self.from_local(cut) for cut in cuts if cut > local]
            candidates += self._changes[bisect_right(self._changes, at) :][:1]
            until = min(end, *(c for c in candidates if c > at))
            yield at, until, tier
            at = until

    def dst_changes(self, begin: int, end: int) -> list[tuple[int, bool]]:
        """Times in [begin, end) at which daylight saving goes on (True) or off."""
        return [(change, not k % 2) for k, change in enumerate(self._changes) if begin <= change < end]

    def resets(self, begin: int, end: int) -> list[int]:
        """Scheduled demand resets in (begin, end], at the local midnight that begins the day of reset."""
        day = self.registers.reset_day
        return self._dates(begin, end, [(month, day) for month in range(1, 13)] if day else [])

    def season_changes(self, begin: int, end: int) -> list[int]:
        """Local midnights in (begin, end] at which another season begins."""
        seasons = self.tou.seasons if self.tou else ()
        dates = [(int(season.begins[:2]), int(season.begins[3:])) for season in seasons]
        return self._dates(begin, end, dates if len(dates) > 1 else [])

    def _dates(self, begin: int, end: int, dates: list[tuple[int, int]]) -> list[int]:
        years = range(wall(begin).year - 1, wall(end).year + 2)
        midnights = sorted(self.from_local(seconds(year, month, day)) for year in years for month, day in dates)
        return [at for at in midnights if begin < at <= end]

    def _midnights(self, begin: int, end: int) -> Iterator[int]:
        day = wall(self.local(begin)).date()
        while (at := self.midnight(day)) <= end:
            if at > begin:
                yield at
            day += timedelta(days=1)

    def self_reads(self, begin: int, end: int, count: int) -> list[int]:
        """The last `count` local midnights in (begin, end]."""
        recent = max(begin, end - (count + 2) * DAY)
        return list(self._midnights(recent, end))[-count:] if count else []
