"""The driver for meters that speak C12.18 or C12.21 and keep C12.19 tables: one whole visit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from decimal import Decimal

from drivers.base import Task
from drivers.c1219 import Context
from drivers.c1219.decade0 import ManufacturerIdentification
from drivers.c1219.identity import identity_of
from drivers.data import LineReport, MeterData, Method
from drivers.errors import DataError, MeterRefused, MrspError, ProtocolError, TransportError
from drivers.profiles import Profile, Profiles, load_profiles
from drivers.psem.client import PsemClient
from drivers.psem.collect import CLOCK, LOGS, REGISTERS, SOURCES, WHO, Collector
from drivers.psem.collection import Collection
from drivers.psem.meaning import meter_data
from drivers.psem.options import PsemOptions
from drivers.registry import scheme_of
from drivers.transport import Transport, open_transport, start_recording
from drivers.transport.echoing import EchoTransport

NETWORK_RESPONSE_S = 5.0  # cellular and satellite links take up to 3 s a turn (C12.21 practice)
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
            profile = first
            try:
                async with client.session(task.password):
                    await collector.configuration()
                    await collector.tables(WHO)
                    profile = named or _recognised(profiles, collector)
                    collector.context = Context(profile.quirks(), collector.context.tables)
                    await _collect(collector, task)
            except (TransportError, ProtocolError) as error:
                broken = error.at(task.url)
            except MrspError as error:
                raise error.at(task.url) from error.__cause__
            collection = collector.collection
            data = meter_data(collection, profile, site_zone=task.site_zone)
            _refuse_nothing(task, data, collection, broken)
            report = _line_report(client, line, task.monotonic_ns() - started_ns)
            return replace(data, broken=broken, line=report, method=_method(task, client))


@asynccontextmanager
async def opened(task: Task, profile: Profile) -> AsyncIterator[tuple[PsemClient, Collector, Transport]]:
    """Open the line of `task` as the profile says, recorded if the task asks for it; close it at the end."""
    async with AsyncExitStack() as stack:
        options = profile.line_options() if scheme_of(task.url) == "serial" else {}
        line = await open_transport(task.url, {**options, **task.options})
        stack.push_async_callback(line.close)
        transport = line
        if task.record is not None:
            transport = start_recording(line, task.record, monotonic_ns=task.monotonic_ns)
            stack.push_async_callback(transport.close)
        client = PsemClient(transport, session_options(task, profile))
        context = Context(quirks=profile.quirks())
        yield client, Collector(client, context, progress=task.progress, monotonic_ns=task.monotonic_ns), line


def session_options(task: Task, profile: Profile) -> PsemOptions:
    """Return how to speak to the meter: the profile, the task's user, and patience on networks."""
    base = PsemOptions()
    if scheme_of(task.url) == "tcp":
        patient = replace(base.timing, response_s=NETWORK_RESPONSE_S, inter_character_s=NETWORK_INTER_CHARACTER_S)
        base = replace(base, timing=patient)
    options = profile.psem_options(base)
    if task.user_id is not None:
        options = replace(options, user_id=task.user_id)
    if task.user is not None:
        options = replace(options, user=task.user)
    return options


def _recognised(profiles: Profiles, collector: Collector) -> Profile:
    """Return the profile that means this meter, by ST00 and ST01; generic where ST01 could not be read."""
    if collector.context.find(ManufacturerIdentification) is None:
        return profiles.generic
    who = identity_of(collector.context)
    return profiles.recognise(
        manufacturer=who.manufacturer,
        model=who.model,
        hardware_version=who.hardware_version,
        firmware_version=who.firmware_version,
        device_class=who.device_class,
    )


async def _collect(collector: Collector, task: Task) -> None:
    """Read what the task wants: registers first, since they are what a bill needs most."""
    await collector.tables(SOURCES)
    await collector.clock()
    await collector.tables(CLOCK)
    await collector.tables(REGISTERS)
    await collector.dials()
    if not task.registers_only:
        await collector.profile()
        await collector.tables(LOGS)


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
