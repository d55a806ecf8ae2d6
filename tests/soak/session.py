"""One session of the soak: run it in virtual time, compare every octet and every value with the truth."""

# ruff: noqa: S311 - repeatable, not secret

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random
from typing import Literal
from unittest.mock import patch

from drivers.base import Task
from drivers.data import IntervalBlock, MeterData, Register
from drivers.errors import LineLost, LocalProtocolError, MrspError
from drivers.memory import LineMemory
from drivers.profiles import Profiles, load_profiles
from drivers.psem import driver as driver_module
from drivers.psem.client import PsemClient, SessionStatistics
from drivers.psem.driver import PsemDriver
from drivers.psem.meter import MeterLimits
from drivers.psem.options import PsemOptions
from drivers.psem.replies import BadTableData
from drivers.secret import Secret
from drivers.transport.base import Transport
from drivers.transport.echoing import EchoTransport
from drivers.transport.urls import EchoMode
from tests.soak.cases import Case
from tests.soak.faults import Chance, Rates
from tests.soak.faulty_line import FaultyLine, Mishaps
from tests.soak.meters import PASSWORD, Memory, random_tables, simulated
from tests.soak.virtual_loop import Hang, VirtualLoop

End = Literal["complete", "in part", "error", "wrong", "hang", "crash"]

_FITS_ALWAYS = 52  # octets of a table that any meter can give in one answer
LONGEST_S = 8 * 3600.0  # of one session, on the line


@dataclass(slots=True)
class Outcome:
    """How one session ended. `in part`: it came to its end, with errors that name what is missing."""

    end: End
    what: str = ""  # the error, or what is wrong
    retries: int = 0
    recoveries: int = 0
    damages: int = 0
    bad_packets: int = 0
    octets: int = 0
    crc_requests: int = 0
    crc_answers: int = 0
    line_s: float = 0.0
    cpu_s: float = 0.0
    remarks: tuple[str, ...] = ()


@dataclass(slots=True)
class _Run:
    """What a session makes on its way."""

    line: FaultyLine
    transport: Transport
    chances: tuple[Chance, ...]
    clients: list[PsemClient] = field(default_factory=list)
    errors: list[MrspError] = field(default_factory=list)
    wrong: str = ""


def run(case: Case) -> Outcome:
    """Run one session to its end, whatever that is."""
    if case.kind == "visit":
        honest(case.scenario, case.offsets)  # in a loop of its own
    failures: list[str] = []
    loop = VirtualLoop()
    loop.set_exception_handler(lambda _loop, context: failures.append(str(context.get("exception", context))))
    logging.disable(logging.ERROR)
    began, started = time.process_time(), loop.time()
    loop.allow(LONGEST_S)
    made: list[_Run] = []
    try:
        loop.run_until_complete(_main(case, made))
        outcome = Outcome("crash", failures[0]) if failures else _judged(made[0])
    except Hang as hang:
        outcome = Outcome("hang", str(hang))
    except Exception as error:  # noqa: BLE001 - that is what a soak looks for
        outcome = Outcome("crash", f"{type(error).__name__}: {error}")
    finally:
        line_s = loop.time() - started
        loop.abandon()
        logging.disable(logging.NOTSET)
    outcome.line_s = line_s
    outcome.cpu_s = time.process_time() - began
    if made:
        _count(outcome, made[0])
    return outcome


async def _main(case: Case, made: list[_Run]) -> None:
    tables = dict(simulated(case.scenario)) if case.kind == "visit" else random_tables(case.random)
    now = _open(case, tables)
    made.append(now)
    if case.kind == "visit":
        await _visit(case, now)
    else:
        await _read_tables(case, now, tables)
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        msg = f"tasks are left: {[task.get_name() for task in left]}"
        raise AssertionError(msg)


def _open(case: Case, tables: dict[int, bytes]) -> _Run:
    random = Random(case.seed + "/line")
    chances = tuple(Chance(case.rates, Random(f"{case.seed}/{way}")) for way in ("there", "back"))
    echoed = Chance(replace(case.rates, late=0.0), Random(f"{case.seed}/echo"))  # an echo is not late
    memory = Memory(tables, password=PASSWORD if case.password else None, offsets=case.offsets, strict=case.strict)
    line = FaultyLine(
        memory,
        options=PsemOptions(timing=case.meter_timing, toggles=case.toggles),
        limits=case.limits,
        baud=case.baud,
        chances=(chances[0], chances[1], echoed),
        mishaps=case.mishaps,
        toggles=case.toggles,
        echo=case.echo,
        piece=case.piece,
    )
    modes: tuple[EchoMode, ...] = ("auto", "on") if case.echo else ("auto", "off")
    if not case.pure and random.random() < 0.1:
        modes = ("auto", "on", "off")  # the setting may be wrong
    mode = random.choice(modes)
    transport: Transport = line if mode == "off" else EchoTransport(line, mode)
    return _Run(line, transport, (*chances, echoed))


def _client(case: Case, now: _Run, options: PsemOptions) -> PsemClient:
    client = PsemClient(now.transport, options, remembered=case.remembered, clock=asyncio.get_running_loop().time)
    now.line.watch_client(client._session.exchange.link)
    now.clients.append(client)
    return client


# -- tables of any content, by the client


