"""The driver for meters that speak C12.18 or C12.21 and keep C12.19 tables: one whole visit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

from drivers.base import Task
from drivers.c1219 import Context, with_quirks
from drivers.c1219.condensed import condensed
from drivers.data import ClockChange, LineReport, MeterData, Method, Problem, SecondLook
from drivers.errors import DataError, MeterRefused, MrspError, ProtocolError, TransportError
from drivers.memory import MeterMemory
from drivers.profiles import Profile, Profiles, load_profiles
from drivers.psem.client import PsemClient
from drivers.psem.clock_setting import set_clock
from drivers.psem.collect import CLOCK, LOGS, MANUFACTURER, REGISTERS, SOURCES, WHO, Collector
from drivers.psem.collection import Collection
from drivers.psem.meaning import meter_data
from drivers.psem.newness import memory_of
from drivers.psem.options import PsemOptions
from drivers.psem.recognition import recognised
from drivers.psem.second_look import look_again
from drivers.registry import scheme_of
from drivers.transport import Transport, fastest_baud, open_transport, start_recording
from drivers.transport.echoing import EchoTransport

NETWORK_INTER_CHARACTER_S = 2.0
NS = 1_000_000_000


class PsemDriver:
    """Reads one meter over a serial line, TCP or a recording. Stateless."""

    schemes = ("serial", "tcp", "replay")

    async def read(self, task: Task) -> MeterData:
        """Visit the meter; see `drivers.base.Driver.read`."""
        profiles = load_profiles(task.profile_dirs)
        named = profiles.find(task.profile) if task.profile else None
        first = named or profiles.generic
        started_ns = task.monotonic_ns()
        async with opened(task, first) as (client, collector, line):
            broken: Exception | None = None
            one = _Visit(task, client, collector, first)
            try:
                async with client.session(task.password):
                    await one.carry_out(profiles, named)
            except (TransportError, ProtocolError) as error:
                broken = error.at(task.url)
            except MrspError as error:
                raise error.at(task.url) from error.__cause__
            data = one.data()
            _refuse_nothing(task, data, collector.collection, broken)
            remarks = tuple(Problem("line", remark, lost=False) for remark in client.remarks())
            return replace(
                data,
                broken=broken,
                clock_change=one.clock_change,
                line=_line_report(client, line, task.monotonic_ns() - started_ns),
                memory=_memory(client, collector.collection, data),
                problems=(*data.problems, *remarks),
            )


@dataclass(slots=True)
class _Visit:
    """One session: what it is to do, and how far it came."""

    task: Task
    client: PsemClient
    collector: Collector
    profile: Profile
    clock_change: ClockChange | None = None
    _registers_ns: int | None = None
    _again: tuple[SecondLook, ...] = ()
    _made: MeterData | None = None  # with the first so many problems of the collection
    _problems: int = 0

    async def carry_out(self, profiles: Profiles, named: Profile | None) -> None:
        """Read everything, once more what deserves it, and correct the clock. Raises what ends the session."""
        task, collector = self.task, self.collector
        if task.since is not None:
            collector.only_new(task.since, task.memory, site_zone=task.site_zone)
        await collector.configuration()
        await collector.tables(WHO)
        self.profile = named or recognised(profiles, collector.context)
        collector.context = with_quirks(collector.context, self.profile.quirks())
        await self._collect()
        if task.second_look is not None:
            self._made, self._problems = self.data(), len(collector.collection.problems)
            self._again, lost = await look_again(self.client, collector.collection, self.profile, task, self._told)
            if lost is not None and task.clock_order is not None:
                raise lost  # there is no session left to set the clock in
        self.clock_change = await set_clock(self.client, collector, task)

    async def _collect(self) -> None:
        """Read what the task wants: registers first, since they are what a bill needs most."""
        collector = self.collector
        await collector.tables(SOURCES)
        await collector.clock()
        await collector.tables(CLOCK)
        await collector.tables(REGISTERS)
        await collector.dials()
        for number in self.profile.register_tables():
            if number - MANUFACTURER in collector.context.st00.mfg_tbls_used:
                await collector.table(number)
        self._registers_ns = self.task.monotonic_ns()
        if not self.task.registers_only:
            await collector.profile()
            await collector.tables(LOGS)

    def data(self) -> MeterData:
        """Return what has been brought home so far, and what it means."""
        collection = self.collector.collection
        if self._made is not None:  # the meaning of a long profile takes its time
            later = collection.problems[self._problems :]
            return replace(self._made, again=self._again, problems=condensed((*self._made.problems, *later)))
        data = meter_data(collection, self.profile, site_zone=self.task.site_zone)
        return replace(data, registers_ns=self._registers_ns, method=_method(self.task, self.client))

    def _told(self, again: tuple[SecondLook, ...]) -> MeterData:
        return replace(self.data(), again=again)


@asynccontextmanager
async def opened(task: Task, profile: Profile) -> AsyncIterator[tuple[PsemClient, Collector, Transport]]:
    """Open the line of `task` as the profile says, recorded if the task asks for it; close it at the end."""
    async with AsyncExitStack() as stack:
        profiled = profile.line_options() if scheme_of(task.url) == "serial" else {}
        options = {**profiled, **task.options}
        line = await open_transport(task.url, options)
        stack.push_async_callback(line.close)
        transport = line
        if task.record is not None:
            transport = start_recording(line, task.record, monotonic_ns=task.monotonic_ns)
            stack.push_async_callback(transport.close)
        remembered = task.memory.line if task.memory is not None else None
        client = PsemClient(
            transport,
            session_options(task, profile),
            remembered=remembered,
            fastest_baud=fastest_baud(task.url, options),
        )
        context = Context(quirks=profile.quirks())
        yield client, Collector(client, context, progress=task.progress, monotonic_ns=task.monotonic_ns), line


def session_options(task: Task, profile: Profile) -> PsemOptions:
    """Return how to speak to the meter: the profile, the task's user, and networks that pause within a packet."""
    base = PsemOptions()
    if scheme_of(task.url) == "tcp":
        base = replace(base, timing=replace(base.timing, inter_character_s=NETWORK_INTER_CHARACTER_S))
    options = profile.psem_options(base)
    if task.user_id is not None:
        options = replace(options, user_id=task.user_id)
    if task.user is not None:
        options = replace(options, user=task.user)
    return options


