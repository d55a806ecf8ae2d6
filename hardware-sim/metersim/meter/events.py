"""What the meter's logs hold: events of the programme and of the service, and what people did to it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from metersim.meter.calendar import DAY, Calendar
from metersim.meter.clock import MICROSECONDS, MeterClock
from metersim.meter.load import Supply
from metersim.meter.scenario import Outage

POWER_DOWN = 1
POWER_UP = 2
TIME_CHANGED_OLD = 3
TIME_CHANGED_NEW = 4
DEVICE_PROGRAMMED = 11
LIST_RESET = 14
LIST_UPDATED = 15
DEMAND_RESET = 20
SELF_READ = 21
DST_ON = 22
DST_OFF = 23
SEASON_CHANGE = 24
TEST_MODE_STARTED = 32
MODE_STARTED = {"metering": 30, "test": TEST_MODE_STARTED, "meter_shop": 34}
MODE_STOPPED = {"metering": 31, "test": 33, "meter_shop": 35}

#: Event codes that a simulated meter can log (ST72).
SUPPORTED = (1, 2, 3, 4, 11, 14, 15, 20, 21, 22, 23, 24, 30, 31, 32, 33, 34, 35)
_BY_PEOPLE = frozenset(SUPPORTED) - {POWER_DOWN, POWER_UP, DST_ON, DST_OFF, SEASON_CHANGE}


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event; `at` is meter time in whole seconds, `sequence` counts from the first event that ever was."""

    at: int
    code: int
    argument: int = 0
    user_id: int = 0
    sequence: int = 0

    @property
    def historic(self) -> bool:
        """Whether the history log keeps it too."""
        return self.code in _BY_PEOPLE


def supply_of(
    outages: tuple[Outage, ...], per_year: int, *, seed: int, days: range, begin_us: int, now_us: int
) -> Supply:
    """All outages in true microseconds, the scenario's and the seeded ones; none in the last hour before `now`."""
    spans = []
    for outage in outages:
        if outage.at is not None:
            since = int(outage.at.timestamp()) * MICROSECONDS
        else:
            since = now_us // MICROSECONDS * MICROSECONDS - (outage.ago_min or 0) * 60 * MICROSECONDS
        spans.append((since, since + outage.seconds * MICROSECONDS))
    for day in days:
        random = Random(f"{seed}/outages/{day}")
        if random.random() * 365 < per_year:
            since = begin_us + ((day - days.start) * DAY + random.randrange(DAY)) * MICROSECONDS
            spans.append((since, since + random.randrange(20, 5400) * MICROSECONDS))
    latest = now_us - 3600 * MICROSECONDS
    disjoint: list[tuple[int, int]] = []
    for since, to in sorted(spans):
        if since < begin_us or to > latest:
            continue
        if disjoint and since <= disjoint[-1][1] + MICROSECONDS:
            disjoint[-1] = disjoint[-1][0], max(disjoint[-1][1], to)
        else:
            disjoint.append((since, to))
    return Supply(tuple(disjoint))


def programmed_events(calendar: Calendar, supply: Supply, clock: MeterClock, at: int) -> list[LoggedEvent]:
    """Everything that happened by itself until this meter time, in order of time, not numbered yet."""
    begin = calendar.start
    events = [LoggedEvent(begin, DEVICE_PROGRAMMED, user_id=2)]
    for since, to in supply.outages:
        events.append(LoggedEvent(clock.shows(since) // MICROSECONDS, POWER_DOWN))
        events.append(LoggedEvent(clock.shows(to) // MICROSECONDS, POWER_UP))
    events += [LoggedEvent(change, DST_ON if on else DST_OFF) for change, on in calendar.dst_changes(begin, at)]
    seasons = calendar.season_changes(begin, at)
    events += [LoggedEvent(change, SEASON_CHANGE, calendar.season_at(change)) for change in seasons]
    events += [LoggedEvent(reset, DEMAND_RESET) for reset in calendar.resets(begin, at)]
    return sorted((event for event in events if event.at <= at), key=lambda event: (event.at, event.code))