async def _read_tables(case: Case, now: _Run, tables: Mapping[int, bytes]) -> None:
    random = Random(case.seed + "/reads")
    client = _client(case, now, case.options)
    try:
        async with client.session(Secret(PASSWORD) if case.password else None):
            for number, truth in tables.items():
                try:
                    await _read_table(client, now, random, number, truth)
                except LocalProtocolError:
                    raise
                except BadTableData as error:
                    now.errors.append(error)
                except MrspError as error:
                    now.errors.append(error)
                    if now.line.is_lost:
                        break
    except LocalProtocolError:
        raise
    except MrspError as error:
        now.errors.append(error)
    finally:
        await now.transport.close()


async def _read_table(client: PsemClient, now: _Run, random: Random, number: int, truth: bytes) -> None:
    how = random.randrange(4)
    if how == 0 and len(truth) <= _FITS_ALWAYS:
        start, wanted = 0, truth
        found = await client.read_table(number)
    elif how <= 1:
        start, wanted = 0, truth
        found = await client.read_table(number, size=len(truth))
    else:
        start = random.randrange(len(truth))
        count = random.randrange(1, len(truth) - start + 1)
        wanted = truth[start : start + count]
        found = await client.read_offset(number, start, count, granule=random.choice((1, 1, 24, 100)))
    if found != wanted:
        at = next((at for at, (one, other) in enumerate(zip(found, wanted, strict=False)) if one != other), len(found))
        now.wrong = f"table {number} from {start}: {len(found)} octets for {len(wanted)}, other from octet {at} on"


# -- a whole visit, by the driver


async def _visit(case: Case, now: _Run) -> None:
    try:
        data = await _driver(case, now, case.options, has_password=case.password)
    except LocalProtocolError:
        raise
    except MrspError as error:
        now.errors.append(error)
        return
    _compare(data, honest(case.scenario, case.offsets), now)


async def _driver(case: Case, now: _Run, options: PsemOptions, *, has_password: bool) -> MeterData:
    loop = asyncio.get_running_loop()

    async def opened(_url: str, _options: object) -> Transport:
        return now.transport

    def client(transport: Transport, _options: PsemOptions, **_hints: object) -> PsemClient:
        return _client(case, now, options)

    with (
        patch.object(driver_module, "open_transport", opened),
        patch.object(driver_module, "PsemClient", client),
        patch.object(driver_module, "load_profiles", _profiles),
    ):
        password = Secret(PASSWORD) if has_password else None
        task = Task(url="serial:///dev/soak", password=password, monotonic_ns=lambda: int(loop.time() * 1e9))
        return await PsemDriver().read(task)


@cache
def _profiles(dirs: tuple[object, ...]) -> Profiles:
    return load_profiles(())


@cache
def honest(scenario: str, offsets: bool) -> MeterData:
    """Return what a visit over a faultless line brings home."""
    quiet = Case(
        seed=f"honest/{scenario}",
        kind="visit",
        pure=True,
        scenario=scenario,
        rates=Rates(),
        mishaps=Mishaps(),
        limits=MeterLimits(),
        options=PsemOptions(),
        remembered=LineMemory(),
        baud=9600,
        echo=False,
        toggles=True,
        piece=0,
        offsets=offsets,
    )
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(_honest(quiet))
    finally:
        loop.abandon()


async def _honest(case: Case) -> MeterData:
    now = _open(case, dict(simulated(case.scenario)))
    return await _driver(case, now, case.options, has_password=True)


def _compare(data: MeterData, truth: MeterData, now: _Run) -> None:
    """Everything that came home must be in the truth; what is not there must be named."""
    lost = any(one.lost for one in data.problems) or data.broken is not None
    for part in ("registers", "blocks", "events"):
        found, wanted = getattr(data, part), getattr(truth, part)
        for one in () if found == wanted else found:
            if one not in wanted and not (lost and _says_nothing(one)):
                now.wrong = f"{part}: {str(one)[:300]}"
    for name, octets in data.tables.items():
        if truth.tables.get(name) != octets:
            now.wrong = now.wrong or f"{name} differs"
    if data.broken is not None:
        assert isinstance(data.broken, MrspError)
        now.errors.append(data.broken)
    elif data.clock and truth.clock and data.clock.meter_time != truth.clock.meter_time:
        now.wrong = now.wrong or "another time"
    missing = [one for one in data.problems if one.lost and one not in truth.problems]
    now.errors += [MrspError(f"{one.what}: {one.reason}") for one in missing]
    if not now.errors and (data.registers, data.blocks, data.events) != (truth.registers, truth.blocks, truth.events):
        now.wrong = now.wrong or "something is missing, and not named"


def _says_nothing(one: object) -> bool:
    """Whether a register or block gives no value, since what its octets mean did not come home."""
    if isinstance(one, Register):
        return one.value is None
    return isinstance(one, IntervalBlock) and not any(value is not None for value in one.values)


# -- judging


def _judged(now: _Run) -> Outcome:
    if now.wrong:
        return Outcome("wrong", now.wrong)
    if not now.errors:
        return Outcome("complete")
    last = now.errors[-1]
    whole = not isinstance(last, LineLost) and not now.line.is_lost
    return Outcome("in part" if whole else "error", f"{type(last).__name__}: {last}")


def _count(outcome: Outcome, now: _Run) -> None:
    outcome.damages = sum(chance.damages for chance in now.chances)
    outcome.octets = now.line.octets
    outcome.crc_requests, outcome.crc_answers = now.line.crc.requests, now.line.crc.answers
    for client in now.clients:
        statistics: SessionStatistics = client.statistics
        outcome.retries += statistics.retries + statistics.naks
        outcome.recoveries += statistics.recoveries
        outcome.bad_packets += statistics.bad_packets
        outcome.remarks += client.remarks()
