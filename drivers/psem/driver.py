"""The driver for meters that speak C12.18 or C12.21 and keep C12.19 tables: one whole visit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

from drivers.base import Task
from drivers.c1219 import Context, with_quirks
from drivers.c1219.condensed import condensed
from drivers.data import ClockChange, LineReport, MeterData, Problem, SecondLook
from drivers.errors import DataError, MeterRefused, MrspError, ProtocolError, TransportError, UsageError
from drivers.memory import MeterMemory
from drivers.profiles import Profile, Profiles, load_profiles
from drivers.psem.client import PsemClient
from drivers.psem.clock_setting import set_clock
from drivers.psem.collect import CLOCK, LOGS, MANUFACTURER, REGISTERS, SOURCES, WHO, Collector
from drivers.psem.collection import Collection
from drivers.psem.kept_line import KeptLine
from drivers.psem.meaning import meter_data
from drivers.psem.newness import memory_of
from drivers.psem.place import kind_of, method_of, session_options, wiring_of
from drivers.psem.recognition import recognised
from drivers.psem.second_look import look_again
from drivers.registry import scheme_of
from drivers.transport import Transport, fastest_baud, open_transport, start_recording
from drivers.transport.dialled import DialledLine
from drivers.transport.echoing import EchoTransport

NS = 1_000_000_000


class PsemDriver:
    """Reads one meter over a serial line, a network, a call or a recording. Stateless."""

    schemes = ("serial", "tcp", "rfc2217", "modem", "modem+tcp", "replay")

    async def read(self, task: Task) -> MeterData:
        """Visit the meter; see `drivers.base.Driver.read`."""
        try:
            return await self._read(task)
        finally:
            if task.line is not None and not task.stay:
                await task.line.close()  # also after a mistake that was found before the line was used

    async def _read(self, task: Task) -> MeterData:
        profiles = load_profiles(task.profile_dirs)
        named = profiles.find(task.profile) if task.profile else None
        first = named or profiles.generic
        if first.psem.authenticate == "required" and task.password is None:
            raise UsageError(f"the profile {first.name} requires Authenticate, and there is no password for its key")
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
            data = replace(
                data,
                broken=broken,
                clock_change=one.clock_change,
                line=_line_report(client, line, task.monotonic_ns() - started_ns),
                memory=_memory(client, collector.collection, data),
                problems=(*data.problems, *remarks),
            )
        return replace(data, problems=(*data.problems, *_remarks_on_the_call(line)))


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
            await self.client.hold()
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
        standard = self.client.identity.standard if self.client.identity is not None else None
        return replace(data, registers_ns=self._registers_ns, method=method_of(self.client.wiring.kind, standard))

    def _told(self, again: tuple[SecondLook, ...]) -> MeterData:
        return replace(self.data(), again=again)


@asynccontextmanager
async def opened(task: Task, profile: Profile) -> AsyncIterator[tuple[PsemClient, Collector, Transport]]:
    """Open the line of `task` as the profile says, or take the one that is open; recorded if the task asks for it.

    At the end the line is closed, and a call thereby ended, unless the task is to stay on it.
    """
    if task.stay and task.line is None:
        raise UsageError("a visit that stays on the line needs one that is open already")
    async with AsyncExitStack() as stack:
        profiled = profile.line_options() if scheme_of(task.url) == "serial" else {}
        options = {**profiled, **task.options}
        line = KeptLine(task.line) if task.line is not None and task.stay else task.line
        if line is None:
            line = await open_transport(task.url, options)
        stack.push_async_callback(line.close)
        transport = line
        if task.record is not None:
            transport = start_recording(line, task.record, monotonic_ns=task.monotonic_ns)
            stack.push_async_callback(transport.close)
        remembered = task.memory.line if task.memory is not None else None
        kind = kind_of(task, line)
        client = PsemClient(
            transport,
            session_options(task, profile, kind),
            remembered=remembered,
            fastest_baud=fastest_baud(task.url, options) if task.line is None else 0,
            wiring=wiring_of(task, profile, kind),
        )
        context = Context(quirks=profile.quirks())
        yield client, Collector(client, context, progress=task.progress, monotonic_ns=task.monotonic_ns), line


def _memory(client: PsemClient, collection: Collection, data: MeterData) -> MeterMemory:
    sets, logs = memory_of(collection, data)
    return MeterMemory(data.identity.meter_id, line=client.line_memory(), sets=sets, logs=logs)


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


def _remarks_on_the_call(line: Transport) -> tuple[Problem, ...]:
    """Return what is to be said once the call is over: whether it really is."""
    remarks = line.remarks() if isinstance(line, DialledLine) else ()
    return tuple(Problem("line", remark, lost=False) for remark in remarks)


def _line_report(client: PsemClient, line: Transport, elapsed_ns: int) -> LineReport:
    statistics = client.statistics
    below = line.inner if isinstance(line, KeptLine) else line
    return LineReport(
        seconds=Decimal(elapsed_ns) / NS,
        bytes_sent=statistics.bytes_sent,
        bytes_received=statistics.bytes_received,
        retries=statistics.retries + statistics.recoveries,
        packet_size=statistics.packet_size,
        baud=statistics.baud,
        echo=isinstance(below, EchoTransport) and below.echo == "on",
    )
