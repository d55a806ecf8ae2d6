"""What the meter's logs hold: events of the programme and of the service, and what people did to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from metersim.meter.calendar import DAY, Calendar
from metersim.meter.clock import MICROSECONDS, MeterClock
from metersim.meter.load import Supply
from metersim.meter.scenario import Outage, Scenario
from metersim.meter.story import TamperKind

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
REPROGRAMMED = 36
LOW_BATTERY = 44
LOW_LOSS_POTENTIAL = 45
TAMPER_ATTEMPT = 47
REVERSE_ROTATION = 48
_QUIET_US = 3600 * MICROSECONDS  # before a meter is read, in which the service is on
SOMEBODY = 7  # user id of whoever sets a clock or writes a constant in the story of a scenario

#: What the meter itself notices of tampering; a bypass it does not.
NOTICED: dict[TamperKind, int] = {
    "reversed": REVERSE_ROTATION,
    "lost_phase": LOW_LOSS_POTENTIAL,
    "opened": TAMPER_ATTEMPT,
    "reprogrammed": REPROGRAMMED,
}

#: Event codes that a simulated meter can log (ST72), besides what the story of its scenario needs.
SUPPORTED = (1, 2, 3, 4, 11, 14, 15, 20, 21, 22, 23, 24, 30, 31, 32, 33, 34, 35)
_NOT_BY_PEOPLE = frozenset({
    POWER_DOWN, POWER_UP, DST_ON, DST_OFF, SEASON_CHANGE, LOW_BATTERY, LOW_LOSS_POTENTIAL, TAMPER_ATTEMPT,
    REVERSE_ROTATION,
})  # fmt: skip


def supported(scenario: Scenario) -> tuple[int, ...]:
    """Return the event codes that this meter can log."""
    more = {NOTICED[tamper.kind] for tamper in scenario.tampering if tamper.kind in NOTICED}
    more |= {LOW_BATTERY} if scenario.clock is not None and scenario.clock.battery == "dead" else set()
    return tuple(sorted({*SUPPORTED, *more}))


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
        return self.code not in _NOT_BY_PEOPLE


def supply_of(  # noqa: PLR0913 - where the outages come from, and where there are none
    outages: tuple[Outage, ...],
    per_year: int,
    *,
    seed: int,
    days: range,
    begin_us: int,
    now_us: int,
    until_us: int | None = None,
    visits_us: tuple[int, ...] = (),
) -> Supply:
    """All outages in true microseconds, the scenario's and the seeded ones.

    None in the last hour before `now`, nor after it unless until `until_us`; none in the hour before a visit.
    """
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
    disjoint: list[tuple[int, int]] = []
    for since, to in sorted(spans):
        known = to <= now_us - _QUIET_US or (until_us is not None and now_us < since and to <= until_us)
        if since < begin_us or not known or any(since < at and to > at - _QUIET_US for at in visits_us):
            continue
        if disjoint and since <= disjoint[-1][1] + MICROSECONDS:
            disjoint[-1] = disjoint[-1][0], max(disjoint[-1][1], to)
        else:
            disjoint.append((since, to))
    return Supply(tuple(disjoint))


def programmed_events(
    calendar: Calendar, supply: Supply, clock: MeterClock, at: int, story: Sequence[tuple[int, LoggedEvent]] = ()
) -> list[tuple[int, LoggedEvent]]:
    """Everything that happened by itself, or in the `story` of the scenario (in true time), until this meter time.

    In the order in which it happened, not numbered yet, each with a time that never goes back: a clock may.
    """
    begin = calendar.start
    found = [(begin * MICROSECONDS, LoggedEvent(begin, DEVICE_PROGRAMMED, user_id=2))]
    for since, to in supply.outages:
        found.append((since, LoggedEvent(clock.shows(since) // MICROSECONDS, POWER_DOWN)))
        found.append((to, LoggedEvent(clock.shows(to) // MICROSECONDS, POWER_UP)))
    seasons = calendar.season_changes(begin, at)
    by_calendar = [LoggedEvent(change, DST_ON if on else DST_OFF) for change, on in calendar.dst_changes(begin, at)]
    by_calendar += [LoggedEvent(change, SEASON_CHANGE, calendar.season_at(change)) for change in seasons]
    by_calendar += [LoggedEvent(reset, DEMAND_RESET) for reset in calendar.resets(begin, at)]
    found += [(clock.reaches(event.at * MICROSECONDS), event) for event in by_calendar]
    found += story
    known = sorted((pair for pair in found if pair[1].at <= at), key=lambda pair: (pair[0], pair[1].code))
    latest = accumulate((event.at for _, event in known), max)
    return [(key, event) for key, (_, event) in zip(latest, known, strict=True)]


def story_of(
    scenario: Scenario, supply: Supply, clock: MeterClock, steps: Sequence[tuple[int, int]]
) -> list[tuple[int, LoggedEvent]]:
    """Return what the meter logs of tampering, a dead battery, and `steps` (true time, by how much) of its clock."""
    found = []
    for tamper in scenario.tampering:
        if code := NOTICED.get(tamper.kind):
            user = SOMEBODY if tamper.kind == "reprogrammed" else 0
            found.append(_logged(clock, int(tamper.begins.timestamp()) * MICROSECONDS, code, user))
    for true, step in steps:
        before = (clock.shows(true) - step) // MICROSECONDS
        found.append((true, LoggedEvent(before, TIME_CHANGED_OLD, user_id=SOMEBODY)))
        found.append(_logged(clock, true, TIME_CHANGED_NEW, SOMEBODY))
    if scenario.clock is not None and scenario.clock.battery == "dead" and supply.outages:
        found.append(_logged(clock, supply.outages[0][1], LOW_BATTERY, 0))
    return found


def _logged(clock: MeterClock, true_us: int, code: int, user: int) -> tuple[int, LoggedEvent]:
    return true_us, LoggedEvent(clock.shows(true_us) // MICROSECONDS, code, user_id=user)
