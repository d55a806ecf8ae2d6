"""What really happened at the meter's place: energy used and counted, and what nobody can read off the meter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from drivers.decimal_text import plain
from metersim.lab.channels import utc
from metersim.lab.document import HappeningPart, UsePart
from metersim.meter.calendar import wall
from metersim.meter.clock import MICROSECONDS
from metersim.meter.model import Meter, microseconds
from metersim.meter.story import Tamper

_UNSEEN = "; no check can see it"


@dataclass(frozen=True, slots=True)
class Happening:
    """Something at a true time, in microseconds."""

    at_us: int
    what: str

    def part(self) -> HappeningPart:
        """Return it as the document writes it."""
        return HappeningPart(at=utc(wall(self.at_us // MICROSECONDS)), what=self.what)


def energy_of(meter: Meter, since: datetime | None, until: datetime) -> tuple[UsePart, ...]:
    """Return by summation what was used, and what the meter counted, between two true times."""
    begin = meter.begin_us if since is None else microseconds(since)
    end = microseconds(until)
    parts = []
    for name in meter.scenario.registers.summations:
        scaling = meter.scalings[name]
        used, counted = (flows[scaling.source.load] for flows in (meter.used, meter.flows))
        amounts = [(flow.pulses_until(end) - flow.pulses_until(begin)) * scaling.per_pulse for flow in (used, counted)]
        parts.append(UsePart(source=name, unit=scaling.unit, used=plain(amounts[0]), counted=plain(amounts[1])))
    return tuple(parts)


def happenings_of(meter: Meter) -> list[Happening]:
    """Return everything of the scenario's story that happens to this meter, in order of true time."""
    return sorted([*_service(meter), *_clock(meter), *_loads(meter), *_tampering(meter)], key=lambda one: one.at_us)


def _service(meter: Meter) -> Iterator[Happening]:
    for since, to in meter.supply.outages:
        yield Happening(since, f"the service goes off for {_long((to - since) // MICROSECONDS)}")


def _clock(meter: Meter) -> Iterator[Happening]:
    for at, by in meter.planned_steps:
        yield Happening(
            at, f"somebody sets the clock {'forward' if by > 0 else 'back'} by {plain(Decimal(abs(by)).scaleb(-6))} s"
        )
    spec = meter.scenario.clock
    if spec is not None and spec.battery == "dead":
        for since, to in meter.supply.outages:
            yield Happening(to, f"the clock goes on, {_long((to - since) // MICROSECONDS)} late: its battery is dead")


def _loads(meter: Meter) -> Iterator[Happening]:
    for load in meter.scenario.loads:
        for change in load.changes:
            why = f": {change.why}" if change.why else ""
            yield Happening(microseconds(change.begins), f"{load.name} is {change.percent} % of itself{why}")
            if change.until is not None:
                yield Happening(microseconds(change.until), f"{load.name} is itself again")


def _tampering(meter: Meter) -> Iterator[Happening]:
    for tamper in meter.scenario.tampering:
        yield Happening(microseconds(tamper.begins), _what(tamper))
        if tamper.until is not None:
            yield Happening(microseconds(tamper.until), f"{tamper.kind.replace('_', ' ')} is over")


def _what(tamper: Tamper) -> str:
    load = tamper.load or "every load"
    match tamper.kind:
        case "bypass":
            return f"{tamper.percent or 100} % of {load} goes past the meter{_UNSEEN}"
        case "reversed":
            return f"the meter is turned over: {load} turns the register of {tamper.into}"
        case "lost_phase":
            return f"a phase is lost: {tamper.percent or 33} % of {load} is not measured"
        case "opened":
            return "the cover is opened"
        case "reprogrammed":
            return f"somebody makes MULTIPLIER of {tamper.source} {tamper.multiplier}"


def _long(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes) + [f"{rest} s"] * bool(rest)
    return " ".join(parts)
