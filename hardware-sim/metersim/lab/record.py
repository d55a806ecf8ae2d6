"""What is on record about a meter before a visit: as it was installed, and as the visit before found it."""

from __future__ import annotations

from datetime import datetime

from drivers.decimal_text import plain
from metersim.lab.channels import utc
from metersim.lab.document import MultiplierPart, PastRegisterPart, RecordPart
from metersim.meter.model import Meter, scalings_of
from metersim.meter.quantity import Scaling
from metersim.meter.scenario import Scenario
from metersim.meter.truth import Truth

_ZONES = {-300: "America/New_York", -360: "America/Chicago", -420: "America/Denver", -480: "America/Los_Angeles"}


def record_of(meter: Meter, before: Truth | None, since: datetime | None) -> RecordPart:
    """Return what whoever installed the meter wrote down, with the summations of the visit before, if there was one."""
    scenario = meter.scenario
    past = [one for one in before.registers if one.table == "ST23" and one.kind == "cumulative"] if before else []
    return RecordPart(
        meter_id=scenario.identity.meter_id,
        zone=zone_of(scenario),
        dials=scenario.registers.dials,
        channels=sum(len(memory.countings) for memory in meter.memories.values()) or None,
        last_read_at=None if since is None else utc(since),
        registers=tuple(
            PastRegisterPart(
                quantity=one.quantity, direction=one.direction, tier=one.tier, value=plain(one.value), phase=one.phase
            )
            for one in past
        ),
        multipliers=_multipliers(scenario),
    )


def _multipliers(scenario: Scenario) -> tuple[MultiplierPart, ...]:
    """Return the multipliers of the summations, as they are before anybody changed them; of each kind once."""
    scalings = scalings_of(scenario)
    found: dict[tuple[str, str], Scaling] = {}
    for name in scenario.registers.summations:
        scaling = scalings[name]
        direction = "total" if scaling.source.direction == "none" else scaling.source.direction
        found.setdefault((scaling.unit, direction), scaling)
    return tuple(
        MultiplierPart(quantity=unit, direction=direction, multiplier=plain(scaling.multiplier))
        for (unit, direction), scaling in found.items()
    )


def zone_of(scenario: Scenario) -> str | None:
    """Return the IANA name of the zone in which the meter's days are counted, if it has one."""
    clock = scenario.clock
    if clock is None:
        return None
    if clock.dst == "united_states" and clock.shows == "local":
        return _ZONES.get(clock.zone_min)
    hours, minutes = divmod(-clock.zone_min, 60)
    if minutes:
        return None
    return f"Etc/GMT{hours:+d}" if hours else "UTC"
