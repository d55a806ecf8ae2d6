"""The loads of one meter: what is used at the place, and what of it the meter's elements count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from metersim.meter.calendar import Calendar
from metersim.meter.clock import MICROSECONDS
from metersim.meter.load import Flow, Stretch, Supply
from metersim.meter.scenario import Scenario
from metersim.meter.shapes import DayShape, Holidays
from metersim.meter.story import Change, Load, Tamper

_FOR_EVER = 1 << 40  # slots
_PHASE_PERCENT = 33
_SLOT_S = 900


@dataclass(frozen=True, slots=True)
class Loads:
    """By load: what was used, and what the meter counted. Where nobody tampered both are one flow."""

    used: Mapping[str, Flow]
    counted: dict[str, Flow]


def slot_s(scenario: Scenario) -> int:
    """Return the length of a slot: a quarter of an hour, or the shortest interval."""
    layouts = scenario.profile.sets if scenario.profile else ()
    return min([_SLOT_S, *(layout.interval_min * 60 for layout in layouts)])


def loads_of(scenario: Scenario, calendar: Calendar, seed: int, supply: Supply) -> Loads:
    """Return the flows of a scenario's loads."""
    making = _Making(scenario, calendar, seed, supply)
    used = {load.name: making.flow(load, making.changes(load)) for load in scenario.loads}
    counted = dict(used)
    for load in scenario.loads:
        lost = [making.stretch(t, 100 - _percent(t)) for t in scenario.tampering if _takes_from(t, load)]
        gained = [
            (used[tamper.load], making.stretch(tamper, 100))
            for tamper in scenario.tampering
            if tamper.kind == "reversed" and tamper.into == load.name
        ]
        if lost or gained:
            counted[load.name] = making.flow(load, (*making.changes(load), *lost), tuple(gained))
    return Loads(used, counted)


def _takes_from(tamper: Tamper, load: Load) -> bool:
    return tamper.kind in ("bypass", "reversed", "lost_phase") and tamper.load in ("", load.name)


def _percent(tamper: Tamper) -> int:
    """Return how much of the load is not counted by its own register."""
    if tamper.kind == "reversed":
        return 100
    return tamper.percent or (_PHASE_PERCENT if tamper.kind == "lost_phase" else 100)


@dataclass(frozen=True, slots=True)
class _Making:
    scenario: Scenario
    calendar: Calendar
    seed: int
    supply: Supply

    def flow(self, load: Load, stretches: tuple[Stretch, ...], gains: tuple[tuple[Flow, Stretch], ...] = ()) -> Flow:
        start = self.calendar.start
        return Flow(
            load, self.seed, self.calendar.standard(start) // 86_400, start * MICROSECONDS, slot_s(self.scenario),
            self.supply, shapes={shape.name: DayShape.of(shape) for shape in self.scenario.shapes},
            holidays=Holidays(self.scenario.holidays), stretches=stretches, gains=gains,
        )  # fmt: skip

    def changes(self, load: Load) -> tuple[Stretch, ...]:
        return tuple(self.stretch(change, change.percent) for change in load.changes)

    def stretch(self, span: Change | Tamper, percent: int) -> Stretch:
        """Return the slots of a span of time; both ends lie on the grid of the slots."""
        start, length = self.calendar.start, slot_s(self.scenario)
        first = (int(span.begins.timestamp()) - start) // length
        until = _FOR_EVER if span.until is None else (int(span.until.timestamp()) - start) // length
        return Stretch(max(0, first), until, percent)
