"""`mrsp run`: meters are visited when they are due, readings are kept and forwarded, until the service is stopped."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from agent.attending import Attendant, order_of
from agent.box import configured_box, recordings_of, records_of, requests_of, untimed_of
from agent.clock.explain import clock_facts
from agent.clock.instant import Clock, read_instant
from agent.clock.keeper import ProofKeeper
from agent.clock.proof import ClockProof
from agent.config import Config
from agent.credentials import located
from agent.errors import ConfigError, LocalTrouble
from agent.follow_up import FollowUp
from agent.forward.forwarder import Forwarder
from agent.forward.over_mqtt import mqtt_forwarder
from agent.housekeeping import begin_accounts, keep_accounts, tend_recordings
from agent.identity.watch import IdentityWatch
from agent.instance import instance_of
from agent.keeping import keep, open_spool
from agent.keys import MdspKeys
from agent.ledger import LEDGER
from agent.metrics.settings import MetricsSettings
from agent.metrics.tally import CountedLedger, Tally
from agent.notify import notify, watchdog_interval_s
from agent.only_one import only_one
from agent.outlet_settings import FileOutletSettings
from agent.recent_log import RecentLog
from agent.reload import Change
from agent.reloading import Reloader
from agent.requests.inbox import Inbox
from agent.schedule import EPOCH
from agent.scheduling.book import ScheduleBook
from agent.scheduling.scheduler import Moment, Scheduler
from agent.scheduling.store import SCHEDULE_FILE
from agent.spool import AlreadySpooled, Spool
from agent.together import together
from drivers.pager.push_settings import PushSettings

if TYPE_CHECKING:
    from agent.listening.van import Van
    from agent.outlet_delivery import FileDelivery
    from agent.requests.judging import Contracts
    from agent.routes.one_book import OneBook

PROOF_EVERY_S = 900.0  # how often the status message's clock proof is renewed

_log = logging.getLogger("agent.service")


def forwarder_of(
    config: Config,
    spool: Spool,
    keys: MdspKeys,
    status: Callable[[], Mapping[str, Any]] = dict,
    requests: Callable[[bytes], None] | None = None,
) -> Forwarder:
    """Return the forwarder that the configuration describes; its files are named from the configuration's directory.

    `status` is asked what else a status message says; `requests` is given what the MDSP asks for.
    """
    settings = config.forward
    if settings is None:
        raise ConfigError("there is no [forward] section", advice="add one to say which broker takes the readings")
    own = instance_of(config.state_directory)
    return mqtt_forwarder(spool, settings, keys, status=status, own=own, requests=requests)


def file_delivery_of(config: Config, settings: FileOutletSettings, spool: Spool, keys: MdspKeys | None) -> FileDelivery:
    """Return the way to the MDSP by files, where there is no broker."""
    from agent.outlet_delivery import FileDelivery  # noqa: PLC0415 - most boxes have a broker

    acks = config.path(settings.acknowledgements) if settings.acknowledgements else None
    return FileDelivery(spool, settings, config.path(settings.directory), acks=acks, mdsp_keys=keys)


def push_settings(config: Config, settings: PushSettings) -> PushSettings:
    """Return where replies are taken, its files named from the configuration's directory."""
    files = {name: getattr(settings, name) for name in ("certificate", "key")}
    named = {name: str(located(config.path(file))) for name, file in files.items() if file}
    return msgspec.structs.replace(settings, **named)


