"""A town of meters behind telephone numbers, a bank of modems, and the agent that calls them, in virtual time.

Everything of the agent is real (schedule, modem dialogue, driver, checks, seal, spool, their files) but three things:
time passes only where everybody waits; what goes to a thread is done at once; a modem's device is a cable within this
process. So a day of thousands of calls takes a minute, and ends the same way every time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec

from agent.attending import Attendant, order_of
from agent.box import configured_box, records_of
from agent.config import Config, load_config
from agent.follow_up import FollowUp
from agent.keeping import open_spool
from agent.keys import create_device_key
from agent.ledger import LEDGER, Ledger
from agent.scheduling.book import ScheduleBook
from agent.scheduling.scheduler import Moment, Scheduler
from agent.scheduling.store import SCHEDULE_FILE, Row
from agent.spool import Spool
from drivers.profiles import Profiles, load_profiles
from drivers.psem import driver as driver_module
from drivers.psem.client import PsemClient
from drivers.transport.addresses import ModemAddress, SerialAddress
from drivers.transport.base import Transport
from drivers.transport.modem import Modem
from drivers.transport.urls import parse_url
from metersim.meter.fleet import nth
from metersim.modem import Bank, Network, SitePlan, running_bank
from metersim.modem.hayes import Phase
from tests.metersim.modem_kit import serving
from tests.soak.virtual_loop import VirtualLoop, rest

BEGINS = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_NUMBER = 5_550_100

CONFIG = """\
[agent]
agent_id = "gw-0001"
state_directory = "state"
[schedule]
sessions = {modems}
calls_per_day = 40
tries = 5
[[modem_banks]]
name = "town"
lines = [{lines}]
"""
METER = """
[[meters]]
name = "meter{number}"
url = "modem://town?dial={called}{identity}"
every = "{every}"
expected_meter_id = "{meter_id}"
password_file = "meter.password"
registers_only = true
clock_check = false
"""


class TownLoop(VirtualLoop):
    """Virtual time; what would go to a thread is done at once."""

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]  # noqa: ARG002
        done: asyncio.Future[Any] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits
            done.set_exception(error)
        return done


@dataclass(frozen=True, slots=True)
class Clock:
    """The box's clock: virtual time since `BEGINS`."""

    seconds: Callable[[], float]
    began: float

    def boottime_ns(self) -> int:
        return int((self.seconds() - self.began) * 1e9)

    monotonic_ns = raw_ns = boottime_ns

    def realtime_ns(self) -> int:
        return (BEGINS - EPOCH) // timedelta(microseconds=1) * 1000 + self.boottime_ns()

    def boot_id(self) -> str:
        return "town"

    def now(self) -> datetime:
        return BEGINS + timedelta(microseconds=self.boottime_ns() // 1000)

    def moment(self) -> Moment:
        return Moment(self.now(), known=True, boottime_ns=self.boottime_ns())


@dataclass(frozen=True, slots=True)
class Plan:
    """What the town is like."""

    sites: int
    modems: int
    every_h: int = 4
    times: int = 6  # that each meter falls due
    shared: int = 4  # every so many-th number has two meters
    network: Network = field(default_factory=Network)

    @property
    def last_due(self) -> datetime:
        return BEGINS + timedelta(hours=self.every_h * self.times)

    @property
    def runs_s(self) -> float:
        """Until everything that was due is settled: at the latest when it falls due again."""
        return 3600.0 * self.every_h * (self.times + 1) + 600


@dataclass
class Town:
    """What happened."""

    bank: Bank
    rows: list[Row]  # of the schedule
    readings: list[dict[str, Any]]  # in the spool
    truth: Mapping[str, str]  # the total of each meter, by name
    ids: Mapping[str, str]  # the meter id of each meter, by name
    on_hook: bool  # all modems and all meters' lines, at the end

    @property
    def calls(self) -> int:
        return sum(self.bank.exchange.ends.values())


def run_town(plan: Plan, directory: Path) -> Town:
    """Let the agent work for so many hours; return what became of it."""
    loop = TownLoop()
    loop.allow(plan.runs_s + 100_000)
    failures: list[str] = []
    loop.set_exception_handler(lambda _loop, context: failures.append(str(context.get("exception", context))))
    with (
        patch.object(driver_module, "PsemClient", partial(PsemClient, clock=loop.time)),
        patch.object(driver_module, "load_profiles", _profiles),
        patch("os.fsync", lambda _descriptor: None),
        patch("os.fdatasync", lambda _descriptor: None),
    ):
        try:
            town = loop.run_until_complete(_live(plan, directory, Clock(loop.time, loop.time())))
        finally:
            loop.abandon()
    assert failures == []
    return town


@cache
def _profiles(_directories: tuple[Path, ...]) -> Profiles:
    return load_profiles(())


async def _live(plan: Plan, directory: Path, clock: Clock) -> Town:
    config, plans = _founded(plan, directory)
    ids = {meter.name: meter.expected_meter_id or "" for meter in config.settings.meters}
    async with AsyncExitStack() as stack:
        bank = await stack.enter_async_context(running_bank(plans, modems=plan.modems, network=plan.network))
        modems = Modems(bank)
        stack.push_async_callback(modems.close)
        stack.enter_context(patch.object(driver_module, "open_transport", modems.opened))
        spool, _keys = await stack.enter_async_context(open_spool(config))
        book = await stack.enter_async_context(await ScheduleBook.open(config.state_directory / SCHEDULE_FILE))
        working = asyncio.create_task(_scheduler(config, clock, spool, book).run())
        await asyncio.wait({working}, timeout=plan.runs_s)
        assert not working.done(), working.exception()
        working.cancel()
        await asyncio.wait({working})
        rows = await book.call(book.store.rows, EPOCH)
        entries = await spool.entries(limit=100_000)
        shown = [await spool.show(entry.document_id) for entry in entries if entry.kind == "reading"]
        await rest(120)  # whatever was cut off is given back
        on_hook = all(station.modem.phase is Phase.COMMAND for station in bank.stations)
        on_hook = on_hook and not any(site.engaged for site in bank.sites.values())
        return Town(
            bank,
            [row for row in rows if row.due <= plan.last_due],
            [msgspec.json.decode(one.document) for one in shown if one.document is not None],
            {name: _total(bank, meter_id) for name, meter_id in ids.items()},
            ids,
            on_hook=on_hook,
        )


class Modems:
    """The bank as the agent sees it: one modem for each device, which stays open between calls."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self._modems: dict[str, Modem] = {}

    async def opened(self, url: str, options: Mapping[str, str] | None = None) -> Transport:
        """Dial what `url` says, in place of `drivers.transport.open_transport`."""
        address = parse_url(url, options)
        assert isinstance(address, ModemAddress)
        assert isinstance(address.port, SerialAddress)
        assert address.call is not None
        device = address.port.device
        if device not in self._modems:
            terminal = self._bank.terminal(int(device.removeprefix("/dev/modem")))
            self._modems[device] = Modem(terminal, address.settings, pins=terminal)
        return await self._modems[device].dial(address.call)

    async def close(self) -> None:
        for modem in self._modems.values():
            await modem.close()


def _founded(plan: Plan, directory: Path) -> tuple[Config, list[SitePlan]]:
    """Write the agent's files; return its configuration and the sites."""
    secret = directory / "meter.password"
    secret.touch(mode=0o600)
    secret.write_text("00000000")
    lines = ", ".join(f'"/dev/modem{number}"' for number in range(plan.modems))
    text = CONFIG.format(modems=plan.modems, lines=lines)
    plans: list[SitePlan] = []
    meters = 0
    for site in range(plan.sites):
        called, servings = str(FIRST_NUMBER + site), []
        shared = site % plan.shared == 0
        for identity in (1, 2) if shared else (0,):
            meters += 1
            one = serving("minimal", identity, seed=meters, now=BEGINS)
            one = nth(one, meters)
            servings.append(replace(one, rate=0))
            text += METER.format(
                number=meters, called=called, every=f"{plan.every_h}h", meter_id=f"M-{meters + 1}",
                identity=f"&identity={identity}" if identity else "",
            )  # fmt: skip
        plans.append(SitePlan(called, tuple(servings), rate=(1200, 2400, 9600)[site % 3]))
    (directory / "mrsp.toml").write_text(text)
    create_device_key(directory / "state" / "keys")
    return load_config(directory / "mrsp.toml"), plans


def _scheduler(config: Config, clock: Clock, spool: Spool, book: ScheduleBook) -> Scheduler:
    settings = config.settings
    records = records_of(config)
    box = configured_box(config, clock, records=records)
    follower = FollowUp(records, spool, settings.anomalies, now=clock.now)
    orders = {meter.name: order_of(config, meter) for meter in settings.meters}
    ledger = Ledger(config.state_directory / LEDGER)
    attendant = Attendant(config, orders, box, spool, follower, ledger, clock.moment)
    dice = random.Random(1)  # noqa: S311 - repeatable, not secret
    return Scheduler(settings.standings(), settings.schedule.limits(), book, attendant, dice)


def _total(bank: Bank, meter_id: str) -> str:
    """Return what the first total of this meter truly is."""
    running = next(one for site in bank.sites.values() for one in site.meters if one.meter.meter_id == meter_id)
    return str(running.truth().registers[0].value)
