"""The simulated meter at the end of the bench: its registers go on by what its element registers, not by its scenario.

Until the world begins the scenario's load has turned it; from then on only the load of delivered active energy moves,
and the others stand still. Its optical port answers also while the source is off, as with an auxiliary supply.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from drivers.errors import UsageError
from metersim.instruments.physics import PER_WH
from metersim.instruments.world import World
from metersim.meter.load import Flow
from metersim.meter.model import Meter
from metersim.meter.scenario import Scenario, Source

DEFAULT = Path(__file__).with_name("bench-meter.toml")
_PREFIX = {"": 1, "k": 10**3, "M": 10**6}


class DrivenFlow(Flow):
    """A load by the scenario until `begin_us`, and from then on what `pulses` says came after it."""

    def __init__(self, before: Flow, begin_us: int, pulses: Callable[[int], int]) -> None:
        vars(self).update(vars(before))  # it is the same load, until then
        self._begin_us = begin_us
        self._pulses = pulses

    def pulses_until(self, true_us: int) -> int:
        """Pulses from installation until this instant."""
        before = super().pulses_until(min(true_us, self._begin_us))
        return before + self._pulses(true_us) if true_us > self._begin_us else before


def driven_source(scenario: Scenario) -> Source:
    """Return the source whose load the bench turns: the first of delivered active energy. Raises `UsageError`."""
    for source in scenario.sources:
        if (source.quantity, source.direction, source.time_base) == ("W", "delivered", "bulk") and source.load:
            return source
    raise UsageError(f"the meter {scenario.title!r} has no register of delivered Wh", advice="take another --scenario")


def register_pulse(scenario: Scenario) -> int:
    """Return the energy at the terminals that one pulse of the driven load is worth. Raises `UsageError`."""
    source = driven_source(scenario)
    value = source.pulse_value * _PREFIX[source.prefix] * PER_WH
    pulse = value if source.ct is None else value / (source.ct * source.vt)
    if pulse != int(pulse):
        raise UsageError(f"a pulse of {source.name} is no whole energy behind its transformers")
    return int(pulse)


def kh_microwatthours(scenario: Scenario) -> int:
    """Return the energy of a test pulse by the nameplate. Raises `UsageError`."""
    nameplate = scenario.nameplate
    if nameplate is None:
        raise UsageError(f"the meter {scenario.title!r} has no nameplate: no Kh", advice="take another --scenario")
    return int(Decimal(nameplate.kh.strip()) * 10**6)


def connect(meter: Meter, world: World) -> None:
    """Let the world turn this meter from its begin on."""
    driven = driven_source(meter.scenario)
    pulse = register_pulse(meter.scenario)

    def pulses(true_us: int) -> int:
        return world.registered.at(true_us) // pulse

    for name, flow in meter.flows.items():
        meter.flows[name] = DrivenFlow(flow, world.begin_us, pulses if name == driven.load else _still)


def _still(_true_us: int) -> int:
    return 0
