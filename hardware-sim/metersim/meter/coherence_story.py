"""What the story of a scenario must not contradict itself in: shapes, changes, clocks, tampering, quirks, visits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from drivers.c1219.number import NumberFormat
from drivers.errors import UsageError
from metersim.meter.faults import parse_faults
from metersim.meter.flows import slot_s
from metersim.meter.load import SHAPES
from metersim.meter.scenario import NI_CODE, Scenario
from metersim.meter.story import CURVE_LENGTHS, Change, Quirks, Tamper, TamperKind

Finding = tuple[str, str]  # key, reason
_NEEDS: dict[TamperKind, tuple[str, ...]] = {
    "bypass": (),
    "reversed": ("load", "into"),
    "lost_phase": (),
    "opened": (),
    "reprogrammed": ("source", "multiplier"),
}
_MAY_HAVE: dict[TamperKind, tuple[str, ...]] = {
    "bypass": ("load", "percent", "until"),
    "reversed": ("load", "into", "until"),
    "lost_phase": ("load", "percent", "until"),
    "opened": (),
    "reprogrammed": ("source", "multiplier"),
}
_OPTIONS = ("load", "percent", "until", "into", "source", "multiplier")


def told_contradictions(scenario: Scenario) -> Iterator[Finding]:
    """Yield key and reason of everything in the story that cannot be."""
    yield from _shapes(scenario)
    yield from _holidays(scenario)
    for load in scenario.loads:
        for index, change in enumerate(load.changes):
            yield from _span(f"load.{load.name}.change[{index}]", change, scenario)
    for index, tamper in enumerate(scenario.tampering):
        yield from _tampering(f"tamper[{index}]", tamper, scenario)
    for index, outage in enumerate(scenario.outages):
        if (outage.at is None) == (outage.ago_min is None):
            yield f"outage[{index}]", "needs either `at` or `ago_min`"
    yield from _settings(scenario)
    yield from _dials(scenario)
    yield from _quirks(scenario)
    try:
        parse_faults(scenario.faults)
    except UsageError as error:
        yield "faults", str(error)
    yield from _visits(scenario)


def _visits(scenario: Scenario) -> Iterator[Finding]:
    for index, (earlier, later) in enumerate(pairwise(scenario.visits), 1):
        if later <= earlier:
            yield f"visits[{index}]", f"{later} is not after {earlier}"
    for index, visit in enumerate(scenario.visits):
        if visit - _installed(scenario) < timedelta(0):
            yield f"visits[{index}]", f"{visit} is before the meter was installed, {scenario.installed}"
        for outage in scenario.outages:
            off = None if outage.at is None else visit - outage.at
            if off is not None and timedelta(0) < off < timedelta(hours=1, seconds=outage.seconds):
                yield f"visits[{index}]", f"{visit}: the service is off, or came back less than an hour before"


def _shapes(scenario: Scenario) -> Iterator[Finding]:
    own = [shape.name for shape in scenario.shapes]
    for name in sorted({name for name in own if own.count(name) > 1 or name in SHAPES}):
        yield f"shape.{name}.name", f"there is a shape called {name} already"
    for shape in scenario.shapes:
        for kind in ("day", "saturday", "sunday", "holiday"):
            curve = getattr(shape, kind)
            if curve is not None and len(curve) not in CURVE_LENGTHS:
                allowed = ", ".join(map(str, CURVE_LENGTHS))
                yield f"shape.{shape.name}.{kind}", f"has {len(curve)} points; allowed: {allowed}"
    known = [*sorted(SHAPES), *own]
    for load in scenario.loads:
        for strand in load.strands:
            if strand.shape not in known:
                key = f"load.{load.name}.shape" if strand is load else f"load.{load.name}.part"
                yield key, f"there is no shape called {strand.shape}; allowed: {', '.join(known)}"


def _holidays(scenario: Scenario) -> Iterator[Finding]:
    for index, text in enumerate(scenario.holidays):
        try:
            date.fromisoformat(text if len(text) > 5 else f"2000-{text}")
        except ValueError:
            yield f"holidays[{index}]", f"{text} is no date"


def _installed(scenario: Scenario) -> datetime:
    """Return the midnight, standard time, at which the meter's history begins."""
    day, zone_min = scenario.installed, scenario.clock.zone_min if scenario.clock else 0
    return datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(minutes=zone_min)


