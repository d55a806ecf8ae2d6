"""A whole bench: three instruments and one meter in one world, served while a context lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from random import Random

from drivers.instruments.library import load_instruments
from drivers.instruments.schema import InstrumentProfile, Kind
from metersim.instruments.counter import CounterDevice
from metersim.instruments.element import Element
from metersim.instruments.faults import KINDS, Faults
from metersim.instruments.meter import connect
from metersim.instruments.server import Socket, served
from metersim.instruments.source import SourceDevice
from metersim.instruments.standard import StandardDevice
from metersim.instruments.world import World
from metersim.meter.scenario import Scenario
from metersim.meter.serving import RunningMeter, Serving, serve_meter

_PPB_OF_PERCENT = 10**7
_SOURCE_SPREAD_PPM = 500


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """How a bench is to be served. `standard_error_ppb`: None draws it from the seed, within the standard's accuracy.

    Time runs at `rate` (virtual seconds a second), and `step_us` pass whenever an instrument is asked how far it is.
    """

    scenario: Scenario
    now: datetime
    element: Element
    seed: int = 1
    rate: int = 1
    step_us: int = 0
    standard_error_ppb: int | None = None
    profiles: Mapping[Kind, str] = field(default_factory=dict)
    faults: Mapping[str, Faults] = field(default_factory=dict)
    ports: Mapping[Kind, int] = field(default_factory=dict)
    meter_port: int | None = None  # None: a pty

    def profile(self, kind: Kind) -> InstrumentProfile:
        """Return the profile of an instrument. Raises `UsageError`."""
        return load_instruments().find(self.profiles.get(kind, f"metersim-{kind}"))


@dataclass
class RunningBench:
    """A bench that is served: VISA resources, the meter, and the world that they share."""

    source: Socket
    standard: Socket
    counter: Socket
    meter: RunningMeter
    world: World

    @property
    def sockets(self) -> dict[str, Socket]:
        """The instruments by kind."""
        return {"source": self.source, "standard": self.standard, "counter": self.counter}


def world_of(options: BenchOptions, meter: RunningMeter) -> World:
    """Return the world around a meter, and let it turn the meter."""
    draw = Random(f"{options.seed}/bench")
    standard = options.profile("standard").standard
    limit = int(Decimal(standard.accuracy.percent) * _PPB_OF_PERCENT) if standard else 0
    drawn = draw.randint(-limit, limit)
    spread = _SOURCE_SPREAD_PPM
    world = World(
        options.element,
        meter.true_us,
        meter.application.skip,
        seed=options.seed,
        standard_error_ppb=drawn if options.standard_error_ppb is None else options.standard_error_ppb,
        source_error_ppm=(draw.randint(-spread, spread), draw.randint(-spread, spread)),
        step_us=options.step_us,
    )
    connect(meter.meter, world)
    return world


@asynccontextmanager
async def running_bench(options: BenchOptions) -> AsyncIterator[RunningBench]:
    """Serve a bench while the context lasts. Raises `UsageError`, and `OSError` if a port cannot be had."""
    faults = {kind: options.faults.get(kind, Faults()) for kind in KINDS}
    standard_profile = options.profile("standard")
    ratio = standard_profile.standard.pulses_per_wh if standard_profile.standard else None
    serving = Serving(options.scenario, options.now, options.seed, options.meter_port, rate=options.rate)
    async with serve_meter(serving) as meter:
        world = world_of(options, meter)
        source = SourceDevice(options.profile("source"), world, faults["source"], asyncio.get_running_loop().call_later)
        standard = StandardDevice(standard_profile, world, faults["standard"])
        counter = CounterDevice(
            options.profile("counter"), world, faults["counter"], None if ratio is None else Decimal(ratio)
        )
        try:
            async with (
                served(source, options.ports.get("source", 0)) as one,
                served(standard, options.ports.get("standard", 0)) as two,
                served(counter, options.ports.get("counter", 0)) as three,
            ):
                yield RunningBench(one, two, three, meter, world)
        finally:
            source.stop()