class Service:
    """One agent with its meters. `clock` is the box's; tests bring their own."""

    def __init__(self, config: Config, clock: Clock, load: Callable[[], Config] | None = None) -> None:
        """`load` reads the configuration again, and validates all of it, when that is asked for."""
        self._config = config
        self._clock = clock
        self._records = records_of(config)
        self._tally = Tally()
        self._box = replace(configured_box(config, clock, records=self._records), met=self._tally.met)
        self._keeper = self._box.keeper or ProofKeeper(config.settings.clock, clock)
        self._untimed = untimed_of(config)
        self._ledger = CountedLedger(config.state_directory / LEDGER, self._tally)
        self._identity = IdentityWatch(config.key_directory, config.tls_certificate, self._known_now)
        self._routes = None if config.settings.console is None else self._route_book()
        self._proof: ClockProof | None = None
        self._clock_asked = asyncio.Event()
        self._reloader = Reloader(config, load or (lambda: config), self._take_over)
        self._reading: tuple[Attendant, Scheduler] | None = None
        self._contracts: Contracts | None = None

    def reload(self) -> None:
        """Have the configuration read again; what can be is taken over without dropping a read."""
        self._reloader.ask()

    async def run(self) -> None:
        """Run until cancelled; meters are left logged off and what was read is in the spool."""
        with only_one(self._config.state_directory):
            await self._run()

    async def _run(self) -> None:
        async with (
            open_spool(self._config, service=True) as (spool, keys),
            await ScheduleBook.open(self._config.state_directory / SCHEDULE_FILE) as book,
            self._routes or nullcontext(),
        ):
            settings = self._config.settings
            follower = FollowUp(self._records, spool, settings.anomalies, zone=settings.clock.zone)
            await follower.catch_up()
            notify("READY=1")
            try:
                await together(self._jobs(spool, keys, book, follower))
            finally:
                notify("STOPPING=1")

    def _jobs(
        self, spool: Spool, keys: MdspKeys | None, book: ScheduleBook, follower: FollowUp
    ) -> Iterable[tuple[str, Coroutine[Any, Any, None]]]:
        """Yield everything that the service does at once, by name."""
        config, settings = self._config, self._config.settings
        yield from self._upkeep(spool)
        inbox = None if settings.requests is None else Inbox()
        forwarder: Forwarder | None = None
        if settings.forward is not None and keys is not None:
            forwarder = forwarder_of(config, spool, keys, self._status, None if inbox is None else inbox.put)
            yield "forward", forwarder.run()
        elif settings.outlet.file is not None:
            yield "outlet", file_delivery_of(config, settings.outlet.file, spool, keys).run()
        orders = {meter.name: order_of(config, meter) for meter in settings.meters}
        attendant = Attendant(config, orders, self._box, spool, follower, self._ledger, self._moment)
        dice = random.Random()  # noqa: S311 - it spreads the load, and keeps no secret
        schedule = Scheduler(settings.standings(), settings.schedule.limits(), book, attendant, dice)
        self._reading = attendant, schedule
        yield "schedule", self._once_asked(schedule.run)
        if settings.metrics is not None:
            yield "metrics", self._told(settings.metrics, spool, forwarder, schedule)
        if settings.requests is not None and inbox is not None and keys is not None:
            from agent.requests.work import contracts_of, handle_requests  # noqa: PLC0415 - only where the MDSP may ask

            lent_to = keys, spool, schedule, self._routes
            self._contracts = contracts_of(settings)
            asking = partial(handle_requests, config, settings.requests, inbox, lent_to, self._moment, self._contracts)
            yield "requests", self._once_asked(asking)
        van = self._van()
        if settings.console is not None and self._routes is not None:
            from agent.console.running import Agent, keep_console  # noqa: PLC0415 - needs the extra; few gateways have it

            lent = Agent(
                config=config,
                box=self._box,
                spool=spool,
                follower=follower,
                ledger=self._ledger,
                moment=self._moment,
                proof=lambda: self._proof,
                link=forwarder,
                log=RecentLog(),
                routes=self._routes,
                borrow_line=schedule.borrow,
                van=van,
            )
            yield "console", self._once_asked(partial(keep_console, settings.console, lent))
        if settings.radio is not None or settings.pager is not None:
            from agent.stations import listening_jobs  # noqa: PLC0415 - most gateways have no receiver

            yield from listening_jobs(config, self._box, spool, follower, van)
        yield from self._incoming(spool, follower, attendant, schedule)

    def _upkeep(self, spool: Spool) -> Iterable[tuple[str, Coroutine[Any, Any, None]]]:
        """Yield what keeps the box in order, whatever is read."""
        yield "watchdog", self._feed_watchdog(spool)
        yield "reload", self._reloader.run()
        yield "clock", self._renew_proof(spool)
        yield "recordings", tend_recordings(recordings_of(self._config), spool, self._now)
        if self._config.fleet_version is not None:
            from agent.fleet.start import come_up  # noqa: PLC0415 - only where bundles are taken

            yield "fleet", come_up(self._config, spool.status, self._now)
        yield "accounts", keep_accounts(lambda: self._config, self._ledger, spool, self._known_now)
        yield "identity", self._identity.run()
        if self._box.sessions is not None:
            yield "audit", self._box.sessions.run()
        if self._config.settings.bench.instruments:
            from agent.bench.keeping import deliver_owed  # noqa: PLC0415 - few gateways have a bench

            yield "meter tests", deliver_owed(self._config, spool)

    def _told(
        self, settings: MetricsSettings, spool: Spool, link: Forwarder | None, schedule: Scheduler
    ) -> Coroutine[Any, Any, None]:
        """Return what tells a monitoring system how the agent does."""
        from agent.metrics.box_figures import Watched  # noqa: PLC0415 - only where somebody asks
        from agent.metrics.running import keep_metrics  # noqa: PLC0415

        watched = Watched(
            tally=self._tally,
            spool=spool,
            state_directory=self._config.state_directory,
            proof=lambda: self._proof,
            instant=lambda: read_instant(self._clock),
            now=self._now,
            certificate_days=self._identity.days_left,
            link=link,
            backlog=schedule.backlog,
        )
        return keep_metrics(self._config, settings, watched)

    def _van(self) -> Van | None:
        """Return what shows a person in a van who is heard: where there is a receiver, and a console to look at."""
        settings = self._config.settings
        if settings.console is None or (settings.radio is None and settings.pager is None):
            return None
        from agent.listening.van import VAN_FILE, Van  # noqa: PLC0415 - most gateways have no receiver

        return Van(self._config.state_directory / VAN_FILE)

    def _route_book(self) -> OneBook:
        from agent.routes.one_book import route_book_of  # noqa: PLC0415 - only where persons walk routes

        return route_book_of(self._config, lambda: self._moment().at)

    def _incoming(
        self, spool: Spool, follower: FollowUp, attendant: Attendant, schedule: Scheduler
    ) -> Iterable[tuple[str, Coroutine[Any, Any, None]]]:
        """Yield what takes the calls of meters, and replies by pager."""
        config, settings = self._config, self._config.settings
        if settings.call_in is not None:
            from agent.call_in_service import sleepers_of, take_calls  # noqa: PLC0415 - most gateways are not called
            from agent.receiving import ScheduledCalls  # noqa: PLC0415

            reader = ScheduledCalls(
                config, self._box, spool, follower, self._ledger, attendant, schedule, settings.waited_for
            )
            yield "calls", self._once_asked(partial(take_calls, config, settings.call_in, reader, self._moment))
            if sleepers := sleepers_of(config, settings.call_in):
                from agent.waking import wake_meters  # noqa: PLC0415

                yield "pages", self._once_asked(partial(wake_meters, sleepers, requests_of(config), self._moment))
        if settings.pager_push is not None:
            from agent.pager_replies import keep_taking  # noqa: PLC0415 - most gateways have no pager meters

            yield "pager replies", keep_taking(push_settings(config, settings.pager_push), requests_of(config))

    async def _take_over(self, change: Change) -> None:
        """Let the schedule, its visits, the ledger and the MDSP's requests go by what has changed."""
        if self._reading is None:
            return
        attendant, schedule = self._reading
        config, settings = replace(self._config, settings=change.settings), change.settings
        await schedule.adopt(settings.standings(), settings.schedule.limits(), partial(attendant.adopt, config))
        self._config = config
        if (now := self._known_now()) is not None:
            await begin_accounts(config, self._ledger, now)
        if self._contracts is not None:
            from agent.requests.work import only_calls  # noqa: PLC0415 - only where the MDSP may ask

            self._contracts.renew(settings.meters, only_calls(settings))

    async def _once_asked(self, job: Callable[[], Awaitable[None]]) -> None:
        """Begin `job` when the clock was asked for the first time, so that due times mean something."""
        await self._clock_asked.wait()
        await job()

    def _moment(self) -> Moment:
        proof = self._proof
        known = proof is not None and proof.tells_time
        return Moment(self._now(), known, self._clock.boottime_ns(), proof.utc_at if proof is not None else None)

    def _now(self) -> datetime:
        proof = self._proof
        if proof is None:
            return EPOCH + timedelta(microseconds=self._clock.realtime_ns() // 1000)
        return proof.utc_at(self._clock.boottime_ns())

    def _known_now(self) -> datetime | None:
        """Return the time if it is proven."""
        proof = self._proof
        return proof.utc_at(self._clock.boottime_ns()) if proof is not None and proof.synchronized else None

    def _status(self) -> Mapping[str, Any]:
        """Say what the MQTT status tells of this box besides its spool."""
        clock = {} if self._proof is None else clock_facts(self._proof, read_instant(self._clock))
        days = self._identity.days_left()
        known = {"certificate_days": days, "configuration_version": self._config.fleet_version}
        return {"clock": dict(clock), **{name: value for name, value in known.items() if value is not None}}

    async def _renew_proof(self, spool: Spool) -> None:
        """Measure the clock now and then; seal the readings that waited for the time."""
        while True:
            self._proof = await self._keeper.prove()
            self._clock_asked.set()
            try:
                for reading in await asyncio.to_thread(self._untimed.due, self._proof):
                    with suppress(AlreadySpooled):  # before a crash
                        await keep(spool, reading)
                    await asyncio.to_thread(self._untimed.release, reading.reading_id)
            except LocalTrouble as error:
                _log.error("readings that waited for the time cannot be stored yet: %s", error)
            await asyncio.sleep(PROOF_EVERY_S)

    async def _feed_watchdog(self, spool: Spool) -> None:
        """Prove life to systemd by work: the spool's thread must answer before the watchdog is fed."""
        interval_s = watchdog_interval_s()
        while True:
            depth = (await spool.status()).depth
            notify(f"WATCHDOG=1\nSTATUS={depth} readings wait for the MDSP")
            await asyncio.sleep(interval_s or 60.0)
