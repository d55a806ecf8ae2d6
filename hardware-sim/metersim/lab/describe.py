"""A scenario in words: the meter, what happens to it, and what its visits must come to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from metersim.lab.document import ExpectationPart, VisitPart
from metersim.lab.expect import Laboratory
from metersim.lab.place import happenings_of
from metersim.meter.scenario import Profile, Scenario

_MOST = 60  # happenings that are listed


def describe(lab: Laboratory, expected: ExpectationPart, files: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines; `expected` is what `lab` expects, `files` is what its scenario was made of."""
    scenario = lab.scenario
    yield scenario.title
    yield from (f"  {line}" for line in _meter(scenario))
    yield f"  made of {', '.join(files)}"
    yield from (f"  a reader must know: {key} = {value}" for key, value in (expected.profile or {}).items())
    yield from (f"  goes wrong: {fault}" for fault in scenario.faults)
    last = datetime.fromisoformat(expected.visits[-1].at)
    happened = [one.part() for one in happenings_of(lab.meter(last))]
    yield "what happens (true time):"
    yield from (f"  {one.at}  {one.what}" for one in happened[:_MOST])
    if not happened:
        yield "  nothing"
    elif len(happened) > _MOST:
        yield f"  and {len(happened) - _MOST} more"
    yield "visits:"
    for visit in expected.visits:
        yield from (f"  {line}" for line in _visit(visit))


def _meter(scenario: Scenario) -> Iterator[str]:
    identity, registers = scenario.identity, scenario.registers
    yield f"meter {identity.meter_id}, {identity.manufacturer} {identity.model}, installed {scenario.installed}"
    dials = f", {registers.dials} dials" if registers.dials else ""
    rates = f", {scenario.tou.tiers} rates in {len(scenario.tou.seasons)} seasons" if scenario.tou else ""
    yield f"registers {', '.join(registers.summations)}{dials}{rates}"
    if scenario.profile is not None:
        yield from _profile(scenario.profile)


def _profile(profile: Profile) -> Iterator[str]:
    for layout in profile.sets:
        days = layout.blocks * layout.block_intervals * layout.interval_min / (24 * 60)
        channels = len(layout.channels)
        yield f"{channels} channels of {layout.interval_min} minutes, {layout.item}, for {days:g} days"


def _visit(visit: VisitPart) -> Iterator[str]:
    found = [f"{len(visit.registers)} registers", f"{sum(len(one.pulses) for one in visit.interval_blocks)} intervals"]
    off = f", the clock {visit.clock.meter_offset_s} s ahead" if visit.clock is not None else ""
    yield f"{visit.at}  {', '.join(found)}, {len(visit.events)} log entries{off}"
    for check in visit.checks:
        if check.outcome != "pass":
            what = "must fail" if check.outcome == "fail" else "may fail"
            yield f"  {check.check} {what}: {check.because}"
    for use in visit.energy:
        if use.used != use.counted:
            yield f"  {use.source}: {use.used} {use.unit} were used, {use.counted} counted"
