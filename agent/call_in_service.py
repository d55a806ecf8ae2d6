"""Calls that come in, as a job of the service: the modems of `[call_in]`, the meters that call, and their readings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from agent.attending import order_of
from agent.box import untimed_of
from agent.call_in import CallDesk, Caller, Visitor, attend
from agent.call_in_book import BOOK, CallBook
from agent.call_in_settings import CallInSettings
from agent.call_in_tasks import asking, telling
from agent.config import Config
from agent.credentials import load_password
from agent.errors import ConfigError, MrspError
from agent.follow_up import FollowUp
from agent.held_password import shown_once
from agent.keeping import keep_for_sure, link_recording, refuse_if_full
from agent.ledger import Ledger
from agent.reading import Reading
from agent.scheduling.cycle import Cycle
from agent.scheduling.cycle_text import parse_cycle
from agent.scheduling.reads import Standing
from agent.scheduling.scheduler import Moment
from agent.spool import Spool
from agent.together import together
from agent.visit import Box, visit
from agent.waking import Sleeper
from drivers.errors import TransportError
from drivers.pager.wake import parse_wake
from drivers.transport.modem import Modem, open_modem

_OPEN_AGAIN_S: Final = 60.0

_log = logging.getLogger(__name__)


def sleepers_of(config: Config, settings: CallInSettings) -> list[Sleeper]:
    """Return the meters that are to be paged for their calls. Raises `UsageError` for a password not to be read."""
    standings = {standing.meter: standing for standing in config.settings.standings()}
    zones = {meter.name: meter.site.zone or config.settings.clock.zone for meter in config.settings.meters}
    sleepers: list[Sleeper] = []
    for calling in settings.meters:
        if calling.wake is not None:
            zone, file = zones[calling.meter], calling.wake_password_file
            cycle = _cycle(calling.cycle, standings[calling.meter], ZoneInfo(zone) if zone else UTC)
            password = load_password(config.path(file)) if file else None
            sleepers.append(Sleeper(calling.meter, cycle, parse_wake(calling.wake), password))
    return sleepers


def callers_of(config: Config, settings: CallInSettings, standings: Sequence[Standing]) -> tuple[Caller, ...]:
    """Return the meters that call. Raises `ConfigError` for one that is not configured, or says no id to know it by."""
    meters = {meter.name: meter for meter in config.settings.meters}
    cycles = {standing.meter: standing for standing in standings}
    callers: list[Caller] = []
    ids: set[str] = set()
    for calling in settings.meters:
        meter = meters.get(calling.meter)
        if meter is None:
            raise ConfigError(f"[call_in]: there is no meter {calling.meter!r} among [[meters]]")
        if not meter.expected_meter_id or meter.expected_meter_id in ids:
            advice = "whoever calls is known by it alone, so it must be there, and once"
            raise ConfigError(f"[call_in]: the meter {calling.meter!r} needs `expected_meter_id`", advice=advice)
        ids.add(meter.expected_meter_id)
        zone = meter.site.zone or config.settings.clock.zone
        cycle = _cycle(calling.cycle, cycles[meter.name], ZoneInfo(zone) if zone else UTC)
        callers.append(
            Caller(meter.name, order_of(config, meter), cycle, calling.number or "", may_tell=calling.tell_next_call)
        )
    return tuple(callers)


def _cycle(text: str | None, standing: Standing, zone: tzinfo) -> Cycle:
    return standing.cycle if text is None else parse_cycle(text, zone)


@dataclass(frozen=True, slots=True)
class CallReader:
    """Carries out the orders of meters that called: reads, and keeps the reading as that of any visit."""

    config: Config
    box: Box
    spool: Spool
    follower: FollowUp
    ledger: Ledger

    async def __call__(self, visitor: Visitor) -> Reading:
        """Return the reading once it is safe. Raises what the visit raises; a broken one is kept, then raised."""
        name, order = visitor.caller.name, visitor.order
        await refuse_if_full(self.spool)
        async with shown_once(self.box, order):
            outcome = await visit(order, self.box, line=visitor.line, stay=True)
        reading = outcome.reading
        await link_recording(self.config, reading)
        due = visitor.due or order.requested_at
        if due is not None:
            await self.ledger.came(name, due, reading, outcome.broken)
        prepared = await self.follower.prepare(order, outcome)
        if outcome.untimed is not None:
            await asyncio.to_thread(untimed_of(self.config).hold, outcome.untimed)
        else:
            entry = await keep_for_sure(self.spool, reading, name=name)
            _log.info("%s: reading %s is in the spool as %d", name, reading.reading_id, entry.sequence)
        await self.follower.complete(prepared)
        if isinstance(outcome.broken, MrspError):
            raise outcome.broken
        return reading


async def take_calls(config: Config, settings: CallInSettings, reader: CallReader, now: Callable[[], Moment]) -> None:
    """Wait for calls on every modem of `settings` until cancelled. Raises `ConfigError` before anything is opened."""
    callers = callers_of(config, settings, config.settings.standings())
    book = CallBook(config.state_directory / BOOK)
    book.keep_only(frozenset(caller.name for caller in callers))
    desk = CallDesk(
        callers,
        book,
        asking(reader.box),
        reader,
        telling(reader.box),
        lambda: moment.at if (moment := now()).known else None,
        settings.early_by,
    )
    await together((f"calls on {url}", _wait_on(url, settings, desk)) for url in settings.modems)


async def _wait_on(url: str, settings: CallInSettings, desk: CallDesk) -> None:
    """Take the calls of one modem; where its port cannot be opened, again and again."""
    while True:
        modem: Modem | None = None
        try:
            modem = await open_modem(url)
            await attend(modem, desk, rings=settings.rings, max_call_s=settings.most_call_s)
        except TransportError as error:
            _log.error("no calls can be taken: %s; again in %g s", error, _OPEN_AGAIN_S)
        finally:
            if modem is not None:
                await modem.close()
        await asyncio.sleep(_OPEN_AGAIN_S)
