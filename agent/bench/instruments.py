"""The instruments of one test: what the bench needs of them, and how they are opened. Nothing here is energised."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from agent.bench.errors import LIVE, BenchRefused, SourceNotOff
from agent.bench.limits import HardLimits
from agent.bench.preparing import Ready
from agent.bench.settings import InstrumentSection
from drivers.instruments import open_counter, open_source, open_standard
from drivers.instruments.errors import OutputStillOn
from drivers.instruments.instrument import Instrument
from drivers.instruments.schema import Kind
from drivers.instruments.values import InstrumentIdentity, Measured, Setting


class SourceLike(Protocol):
    """An AC source, as `drivers.instruments.Source` is."""

    @property
    def name(self) -> str: ...
    @property
    def has_watchdog(self) -> bool: ...
    async def apply(self, setting: Setting) -> None: ...
    async def on(self) -> None: ...
    async def off(self) -> None: ...
    async def is_on(self) -> bool: ...
    async def is_locked_out(self) -> bool: ...
    async def watch(self, seconds: int) -> None: ...
    async def measured(self) -> Measured: ...


class StandardLike(Protocol):
    """A reference standard, as `drivers.instruments.Standard` is."""

    @property
    def name(self) -> str: ...
    @property
    def resolution_wh(self) -> Decimal: ...
    @property
    def pulses_per_wh(self) -> Decimal | None: ...
    @property
    def tells_elapsed(self) -> bool: ...
    async def reset(self) -> None: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def energy_wh(self) -> Decimal: ...
    async def elapsed_s(self) -> Decimal | None: ...
    async def watts(self) -> Decimal | None: ...


class CounterLike(Protocol):
    """A pulse counter, as `drivers.instruments.Counter` is."""

    @property
    def name(self) -> str: ...
    @property
    def counts_reference(self) -> bool: ...
    @property
    def tells_gate(self) -> bool: ...
    async def arm(self, pulses: int) -> None: ...
    async def disarm(self) -> None: ...
    async def count(self) -> int: ...
    async def is_done(self, pulses: int) -> bool: ...
    async def reference_count(self) -> int | None: ...
    async def gate_s(self) -> Decimal | None: ...


@dataclass(frozen=True, slots=True)
class Bench:
    """Open instruments, and the limits that each setting is held against."""

    source: SourceLike
    standard: StandardLike
    counter: CounterLike
    limits: HardLimits


@asynccontextmanager
async def opened(ready: Ready) -> AsyncIterator[tuple[Bench, dict[Kind, InstrumentIdentity]]]:
    """Open the instruments, the source last, and leave it off.

    Raises `BenchRefused`, `InstrumentError`, and `SourceNotOff` unless the source says at the end that it is off.
    """
    try:
        async with _opened(ready) as found:
            yield found
    except OutputStillOn as error:
        raise SourceNotOff(f"{error.meter} does not say that it is off: {error.message}", advice=LIVE) from error


@asynccontextmanager
async def _opened(ready: Ready) -> AsyncIterator[tuple[Bench, dict[Kind, InstrumentIdentity]]]:
    library = ready.visa_library
    async with AsyncExitStack() as stack:
        standard = await stack.enter_async_context(
            open_standard(ready.standard.profile, ready.standard.section.resource, backend=library)
        )
        _check_serial(standard, ready.standard.section)
        counter = await stack.enter_async_context(
            open_counter(ready.counter.profile, ready.counter.section.resource, backend=library)
        )
        _check_serial(counter, ready.counter.section)
        source = await stack.enter_async_context(
            open_source(ready.source.profile, ready.source.section.resource, backend=library)
        )
        _check_serial(source, ready.source.section)
        identities: dict[Kind, InstrumentIdentity] = {
            "source": source.identity, "standard": standard.identity, "counter": counter.identity
        }  # fmt: skip
        yield Bench(source, standard, counter, ready.limits), identities


def _check_serial(one: Instrument, section: InstrumentSection) -> None:
    told = one.identity.serial_number
    if section.serial_number is not None and told != section.serial_number:
        raise BenchRefused(
            f"{one.name} says that its serial number is {told!r}; the instrument {section.name}, certificate"
            f" {section.certificate}, is {section.serial_number!r}",
            advice="its calibration is that of another one; correct the connection or the configuration",
        )
