"""What a scenario must not contradict itself in, beyond the types and ranges of its keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import get_args

from drivers.c1219.decade0 import UtilityInformation
from drivers.c1219.number import NumberFormat
from metersim.meter.coherence_numbers import unfit_numbers
from metersim.meter.coherence_story import told_contradictions
from metersim.meter.memory import Counting
from metersim.meter.model import scalings_of
from metersim.meter.quantity import Scaling
from metersim.meter.scenario import NI_CODE, ProfileSet, Scenario

Finding = tuple[str, str]  # key, reason
_INTEGER_ITEMS = ("UINT8", "UINT16", "UINT32", "INT8", "INT16", "INT32")
_POWER = ("W", "var", "VA")
_UTILITY = {name for name, kind in UtilityInformation.__annotations__.items() if get_args(kind)[0] is str}


def contradictions(scenario: Scenario) -> Iterator[Finding]:
    """Yield key and reason of everything that cannot be as it is written."""
    unfit = list(unfit_numbers(scenario))
    yield from unfit
    if unfit:
        return
    yield from told_contradictions(scenario)
    yield from _sources(scenario)
    known = {source.name for source in scenario.sources}
    unknown = [(key, name) for key, name in _references(scenario) if name not in known]
    yield from ((key, f"there is no source called {name}") for key, name in unknown)
    if unknown:
        return
    yield from _registers(scenario)
    yield from _clock(scenario)
    yield from _tiers(scenario)
    yield from _profile(scenario)
    yield from _identity(scenario)
    ids = [str(key.key_id) for key in scenario.psem.keys or ()]
    yield from (("psem.keys", f"key {key_id} is there twice") for key_id in _twice(ids))


def _twice(names: list[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _references(scenario: Scenario) -> Iterator[Finding]:
    registers = scenario.registers
    for key in ("summations", "present_demands", "present_values"):
        yield from ((f"registers.{key}", name) for name in getattr(registers, key))
    yield from (("registers.demands", demand.source) for demand in registers.demands)
    yield from (("registers.coincidents", coincident.source) for coincident in registers.coincidents)
    for layout in scenario.profile.sets if scenario.profile else ():
        for channel in layout.channels:
            yield "profile.sets.channels.source", channel.source
            if channel.end_source:
                yield "profile.sets.channels.end_source", channel.end_source


def _sources(scenario: Scenario) -> Iterator[Finding]:
    loads = [load.name for load in scenario.loads]
    yield from (("load.name", f"{name} stands twice") for name in _twice(loads))
    yield from (("source.name", f"{name} stands twice") for name in _twice([s.name for s in scenario.sources]))
    ni1 = NumberFormat(NI_CODE[scenario.layout.ni_format1])
    for source in scenario.sources:
        key = f"source.{source.name}"
        if (source.fixed is None) == (not source.load):
            yield key, "needs either a load or a fixed value"
        elif source.load and source.load not in loads:
            yield f"{key}.load", f"there is no load called {source.load}"
        if source.load and source.quantity not in _POWER:
            yield f"{key}.quantity", "only W, var and VA turn with a load"
        if source.multiplier is None and (source.ct is not None or source.offset):
            yield f"{key}.multiplier", "offset and ct stand in ST15, which needs a multiplier"
        if source.constants_applied and source.ct is not None and not source.ratios_applied:
            yield f"{key}.ratios_applied", "constants applied but ratios not: what a reader does then is not defined"
        if source.multiplier == 0 or source.ct == 0 or source.vt == 0 or source.pulse_value == 0:
            yield key, "a factor is zero"
        else:
            numbers = (source.multiplier, source.offset, source.ct, source.vt if source.ct is not None else None)
            yield from _fits(key, numbers, ni1)


def _fits(key: str, numbers: tuple[object, ...], ni1: NumberFormat) -> Iterator[Finding]:
    for number in numbers:
        try:
            ni1.encode(number)  # type: ignore[arg-type]
        except ValueError as error:
            yield key, f"{error} (ST15 is written in ni_format1)"


def _registers(scenario: Scenario) -> Iterator[Finding]:
    base = {source.name: source for source in scenario.sources}
    registers = scenario.registers
    for name in registers.summations:
        if base[name].time_base != "bulk" or not base[name].load:
            yield "registers.summations", f"{name} is no bulk quantity with a load"
    demands = [demand.source for demand in registers.demands]
    demands += [coincident.source for coincident in registers.coincidents] + list(registers.present_demands)
    for name in demands:
        if base[name].time_base != "demand" or not base[name].load:
            yield "registers.demands", f"{name} is no demand with a load"
    if any(coincident.demand >= len(registers.demands) for coincident in registers.coincidents):
        yield "registers.coincidents.demand", "there are not so many demands"
    for name in registers.present_values:
        if base[name].time_base == "demand":
            yield "registers.present_values", f"{name} is a demand"
    yield from _exact(scenario)


def _exact(scenario: Scenario) -> Iterator[Finding]:
    names = (scenario.layout.ni_format1, scenario.layout.ni_format2)
    formats = [NumberFormat(NI_CODE[name], bcd_point=scenario.quirks.bcd_point) for name in names]
    for scaling in scalings_of(scenario).values():
        key = f"source.{scaling.source.name}.pulse_value"
        try:
            raw = scaling.raw(scaling.source.fixed) if scaling.source.fixed is not None else scaling.raw_per_pulse
        except ValueError as error:
            yield key, str(error)
            continue
        if scaling.step is not None and scaling.source.time_base == "bulk" and scaling.source.load:
            raw = scaling.step
        for kind in _formats_of(scaling, scenario, formats):
            try:
                kind.encode(raw)
            except ValueError as error:
                yield key, f"one pulse: {error}"


def _formats_of(scaling: Scaling, scenario: Scenario, formats: list[NumberFormat]) -> list[NumberFormat]:
    """Demands are kept in the second format, their sums in the first; all else is in the first."""
    registers = scenario.registers
    if scaling.source.time_base != "demand":
        return formats[:1]
    kept = scaling.source.name in [demand.source for demand in registers.demands]
    return formats if kept and (registers.cumulative or registers.continuous) else formats[1:]


def _clock(scenario: Scenario) -> Iterator[Finding]:
    registers = scenario.registers
    if scenario.clock is not None:
        if scenario.layout.time_format == 0:
            yield "layout.time_format", "0 stores no times, but there is a clock"
        if scenario.clock.start is not None and scenario.clock.start.tzinfo is None:
            yield "clock.start", "a time without a zone"
        return
    if scenario.layout.time_format != 0:
        yield "layout.time_format", "a meter without a clock has time format 0"
    for key, value in (("tou", scenario.tou), ("profile", scenario.profile), ("log", scenario.log)):
        if value is not None:
            yield key, "needs a clock"
    if registers.times or registers.season_field or registers.self_reads:
        yield "registers", "times, season_field and self_reads need a clock"


def _tiers(scenario: Scenario) -> Iterator[Finding]:
    if scenario.tou is None:
        return
    if not scenario.tou.seasons:
        yield "tou.seasons", "needs at least one"
    interval = scenario.registers.demand_interval_min
    for season in scenario.tou.seasons:
        if season.begins == "02-29" or int(season.begins[3:]) > 28:
            yield "tou.seasons.begins", f"{season.begins} is not in every month: 01 to 28"
        for switches in (season.weekday, season.weekend, season.holiday):
            if not switches and switches is not season.holiday:
                yield "tou.seasons", f"season {season.begins}: a day without a switch"
            for switch in switches:
                if switch.tier >= scenario.tou.tiers:
                    yield "tou.seasons", f"tier {switch.tier} at {switch.at}: there are only {scenario.tou.tiers}"
                if int(switch.at[3:]) % interval or (interval == 60 and int(switch.at[3:])):
                    yield "tou.seasons", f"{switch.at} is not at the end of a demand interval"


def _profile(scenario: Scenario) -> Iterator[Finding]:
    if scenario.profile is None:
        return
    numbers = [str(layout.set_number) for layout in scenario.profile.sets]
    yield from (("profile.sets.set_number", f"{number} stands twice") for number in _twice(numbers))
    if scenario.profile.closure and scenario.layout.edition != 1997:
        yield "profile.closure", "only the 1997 edition has the field"
    scalings = scalings_of(scenario)
    for layout in scenario.profile.sets:
        yield from _channels(layout, scalings, scenario)


def _channels(layout: ProfileSet, scalings: Mapping[str, Scaling], scenario: Scenario) -> Iterator[Finding]:
    end_readings = scenario.profile is not None and scenario.profile.end_readings
    for channel in layout.channels:
        key = f"profile.sets.channels.{channel.source}"
        scaling = scalings[channel.source]
        if scaling.source.time_base not in ("bulk", "interval") or not scaling.source.load:
            yield key, "is no energy with a load"
            continue
        if scaling.offset:
            yield key, "has an OFFSET in ST15: what that means for an interval is not defined"
        if not layout.scaled and (channel.scalar, channel.divisor) != (1, 1):
            yield f"{key}.scalar", "needs scaled = true"
        try:
            per_pulse = Counting(scaling, channel, None, scenario.quirks.scaling).per_pulse
        except ValueError as error:
            yield key, str(error)
            continue
        if layout.item in _INTEGER_ITEMS and per_pulse != int(per_pulse):
            yield key, f"one pulse would be {per_pulse} counts: not a whole number"
        if channel.end_source and scalings[channel.end_source].source.time_base != "bulk":
            yield f"{key}.end_source", "is no bulk quantity"
        if channel.end_source and not end_readings:
            yield f"{key}.end_source", "needs profile.end_readings"


def _identity(scenario: Scenario) -> Iterator[Finding]:
    identity = scenario.identity
    if scenario.layout.id_form == "bcd":
        for key in ("meter_id", "serial_number"):
            if not getattr(identity, key).isdigit():
                yield f"identity.{key}", "BCD ids are digits only, and a serial number is needed"
    for key in set(identity.utility or {}) - _UTILITY:
        yield f"identity.utility.{key}", f"ST06 has {', '.join(sorted(_UTILITY))}"
    if scenario.installed.year < 1990:
        yield "installed", "before 1990"
