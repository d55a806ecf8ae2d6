"""From a meter's wall times to UTC (C12.19 §TIME_DATE_QUAL): qualifier, zone, and daylight saving at that instant.

One qualifier, that of ST52 (or ST55), holds for every time of every table. DST_FLAG tells of *now* only; a stored time
is judged by what was in effect then: by a status bit if it has one, else by the rule (ST54, site zone, United States).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from drivers.c1219 import dst
from drivers.c1219.context import Context
from drivers.c1219.decade5 import Clock, ClockState, TimeOffset

_TWO_O_CLOCK = timedelta(hours=2)
_HOUR = timedelta(hours=1)
_FARTHEST, _QUARTER = 14 * 60, 15  # minutes: zones lie within 14 hours of UTC, on quarters of an hour
COUNTERS = frozenset({3, 4})  # TM_FORMATs that count from 1970


class Instant(NamedTuple):
    """An instant in UTC. `ambiguous`: the other pass of the repeated hour, or contradicting flags, would do as well."""

    utc: datetime
    ambiguous: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class MeterTimes:
    """How the times of one meter lead to UTC. `MeterTimes.of(context, site_zone)` builds it."""

    offset: timedelta  # of standard time from UTC, west negative; zero for UTC
    amount: timedelta  # that daylight saving adds; zero when it is never in these times
    rule: dst.DstRule
    problem: str = ""  # why no time can be converted
    note: str = ""  # contradicting flags
    site_zone: tzinfo | None = None  # decides the offset at each instant, where the meter does not say

    @classmethod
    def of(cls, context: Context, site_zone: tzinfo | None = None) -> MeterTimes:
        """Return the sense of a meter's times, from ST00, ST52 or ST55, ST53, ST54, quirks, and where it stands.

        Without ST52 and ST55 the qualifier counts as saying nothing. Raises `NotRead` without ST00.
        """
        clock = context.find(Clock) or context.find(ClockState)
        local, daylight, note = _sense(context, clock)
        offsets = context.find(TimeOffset)
        said = _possible(offsets.time_zone_offset) if offsets is not None else None
        offset = timedelta(minutes=said or 0) if local else timedelta()
        amount = timedelta(minutes=offsets.dst_time_amt) if offsets is not None else _HOUR
        zone = site_zone if local and said is None else None
        problem = ""
        if local and said is None and site_zone is None:
            problem = "the meter's times are local and it does not say in which zone: give the site's zone"
        rule_offset = offset if local or said is None else timedelta(minutes=said)
        if zone is not None:
            rule_offset = _standard_offset(zone, (clock and clock.clock_calendar) or _WINTER)
        effective = (offsets.dst_time_eff if offsets is not None else None) or _TWO_O_CLOCK
        rule = _rule(context, site_zone, (rule_offset, amount, effective)) if daylight else dst.never
        return cls(offset, amount if daylight else timedelta(), rule, problem, note, zone)

    def to_utc(
        self,
        wall: datetime,
        *,
        daylight: bool | None = None,
        last_bit: bool | None = None,
        expected: Collection[datetime] = (),
        not_before: datetime | None = None,
    ) -> Instant | None:
        """Return a wall time in UTC; None when no time of this meter can be converted (`problem` says why).

        `daylight`: the state at this very instant is known (DST_FLAG, for the clock). `last_bit`: the DST bit of the
        interval that ends here. `expected`: instants that would keep blocks joined, and `not_before`: the entry before
        in a log in order; both only choose between the passes of the repeated hour. Else the first pass is taken.
        """
        if self.problem:
            return None
        candidates = self._candidates(wall)
        if len(candidates) == 1:
            return Instant(candidates[0][0], ambiguous=bool(self.note), note=self.note)
        if daylight is not None:
            return Instant(candidates[0 if daylight else 1][0], ambiguous=bool(self.note), note=self.note)
        if last_bit is not None:
            found = [item for item in candidates if self._supports(item, bit=last_bit)]
            found = [item for item in found if self.rule(item[0]) == item[1]] or found
        else:
            found = [item for item in candidates if self.rule(item[0]) == item[1]]
        if not found:
            return Instant(candidates[1][0], ambiguous=True, note="in the hour that daylight saving skips")
        if len(found) == 1:
            return Instant(found[0][0], ambiguous=bool(self.note), note=self.note)
        return self._repeated(found, expected, not_before)

    def _candidates(self, wall: datetime) -> list[tuple[datetime, bool]]:
        """Return (UTC, daylight saving in it): with daylight saving first, for it comes first in the repeated hour."""
        standard = wall.replace(tzinfo=UTC) - self._offset(wall)
        if not self.amount:
            return [(standard, False)]
        return [(standard - self.amount, True), (standard, False)]

    def _offset(self, wall: datetime) -> timedelta:
        return self.offset if self.site_zone is None else _standard_offset(self.site_zone, wall)

    def _supports(self, candidate: tuple[datetime, bool], *, bit: bool) -> bool:
        """Whether the DST bit of the interval that ends at a candidate agrees, or the state changes just there."""
        instant, daylight = candidate
        return daylight == bit or (self.rule(instant) == daylight and self.rule(instant - timedelta(seconds=1)) == bit)

    @staticmethod
    def _repeated(
        found: list[tuple[datetime, bool]], expected: Collection[datetime], not_before: datetime | None
    ) -> Instant:
        joined = [instant for instant, _daylight in found if instant in expected]
        if len(joined) == 1:
            return Instant(joined[0])
        first, second = found[0][0], found[1][0]
        if not_before is not None and first < not_before <= second:
            return Instant(second)
        return Instant(first, ambiguous=True, note="in the hour that is repeated when daylight saving ends")


_WINTER = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def _possible(minutes: int | None) -> int | None:
    """Return a zone offset that some place on earth could have; an unset FFFFH, say, is none."""
    return minutes if minutes is not None and abs(minutes) <= _FARTHEST and minutes % _QUARTER == 0 else None


def _standard_offset(zone: tzinfo, wall: datetime) -> timedelta:
    local = wall.replace(tzinfo=zone)
    return (local.utcoffset() or timedelta()) - (local.dst() or timedelta())


def _sense(context: Context, clock: Clock | None) -> tuple[bool, bool, str]:
    """Return whether times are local, whether daylight saving is in them, and what contradicts."""
    counts = context.st00.tm_format in COUNTERS
    gmt, zone, daylight = (clock.gmt_flag, clock.tm_zn_applied, clock.dst_applied) if clock else (False,) * 3
    quirks = context.quirks
    if counts and quirks.epoch != "by_qualifier":
        return quirks.epoch == "local", quirks.epoch == "local" and daylight, ""
    if gmt and (zone or daylight):
        return zone, daylight, "the clock's flags contradict each other (GMT, and zone or daylight saving applied)"
    if gmt or zone:
        return zone, daylight, ""
    if quirks.clock_is == "by_format":
        return not counts, daylight, ""
    return quirks.clock_is != "utc", daylight or quirks.clock_is == "local", ""


def _rule(context: Context, site_zone: tzinfo | None, shift: tuple[timedelta, timedelta, timedelta]) -> dst.DstRule:
    wanted = context.quirks.dst_rule
    if wanted == "none":
        return dst.never
    by_zone = dst.zone_rule(site_zone) if site_zone is not None else None
    united_states = dst.united_states_rule(*shift)
    if wanted == "united_states":
        return united_states
    otherwise = by_zone or united_states
    if wanted == "site_zone":
        return otherwise
    return dst.calendar_rule(context, *shift, otherwise) or otherwise