def _memory(client: PsemClient, collection: Collection, data: MeterData) -> MeterMemory:
    sets, logs = memory_of(collection, data)
    return MeterMemory(data.identity.meter_id, line=client.line_memory(), sets=sets, logs=logs)


def _method(task: Task, client: PsemClient) -> Method:
    """Call it optical where a probe is: on a serial line, and on a network line to a meter that speaks C12.18."""
    over_network = scheme_of(task.url) == "tcp"
    return "cellular" if over_network and client.identity is not None and client.identity.standard != 0 else "optical"


def _refuse_nothing(task: Task, data: MeterData, collection: Collection, broken: Exception | None) -> None:
    """Raise what went wrong where nothing billable came of the visit."""
    if data.registers or data.blocks:
        return
    if broken is not None:
        raise broken
    refused = collection.failures.get("ST23")  # the registers: their refusal says most
    if isinstance(refused, MeterRefused):
        raise refused.at(task.url)
    reasons = "; ".join(f"{problem.what}: {problem.reason}" for problem in data.problems if problem.lost)
    raise DataError(
        f"no register and no interval could be read{': ' if reasons else ''}{reasons}",
        advice="`mrsp tables URL` shows what the meter has",
    ).at(task.url)


def _line_report(client: PsemClient, line: Transport, elapsed_ns: int) -> LineReport:
    statistics = client.statistics
    return LineReport(
        seconds=Decimal(elapsed_ns) / NS,
        bytes_sent=statistics.bytes_sent,
        bytes_received=statistics.bytes_received,
        retries=statistics.retries + statistics.recoveries,
        packet_size=statistics.packet_size,
        baud=statistics.baud,
        echo=isinstance(line, EchoTransport) and line.echo == "on",
    )
