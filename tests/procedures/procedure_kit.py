"""A simulated meter on a virtual line, a collector that has read it, and a journal that remembers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from drivers.base import Task
from drivers.c1219 import Context
from drivers.data import ClockChange
from drivers.psem.client import PsemClient
from drivers.psem.clock_setting import set_clock
from drivers.psem.collect import CLOCK, SOURCES, WHO, Collector
from drivers.psem.options import PsemOptions, Timing
from drivers.secret import Secret
from drivers.writes import ClockOrder, MeterWrite, WriteOutcome
from metersim.meter import Meter
from metersim.meter.application import Application
from metersim.meter.faults import parse_faults
from metersim.meter.model import microseconds
from metersim.meter.scenario import Scenario
from metersim.meter.tables.image import Image
from tests.psem.lines import Line, clock, run
from tests.young_meters import young

NOW = datetime(2026, 11, 21, 15, 7, 33, tzinfo=UTC)  # 10:07:33 in the meters' zone
MASTER = Secret(b"11111111")


@dataclass
class Notebook:
    """Implements `Journal`; `full` is raised instead of taking anything down."""

    lines: list[tuple[str, MeterWrite, str, str]] = field(default_factory=list)
    full: Exception | None = None
    full_after: Exception | None = None
    on_before: Callable[[], None] = lambda: None

    def before(self, write: MeterWrite) -> None:
        self.on_before()
        if self.full is not None:
            raise self.full
        self.lines.append(("before", write, "", ""))

    def after(self, write: MeterWrite, outcome: WriteOutcome, detail: str) -> None:
        if self.full_after is not None:
            raise self.full_after
        self.lines.append(("after", write, outcome, detail))

    @property
    def outcomes(self) -> list[str]:
        return [outcome for kind, _, outcome, _ in self.lines if kind == "after"]


def shortened(name: str) -> Scenario:
    """A scenario with less of a past, so that a meter is made at once."""
    return young(name, NOW, days=154, blocks=3)


class World:
    """One meter at the far end of one line; its true time runs with the virtual loop's."""

    def __init__(
        self,
        scenario: str | Scenario = "residential-tou",
        *faults: str,
        now: datetime = NOW,
        baud: int = 9600,
        options: PsemOptions | None = None,
    ) -> None:
        self.now = now
        self._loop = asyncio.get_running_loop()
        self.began = clock()
        chosen = scenario if isinstance(scenario, Scenario) else young(scenario, now, blocks=3)
        self.faults = parse_faults(faults)
        self.meter = Meter(chosen, 1, microseconds(now), self.faults.mishaps)
        self.application = Application(self.meter, Image(self.meter), self.faults, self.true_us, clock)
        self.written: list[bytes] = []
        self._write = self.application.write_table
        self.application.write_table = self._written  # type: ignore[method-assign]
        self.line = Line(self.application, baud=baud)  # type: ignore[arg-type]
        self.options = options or PsemOptions()
        self.client = PsemClient(self.line, self.options, clock=clock)
        self.notebook = Notebook()
        self.collector = Collector(
            self.client, Context(), progress=lambda _progress: None, monotonic_ns=self.monotonic_ns
        )

    def _written(self, table: int, offset: int | None, data: bytes) -> Any:
        self.written.append(data)
        return self._write(table, offset, data)

    def true_us(self) -> int:
        return microseconds(self.now) + round((self._loop.time() - self.began) * 1_000_000)

    def monotonic_ns(self) -> int:
        return round(self._loop.time() * 1_000_000_000)

    def utc_at(self, monotonic_ns: int) -> datetime:
        return self.now + timedelta(microseconds=round(monotonic_ns / 1000 - self.began * 1_000_000))

    @property
    def off_s(self) -> float:
        """Meter minus true time."""
        return (self.meter.clock.shows(self.true_us()) - self.true_us()) / 1_000_000

    def order(self, over: str = "0", most: str = "600") -> ClockOrder:
        return ClockOrder(self.utc_at, self.notebook, Decimal(over), Decimal(most))

    def task(self, order: ClockOrder | None = None, **changes: Any) -> Task:
        return Task(url="line", clock_order=order, monotonic_ns=self.monotonic_ns, **changes)

    async def collect(self) -> None:
        """Read what a visit has read before the clock is set."""
        await self.collector.configuration()
        await self.collector.tables(WHO)
        await self.collector.tables(SOURCES)
        await self.collector.clock()
        await self.collector.tables(CLOCK)


def visit(story: Callable[[World], Awaitable[None]], *arguments: Any, **changes: Any) -> World:
    """Run `story` inside a session with a meter that may be written to."""

    async def main() -> World:
        world = World(*arguments, **changes)
        async with world.client.session(MASTER):
            await world.collect()
            await story(world)
        await world.line.delivered()
        return world

    return run(main())


def corrected(
    *arguments: Any,
    order: dict[str, str] | None = None,
    prepare: Callable[[World], None] | None = None,
    task: dict[str, Any] | None = None,
    **changes: Any,
) -> tuple[World, ClockChange | None]:
    """Have the clock of a meter set; return the world afterwards, and what became of it."""
    found: list[ClockChange | None] = []

    async def story(world: World) -> None:
        if prepare is not None:
            prepare(world)
        found.append(
            await set_clock(world.client, world.collector, world.task(world.order(**(order or {})), **(task or {})))
        )

    return visit(story, *arguments, **changes), found[0]


NETWORK = PsemOptions(timing=Timing(response_s=5.0, inter_character_s=2.0))
