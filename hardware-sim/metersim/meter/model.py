"""One simulated meter: a pure function of scenario, seed and true time, plus what visitors did to it.

True time is microseconds since 1970 and always an argument. Nothing here knows tables, packets or asyncio.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from drivers.errors import UsageError
from metersim.meter.billing import Billing, RegisterSet, selection_of
from metersim.meter.calendar import DAY, LAST_YEAR, Calendar, seconds, wall
from metersim.meter.clock import MICROSECONDS
from metersim.meter.condition import clock_of, flags_of, programmed_constants
from metersim.meter.events import (
    DEMAND_RESET,
    TEST_MODE_STARTED,
    TIME_CHANGED_NEW,
    TIME_CHANGED_OLD,
    LoggedEvent,
    programmed_events,
    story_of,
    supply_of,
)
from metersim.meter.flows import loads_of
from metersim.meter.interventions import Interventions, Mode
from metersim.meter.memory import MAXIMUM, Counting, Happenings, Memory
from metersim.meter.quantity import Scaling
from metersim.meter.scenario import Clock, Outage, ProfileSet, Scenario
from metersim.meter.shapes import Holidays


class ScenarioError(UsageError):
    """The scenario contradicts itself or cannot do what is asked of it; the message names the key."""


@dataclass(frozen=True, slots=True)
class Mishaps:
    """What a test wants to have happened to the meter; each changes what a correct reader must find."""

    meter_id: str | None = None
    test_mode: bool = False
    pulse_overflow: bool = False
    missing_intervals: int = 0
    power_outage: bool = False
    clock_offset_s: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PastSet:
    """Registers as they stood at an earlier moment: season, reset or self read."""

    end: int  # meter time, whole seconds
    registers: RegisterSet
    sequence: int = 0


@dataclass
class Meter:
    """The meter that `scenario` describes, as it is from `start_us` (true time) on."""

    scenario: Scenario
    seed: int
    start_us: int
    mishaps: Mishaps = field(default_factory=Mishaps)
    last_read: dict[int, int] = field(default_factory=dict)  # list number of SP05 → entries acknowledged
    done: Interventions = field(default_factory=Interventions)

    def __post_init__(self) -> None:
        spec = self.scenario.clock or Clock(shows="utc", dst="none", zone_min=0)
        holidays = Holidays(self.scenario.holidays)
        self.calendar = Calendar(spec, self.scenario.registers, self.scenario.tou, self.scenario.installed, holidays)
        self.begin_us = self.calendar.start * MICROSECONDS
        if self.start_us < self.begin_us:
            raise ScenarioError(f"installed = {self.scenario.installed}: there is no meter yet at the start time")
        if self.start_us // MICROSECONDS >= seconds(LAST_YEAR + 1, 1, 1):
            raise ScenarioError(f"the meter's calendar ends with {LAST_YEAR}")
        self._visits: list[LoggedEvent] = []
        self._supply()
        self.clock = clock_of(spec, self.mishaps.clock_offset_s, self.start_us, self.supply)
        self.planned_steps = self.clock.steps
        self.scalings = scalings_of(self.scenario, programmed_constants(self.scenario, self.start_us))
        loads = loads_of(self.scenario, self.calendar, self.seed, self.supply)
        self.used, self.flows = loads.used, loads.counted
        self.memories = {layout.set_number: self._memory(layout) for layout in self._layouts()}
        for at, by in self.planned_steps:
            if self._takes_back(self.clock.shows(at) - by, self.clock.shows(at)):
                raise ScenarioError(
                    f"clock.set: at {wall(at // MICROSECONDS)} it is set back over the end of an interval"
                )
        if self.mishaps.pulse_overflow:
            self._overflow()
        self.billing = Billing(
            self.calendar,
            self.flows,
            {load.name: load.start_pulses for load in self.scenario.loads},
            selection_of(self.scalings, self.calendar),
        )

    def _layouts(self) -> tuple[ProfileSet, ...]:
        return self.scenario.profile.sets if self.scenario.profile else ()

    def _supply(self) -> None:
        outages = self.scenario.outages
        if self.mishaps.power_outage:
            outages = (*outages, Outage(seconds=47 * 60, ago_min=4 * 60))
        until = None if self.scenario.until is None else microseconds(self.scenario.until)
        first = self.begin_us // MICROSECONDS // 86_400
        days = range(first, max(self.start_us, until or 0) // MICROSECONDS // 86_400)
        self.supply = supply_of(
            outages,
            self.scenario.outages_per_year,
            seed=self.seed,
            days=days,
            begin_us=self.begin_us,
            now_us=self.start_us,
            until_us=until,
            visits_us=tuple(map(microseconds, self.scenario.visits)),
        )

    def _memory(self, layout: ProfileSet) -> Memory:
        maximum = MAXIMUM.get(layout.item)
        undone = self.scenario.quirks.scaling
        countings = tuple(Counting(self.scalings[c.source], c, maximum, undone) for c in layout.channels)
        start = self.calendar.start
        if layout.recording_days is not None:
            standard = self.calendar.standard(self.now(self.start_us)) - layout.recording_days * DAY
            start = max(start, standard - standard % DAY - self.calendar.zone_s)
        memory = Memory(layout, self.calendar, self.flows, countings, Happenings(self.supply), start)
        last = memory.completed(self.now(self.start_us)) - 480 // layout.interval_min  # eight hours ago
        memory.happenings = replace(
            memory.happenings,
            missing=frozenset(range(last - self.mishaps.missing_intervals, last)),
            test_since_us=self.test_since_us,
        )
        return memory

    def _overflow(self) -> None:
        """Put more pulses into one interval, about five hours ago, than the first channel's item can hold."""
        memory = next((m for m in self.memories.values() if (m.countings[0].maximum or 1 << 32) <= 0xFFFF), None)
        if memory is None:
            raise ScenarioError("pulse_overflow: no load profile with items of 8 or 16 bits in this scenario")
        counting = memory.countings[0]
        flow = self.flows[counting.scaling.source.load]
        interval = memory.completed(self.now(self.start_us)) - 300 // memory.layout.interval_min
        middle = memory.start + interval * memory.length + memory.length // 2
        slot = flow.slot_of(self.clock.reaches(middle * MICROSECONDS))
        flow.surges = {slot: 2 * int((counting.maximum or 0) / counting.per_pulse) + 1000}

    @property
    def mode(self) -> Mode:
        """What ST03 says besides that it meters."""
        return self.done.mode or ("metering" if self.test_since_us is None else "test")

    @property
    def flags(self) -> tuple[str, ...]:
        """Standard flags of ST03."""
        return () if self.done.standard_flags_cleared else flags_of(self.scenario, self.start_us, self.supply)

    @property
    def test_since_us(self) -> int | None:
        """When the test mode that the meter is in began."""
        return self._planned_test_us if self.done.mode is None else self.done.test_since_us

    @property
    def _planned_test_us(self) -> int | None:
        minutes = self.scenario.status.test_mode_since_min or (45 if self.mishaps.test_mode else None)
        return None if minutes is None else self.start_us - minutes * 60 * MICROSECONDS

    @property
    def meter_id(self) -> str:
        return self.mishaps.meter_id or self.scenario.identity.meter_id

    def now(self, true_us: int) -> int:
        """Meter time in whole seconds."""
        return self.clock.shows(true_us) // MICROSECONDS

    def registers(self, true_us: int) -> RegisterSet:
        """ST23."""
        return self.billing.registers(self.now(true_us), true_us, self.clock)

    def _past(self, at: int, sequence: int = 0, *, before: bool = True) -> PastSet:
        true = self.clock.reaches(at * MICROSECONDS)
        return PastSet(at, self.billing.registers(at, true, self.clock, before=before), sequence)

    def previous_reset(self, true_us: int) -> PastSet | None:
        """ST25: the registers just before the last demand reset."""
        resets = self.billing.resets(self.now(true_us))
        return self._past(resets[-1]) if resets else None

    def previous_season(self, true_us: int) -> PastSet | None:
        """ST24: the registers at the end of the last season."""
        changes = self.calendar.season_changes(self.calendar.start, self.now(true_us))
        return self._past(changes[-1]) if changes else None

    def self_reads(self, true_us: int) -> list[PastSet]:
        """ST26, oldest first; the sequence counts days since installation."""
        count = self.scenario.registers.self_reads
        daily = self.calendar.self_reads(self.calendar.start, self.now(true_us), count)
        asked = self.done.self_reads
        moments = sorted([*daily, *asked])[-count:] if count else []
        return [
            self._past(at, (at - self.calendar.start + DAY // 2) // DAY + sum(time <= at for time in asked))
            for at in moments
        ]

    def events(self, true_us: int) -> list[LoggedEvent]:
        """Every event that ever was, oldest first, numbered from 1."""
        story = story_of(self.scenario, self.supply, self.clock, self.planned_steps)
        keyed = programmed_events(self.calendar, self.supply, self.clock, self.now(true_us), story)
        if self._planned_test_us is not None:
            since = self.now(self._planned_test_us)
            keyed.append((since, LoggedEvent(since, TEST_MODE_STARTED, user_id=2)))
        latest = 0
        for visit in self._visits:  # stay in their order also where one set the clock back
            latest = max(latest, visit.at)
            keyed.append((latest, visit))
        keyed.sort(key=lambda pair: pair[0])
        return [replace(event, sequence=k) for k, (_, event) in enumerate(keyed, start=1)]

    def log(self, event: LoggedEvent) -> None:
        """Log what a visitor did."""
        self._visits.append(event)

    def history(self, true_us: int) -> list[LoggedEvent]:
        """The history log: what people did, numbered on its own from 1."""
        people = [event for event in self.events(true_us) if event.historic]
        return [replace(event, sequence=k) for k, event in enumerate(people, start=1)]

    def total_pulses(self, name: str, true_us: int) -> int:
        """Pulses of a source's load on the total register; 0 for a source that is a fixed value."""
        load = self.scalings[name].source.load
        return self.billing.start_pulses[load] + self.flows[load].pulses_until(true_us) if load else 0

    def reading_at(self, name: str, at: int) -> Decimal:
        """What a reader must make of the total register of a source at an earlier meter time, in its unit."""
        return self.scalings[name].read(self.total_pulses_at(name, at))

    def total_pulses_at(self, name: str, at: int) -> int:
        """Pulses on the total register of a source at an earlier meter time."""
        return self.total_pulses(name, self.clock.reaches(at * MICROSECONDS))

    def present_demand(self, name: str, true_us: int) -> tuple[int, int]:
        """Pulses of the demand interval in progress and seconds left of it."""
        return self.billing.present_demand(self.scalings[name].source.load, self.now(true_us), true_us, self.clock)

    def reset_demand(self, true_us: int, user_id: int) -> None:
        """SP09."""
        at = self.now(true_us)
        self.billing.reset_now(at)
        self._visits.append(LoggedEvent(at, DEMAND_RESET, user_id=user_id))

    def _takes_back(self, before_us: int, after_us: int) -> bool:
        """Whether setting the clock so would take back an interval or a demand interval that has ended."""
        lengths = [self.scenario.registers.demand_interval_min * 60, *(m.length for m in self.memories.values())]
        grids = [length * MICROSECONDS for length in lengths]
        ended = [((after_us - self.begin_us) // grid, (before_us - self.begin_us) // grid) for grid in grids]
        return after_us < before_us and any(after != before for after, before in ended)

    def set_clock(self, true_us: int, meter_us: int, user_id: int) -> bool:
        """SP10: set the clock; False where that would take back an interval or a demand interval that has ended."""
        before = self.clock.shows(true_us)
        if self._takes_back(before, meter_us):
            return False
        self._visits.append(LoggedEvent(before // MICROSECONDS, TIME_CHANGED_OLD, user_id=user_id))
        self.clock = self.clock.stepped(true_us, meter_us - before)
        self._visits.append(LoggedEvent(meter_us // MICROSECONDS, TIME_CHANGED_NEW, user_id=user_id))
        return True


def scalings_of(scenario: Scenario, programmed: Mapping[str, Decimal] | None = None) -> Mapping[str, Scaling]:
    """Each source by name, numbered in the order of the file; `programmed`: constants that somebody changed."""
    registers, quirks = scenario.registers, scenario.quirks
    factor = 60 // registers.demand_interval_min
    return {
        source.name: Scaling(
            source,
            index,
            factor,
            programmed=(programmed or {}).get(source.name),
            dials=registers.dials,
            step=registers.step,
            register_scale=quirks.register_scale,
            interval_scale=quirks.interval_scale,
        )
        for index, source in enumerate(scenario.sources)
    }


def microseconds(at: datetime) -> int:
    """True time of an aware datetime."""
    return int(at.timestamp()) * MICROSECONDS + at.microsecond