def _span(key: str, span: Change | Tamper, scenario: Scenario) -> Iterator[Finding]:
    for name, at in (("from", span.begins), ("until", span.until)):
        if at is None:
            continue
        since = at - _installed(scenario)
        if since < timedelta(0):
            yield f"{key}.{name}", f"{at} is before the meter was installed, {scenario.installed}"
        elif since % timedelta(seconds=slot_s(scenario)):
            yield f"{key}.{name}", f"{at} is not on the grid of {slot_s(scenario) // 60} minutes on which loads change"
    if span.until is not None and span.until <= span.begins:
        yield f"{key}.until", f"{span.until} is not after {span.begins}"


def _tampering(key: str, tamper: Tamper, scenario: Scenario) -> Iterator[Finding]:
    yield from _span(key, tamper, scenario)
    given = {name for name in _OPTIONS if getattr(tamper, name) not in (None, "")}
    yield from ((key, f"{tamper.kind} needs `{name}`") for name in _NEEDS[tamper.kind] if name not in given)
    for name in sorted(given - {*_MAY_HAVE[tamper.kind]}):
        allowed = ", ".join(_MAY_HAVE[tamper.kind]) or "from alone"
        yield f"{key}.{name}", f"{tamper.kind} has no such key; allowed: {allowed}"
    loads = [load.name for load in scenario.loads]
    for name in ("load", "into"):
        if name in given and getattr(tamper, name) not in loads:
            yield f"{key}.{name}", f"there is no load called {getattr(tamper, name)}; allowed: {', '.join(loads)}"
    if tamper.kind == "reversed" and tamper.load == tamper.into:
        yield f"{key}.into", "a load cannot be turned into itself"
    if tamper.kind == "reprogrammed" and "source" in given:
        yield from _constants(key, tamper, scenario)


def _constants(key: str, tamper: Tamper, scenario: Scenario) -> Iterator[Finding]:
    constants = [source.name for source in scenario.sources if source.multiplier is not None]
    if tamper.source not in constants:
        allowed = ", ".join(constants) or "none: no source has a `multiplier`"
        yield f"{key}.source", f"{tamper.source} has no MULTIPLIER in ST15; allowed: {allowed}"
    if tamper.multiplier is not None and tamper.multiplier <= 0:
        yield f"{key}.multiplier", "must be above 0"
    elif tamper.multiplier is not None:
        yield from _encodes(f"{key}.multiplier", tamper.multiplier, scenario)


def _encodes(key: str, number: object, scenario: Scenario) -> Iterator[Finding]:
    kind = NumberFormat(NI_CODE[scenario.layout.ni_format1], bcd_point=scenario.quirks.bcd_point)
    try:
        kind.encode(number)  # type: ignore[arg-type]
    except ValueError as error:
        yield key, f"{error} (ni_format1)"


def _settings(scenario: Scenario) -> Iterator[Finding]:
    clock = scenario.clock
    for index, setting in enumerate(clock.settings if clock else ()):
        key = f"clock.set[{index}]"
        if setting.right == (setting.by_s is not None):
            yield key, "needs either `by_s` or `right = true`"
        if clock is not None and setting.right and (clock.offset_at is None or clock.offset_at >= setting.at):
            yield f"{key}.right", "needs `clock.offset_at`, a time before, to be set right from"


def _dials(scenario: Scenario) -> Iterator[Finding]:
    registers = scenario.registers
    if registers.step is not None and registers.step <= 0:
        yield "registers.step", "must be above 0"
    if registers.dials is not None:
        step = registers.step or 1
        yield from _encodes("registers.dials", 10**registers.dials - step, scenario)


def _quirks(scenario: Scenario) -> Iterator[Finding]:
    quirks, usual = scenario.quirks, Quirks()
    sets = scenario.profile.sets if scenario.profile else ()
    for name in ("register_scale", "interval_scale"):
        if getattr(quirks, name) <= 0:
            yield f"quirks.{name}", "must be above 0"
        elif getattr(quirks, name) != 1 and any(source.offset for source in scenario.sources):
            yield f"quirks.{name}", "a source has an OFFSET in ST15: what that means then is not defined"
    if quirks.no_offset and any(source.offset for source in scenario.sources):
        yield "quirks.no_offset", "a source has an OFFSET in ST15"
    if quirks.scaling != usual.scaling and not any(layout.scaled for layout in sets):
        yield "quirks.scaling", "no profile set has `scaled = true`"
    if quirks.block_order != "flag" and any(layout.order != quirks.block_order for layout in sets):
        yield "quirks.block_order", f"is how the blocks lie: {sets[0].order}; ORDER of ST63 then says otherwise"
    if quirks.meter_id_at == "st06" and scenario.identity.utility is None:
        yield "quirks.meter_id_at", "needs `identity.utility`, which ST06 is made of"
