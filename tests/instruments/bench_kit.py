"""A whole simulated bench in virtual time, and the instruments of it, for the tests here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal

from msgspec import structs

from drivers.instruments import (
    Counter,
    InstrumentProfile,
    Source,
    Standard,
    load_instruments,
    open_counter,
    open_source,
    open_standard,
)
from drivers.instruments.schema import Kind, Line
from metersim.instruments.element import Element
from metersim.instruments.faults import parse_faults
from metersim.instruments.meter import DEFAULT, kh_microwatthours
from metersim.instruments.serving import BenchOptions, RunningBench, running_bench
from metersim.meter.scenario_file import load_scenario

PROFILES = load_instruments()
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
SCENARIO = structs.replace(load_scenario(DEFAULT), installed=date(2026, 11, 20))  # a short history is soon made
KH = Decimal("7.2")
STEP_US = 10_000_000


def profile(kind: Kind, *, timeout_s: float | None = None) -> InstrumentProfile:
    """The simulator's own profile of a kind, with less patience where silence is what is tested."""
    one = PROFILES.find(f"metersim-{kind}")
    if timeout_s is None:
        return one
    line: Line = structs.replace(one.line, timeout_s=timeout_s)
    return structs.replace(one, line=line)


def options(*faults: str, element: Element | None = None, seed: int = 1, **more: object) -> BenchOptions:
    """A bench in virtual time around a meter without error, with a standard without error."""
    usual = BenchOptions(
        SCENARIO,
        NOW,
        element or Element(kh_microwatthours=kh_microwatthours(SCENARIO), seed=seed),
        seed,
        rate=0,
        step_us=STEP_US,
        standard_error_ppb=0,
        faults=parse_faults(faults),
        meter_port=0,
    )
    return replace(usual, **more)  # type: ignore[arg-type]


@dataclass
class Bench:
    """What is served, and what speaks to it."""

    served: RunningBench
    source: Source
    standard: Standard
    counter: Counter

    async def set(self, volts: str = "240", amps: str = "30", factor: str = "1", *, leading: bool = False) -> None:
        await self.source.set_output(
            volts=Decimal(volts),
            amps=Decimal(amps),
            frequency_hz=Decimal(60),
            power_factor=Decimal(factor),
            leading=leading,
        )

    async def point(self, pulses: int = 20) -> Decimal:
        """Percentage registration over so many pulses, by the standard's pulses within the counter's gate."""
        await self.counter.arm(pulses)
        while not await self.counter.is_done(pulses):
            pass
        reference = await self.counter.reference_count()
        assert reference is not None
        assert self.standard.pulses_per_wh is not None
        assert await self.counter.count() == pulses
        return KH * pulses * self.standard.pulses_per_wh / reference * 100


@asynccontextmanager
async def bench(*faults: str, element: Element | None = None, seed: int = 1, **more: object) -> AsyncIterator[Bench]:
    """Serve a bench and open all of its instruments."""
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(running_bench(options(*faults, element=element, seed=seed, **more)))
        standard = await stack.enter_async_context(open_standard(profile("standard"), served.standard.resource))
        counter = await stack.enter_async_context(open_counter(profile("counter"), served.counter.resource))
        source = await stack.enter_async_context(open_source(profile("source"), served.source.resource))
        yield Bench(served, source, standard, counter)
