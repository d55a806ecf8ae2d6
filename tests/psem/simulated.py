"""A whole simulated meter on the virtual line, visited as the driver does it: time passes only where somebody waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from drivers.base import Progress
from drivers.c1219 import Context
from drivers.data import MeterData
from drivers.errors import LineLost
from drivers.memory import MeterMemory
from drivers.profiles import load_profiles
from drivers.psem import PsemClient
from drivers.psem.client import SessionStatistics
from drivers.psem.codes import ResponseCode
from drivers.psem.collect import CLOCK, LOGS, REGISTERS, SOURCES, WHO, Collector
from drivers.psem.meaning import meter_data
from drivers.psem.meter import MeterLimits
from drivers.psem.newness import memory_of
from drivers.secret import Secret
from metersim.meter.application import Application
from metersim.meter.faults import Faults
from metersim.meter.model import Meter, microseconds
from metersim.meter.scenario import Scenario
from metersim.meter.tables.image import Image
from metersim.meter.truth import Truth, truth_of
from tests.psem.lines import Line, clock, run
from tests.young_meters import young


@dataclass
class Visited:
    """What a visit brought home, and what it cost."""

    data: MeterData
    collector: Collector
    statistics: SessionStatistics
    line: Line
    progress: list[Progress]

    @property
    def octets(self) -> int:
        return self.statistics.bytes_sent + self.statistics.bytes_received

    def memory(self) -> MeterMemory:
        sets, logs = memory_of(self.collector.collection, self.data)
        return MeterMemory(self.data.identity.meter_id, sets=sets, logs=logs)

    def reasons(self, *, lost: bool | None = None) -> list[str]:
        return [f"{p.what}: {p.reason}" for p in self.data.problems if lost is None or p.lost == lost]


@dataclass
class SimulatedMeter:
    """One meter at one virtual moment. Time stands still in a visit, but for what `before_read` adds to `passed`."""

    scenario: Scenario
    now: datetime
    seed: int = 1
    meter: Meter = field(init=False)
    image: Image = field(init=False)
    line: Line = field(init=False)
    tamper: Callable[[int, bytes], bytes] = lambda _table, octets: octets  # what a table answers instead
    before_read: Callable[[int, int | None, int | None], ResponseCode | None] = lambda _table, _offset, _count: None
    passed: timedelta = timedelta()
    unnoticed: bool = False  # the reader's own clock does not see what `passed`
    baud: int = 9600

    def __post_init__(self) -> None:
        self.meter = Meter(self.scenario, self.seed, microseconds(self.now))
        self.image = Image(self.meter)

    @classmethod
    def named(cls, name: str, now: datetime) -> SimulatedMeter:
        return cls(young(name, now), now)

    def later(self, by: timedelta) -> SimulatedMeter:
        """The same meter, some time after."""
        self.now += by
        return self

    def truth(self) -> Truth:
        return truth_of(self.meter, microseconds(self.now))

    def visit(self, since: datetime | None = None, memory: MeterMemory | None = None) -> Visited:
        """Read everything, or what is new since; the meter's time begins at `now`."""
        return run(self._visit(since, memory))

    def _passed_us(self) -> int:
        return self.passed // timedelta(microseconds=1)

    async def _visit(self, since: datetime | None, memory: MeterMemory | None) -> Visited:
        self.passed = timedelta()
        loop = asyncio.get_running_loop()
        start = microseconds(self.now)
        application = _Tampering(self.meter, self.image, Faults(), lambda: start + self._passed_us(), loop.time)
        application.simulated = self
        psem = self.scenario.psem
        limits = MeterLimits(
            packet_size=psem.packet_size,
            packets=psem.packets,
            too_long=ResponseCode[self.scenario.layout.too_long.upper()],
        )
        line = self.line = Line(application, limits=limits, baud=self.baud)  # type: ignore[arg-type]
        client = PsemClient(line, clock=clock)
        generic = load_profiles(()).generic
        told: list[Progress] = []
        collector = Collector(
            client,
            Context(quirks=generic.quirks()),
            progress=told.append,
            monotonic_ns=lambda: 0 if self.unnoticed else self._passed_us() * 1000,
        )
        if since is not None:
            collector.only_new(since, memory)
        broken: Exception | None = None
        try:
            async with client.session(Secret(psem.passwords[0].password.encode())):
                await collector.configuration()
                for group in (WHO, SOURCES):
                    await collector.tables(group)
                await collector.clock()
                await collector.tables((*CLOCK, *REGISTERS))
                await collector.profile()
                await collector.tables(LOGS)
        except LineLost as error:
            broken = error
        data = replace(meter_data(collector.collection, generic, site_zone=None), broken=broken)
        return Visited(data, collector, client.statistics, line, told)


class _Tampering(Application):
    simulated: SimulatedMeter

    def read_table(self, table: int, offset: int | None, count: int | None) -> bytes | ResponseCode:
        refusal = self.simulated.before_read(table, offset, count)
        return refusal or super().read_table(table, offset, count)

    def _octets(self, table: int, *, fresh: bool) -> bytes | None:
        octets = super()._octets(table, fresh=fresh)
        return None if octets is None else self.simulated.tamper(table, octets)


def days(number: float) -> timedelta:
    return timedelta(days=number)
