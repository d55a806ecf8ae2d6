"""One visit on a live line: the survey asks, the client answers, and the line is given back whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

from drivers.base import Progress, Task
from drivers.data import LineReport, MeterData, Problem, SecondLook
from drivers.errors import DataError, MeterRefused, ProtocolError, TransportError
from drivers.modbus.address import ModbusAddress
from drivers.modbus.channel import Channel
from drivers.modbus.client import Client, Waits
from drivers.modbus.gateways import alone_on
from drivers.modbus.image import Image, Span
from drivers.modbus.meaning import meter_data, registers_of
from drivers.modbus.opening import open_channel
from drivers.modbus.recorder import Recorder
from drivers.modbus.schema import RegisterMap
from drivers.modbus.survey import Steps, Survey

NS = 1_000_000_000
MOST_LOOKS = 2  # one confirms what was read first or contradicts it, another tells which of the two is right


@dataclass(frozen=True, slots=True)
class _Line:
    """An open line, and who speaks on it."""

    channel: Channel
    client: Client
    task: Task


async def visit(task: Task, one: RegisterMap, address: ModbusAddress) -> MeterData:
    """Read the meter. Raises what `drivers.base.Driver.read` says."""
    survey = Survey(one)
    broken: Exception | None = None
    task.progress(Progress("waiting for the line"))
    async with _opened(task, address) as line:
        started_ns = task.monotonic_ns()
        looks: tuple[SecondLook, ...] = ()
        try:
            await _drive(survey.steps(), line)
            registers_ns = task.monotonic_ns()
            looks = await _look_again(survey, line, registers_ns)
        except (TransportError, ProtocolError) as error:
            broken = error.at(str(address))
            registers_ns = task.monotonic_ns()
        data = meter_data(survey, zone=task.site_zone)
        _refuse_nothing(survey, data, broken)
        return replace(
            data,
            broken=broken,
            again=looks,
            registers_ns=registers_ns,
            line=_report(line, address, task.monotonic_ns() - started_ns),
        )


@asynccontextmanager
async def _opened(task: Task, address: ModbusAddress) -> AsyncIterator[_Line]:
    """Wait for our turn, open the line, and close it at the end; recorded if the task asks for it."""
    baud = (address.baud or 0) if address.device else 0
    async with alone_on(address.key_of_line) as gateway:
        recorder = Recorder(task.record, address.line, baud, task.monotonic_ns)
        try:
            channel = await open_channel(address, recorder.octets)
            client = Client(channel, address, task.monotonic_ns)
            try:
                yield _Line(channel, client, task)
            finally:
                if channel.lost is not None:
                    recorder.lost(channel.lost.message)
                if client.owes:  # for the visit after this one: an answer may still be on its way
                    loop = asyncio.get_running_loop()
                    gateway.quiet_at = loop.time() + Waits.of(address).answer_s
                await channel.aclose()
        finally:
            await recorder.close()


async def _drive(steps: Steps, line: _Line) -> None:
    """Answer what the steps ask for, until they are done. A refusal is theirs to judge."""
    try:
        span = next(steps)
        while True:
            line.task.progress(_progress(span, line))
            try:
                answer = await line.client.ask(span)
            except MeterRefused as error:
                span = steps.throw(error)
            else:
                span = steps.send(answer)
    except StopIteration:
        return


async def _look_again(survey: Survey, line: _Line, registers_ns: int) -> tuple[SecondLook, ...]:
    """Read once more what the task asks for, at most twice; what was read first stands whatever happens."""
    looks: tuple[SecondLook, ...] = ()
    ask = line.task.second_look
    while ask is not None and len(looks) < MOST_LOOKS:
        told = replace(meter_data(survey, zone=line.task.site_zone), registers_ns=registers_ns, again=looks)
        wanted = set(ask(told))
        placed = tuple(one for one in survey.placed if one.found.span.name in wanted)
        if not placed:
            break
        seen = replace(survey, image=Image(), refused={}, torn=set(), changed=set())
        try:
            await _drive(seen.read_values(placed), line)
        except (TransportError, ProtocolError) as error:
            reason = f"the line broke, what was read first stands: {error}"
            survey.problems.append(Problem("second look", reason, lost=False))
            break
        registers, problems = registers_of(seen, placed)
        survey.problems += [Problem(f"second look at {one.what}", one.reason, lost=False) for one in problems]
        names = tuple(one.found.span.name for one in placed)
        looks = (*looks, SecondLook(names, registers, line.task.monotonic_ns()))
    return looks


def _progress(span: Span, line: _Line) -> Progress:
    on_line = line.channel.sent + line.channel.received
    return Progress(str(span), total=2 * span.count, bytes_on_line=on_line)


def _refuse_nothing(survey: Survey, data: MeterData, broken: Exception | None) -> None:
    """Raise what went wrong where nothing billable came of the visit."""
    if data.registers:
        return
    if broken is not None:
        raise broken
    refusals = list(survey.refused.values())
    if refusals:
        raise refusals[0]
    reasons = "; ".join(f"{problem.what}: {problem.reason}" for problem in data.problems)
    raise DataError(
        f"no register could be read{': ' if reasons else ''}{reasons}", advice="is this the right register map?"
    )


def _report(line: _Line, address: ModbusAddress, elapsed_ns: int) -> LineReport:
    return LineReport(
        seconds=Decimal(elapsed_ns) / NS,
        bytes_sent=line.channel.sent,
        bytes_received=line.channel.received,
        retries=line.client.retries,
        baud=(address.baud or 0) if address.device else 0,
        echo=address.echo,
    )
