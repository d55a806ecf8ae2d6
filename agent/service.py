"""`mrsp run`: meters are visited when they are due, readings are kept and forwarded, until the service is stopped."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from agent.box import configured_box, recordings_of, records_of, untimed_of
from agent.clock.explain import clock_facts
from agent.clock.instant import Clock, read_instant
from agent.clock.keeper import ProofKeeper
from agent.clock.proof import ClockProof
from agent.config import Config, MeterSection
from agent.document import encode
from agent.errors import ConfigError, LocalTrouble, MrspError
from agent.follow_up import FollowUp
from agent.forward.forwarder import Forwarder
from agent.forward.over_mqtt import mqtt_forwarder
from agent.housekeeping import keep_accounts, tend_recordings
from agent.keys import MdspKeys, load_device_key
from agent.ledger import LEDGER, Ledger
from agent.meter_record import MeterRecords
from agent.notify import notify, watchdog_interval_s
from agent.order import Order
from agent.reading import Reading
from agent.schedule import EPOCH, RETRY_WAITS_S, next_due
from agent.seal import Sealer
from agent.spool import AlreadySpooled, Entry, Spool
from agent.spool_store import STOP_PERCENT, SpoolFull
from agent.visit import Outcome, visit

SPREAD_S = 5.0  # meters that are due at the same time do not all start in the same second
ROOM_OCTETS = 262_144  # a sealed reading with a month of four channels takes some 100 kB
STORE_AGAIN_S = 30.0  # after the disk refused a reading
PROOF_EVERY_S = 900.0  # how often the status message's clock proof is renewed

_log = logging.getLogger("agent.service")


@dataclass(slots=True)
class Line:
    """A line carries one session at a time; meters on the same line wait for each other."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@asynccontextmanager
async def open_spool(config: Config) -> AsyncIterator[tuple[Spool, MdspKeys | None]]:
    """Open the spool with the device key and, where configured, the MDSP's keys. Raises `LocalTrouble`."""
    key = load_device_key(config.key_directory)
    mdsp: MdspKeys | None = None
    if config.settings.keys.mdsp is not None:
        mdsp = MdspKeys(config.path(config.settings.keys.mdsp), require_encryption=config.settings.keys.encrypt)
        mdsp.load()
    sealer = Sealer(key, (lambda: mdsp.load().encryption) if mdsp is not None else (lambda: None))
    try:
        config.state_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LocalTrouble(f"the state directory {config.state_directory} cannot be made: {error.strerror}") from error
    spool = await Spool.open(
        config.spool_file, agent_id=config.agent_id, sealer=sealer, budget_octets=config.settings.spool.budget_octets
    )
    async with spool:
        yield spool, mdsp


async def keep(spool: Spool, reading: Reading) -> Entry:
    """Give `reading` its place in the agent's stream, durably. Raises `LocalTrouble` (disk, budget, keys)."""

    def place(sequence: int) -> bytes:
        return encode(msgspec.structs.replace(reading, sequence=sequence))

    return await spool.add("reading", reading.reading_id, place)


async def keep_in_spool(config: Config, order: Order, outcome: Outcome, records: MeterRecords) -> Reading:
    """Keep one reading in the spool of a configured agent; return it with its place in the stream.

    One that was taken before the time was known is held until the service knows it, without a place yet.
    """
    await link_recording(config, outcome.reading)
    if outcome.untimed is not None:
        await asyncio.to_thread(untimed_of(config).hold, outcome.untimed)
        return outcome.reading
    async with open_spool(config) as (spool, _keys):
        follower = FollowUp(records, spool, config.settings.anomalies, zone=config.settings.clock.zone)
        prepared = await follower.prepare(order, outcome)
        entry = await keep(spool, outcome.reading)
        await follower.complete(prepared)
    return msgspec.structs.replace(outcome.reading, sequence=entry.sequence)


async def link_recording(config: Config, reading: Reading) -> None:
    """Note which reading a recording of this agent's belongs to: with that it is found, and kept until acknowledged."""
    if reading.recording is not None and reading.recording.kept_until is not None:
        await recordings_of(config).link(reading.reading_id, reading.recording)


async def refuse_if_full(spool: Spool) -> None:
    """Raise `SpoolFull` before a meter is visited, rather than after, when there is no room for its reading."""
    status = await spool.status()
    if status.budget_octets * STOP_PERCENT // 100 - status.octets < ROOM_OCTETS:
        raise SpoolFull(
            f"the spool uses {status.percent} % of its budget: no meter is read until the MDSP has acknowledged some",
            advice="`mrsp spool status` shows the queue; restore the link, or give `spool.budget_octets` more",
        )


async def keep_for_sure(spool: Spool, reading: Reading, *, name: str, wait_s: float = STORE_AGAIN_S) -> Entry:
    """Keep `reading`, whatever it takes: on a full disk hold it and try again, since the meter may never tell again."""
    while True:
        try:
            return await keep(spool, reading)
        except LocalTrouble as error:
            _log.error("%s: %s; the reading is held in memory and stored again in %g s", name, error, wait_s)
            await asyncio.sleep(wait_s)


def order_of(config: Config, meter: MeterSection) -> Order:
    """Return the order for one visit to a configured meter."""
    order = meter.order()
    if order.password_file is None:
        return order
    return msgspec.structs.replace(order, password_file=str(config.path(order.password_file)))


def forwarder_of(config: Config, spool: Spool, keys: MdspKeys, clock: Callable[[], Mapping[str, Any]]) -> Forwarder:
    """Return the forwarder that the configuration describes; its files are named from the configuration's directory."""
    settings = config.settings.forward
    if settings is None:
        raise ConfigError("there is no [forward] section", advice="add one to say which broker takes the readings")
    resolved = msgspec.structs.replace(
        settings,
        ca=str(config.path(settings.ca)),
        certificate=str(config.path(settings.certificate)),
        key=str(config.path(settings.key)),
        password_file=str(config.path(settings.password_file)) if settings.password_file else None,
    )
    return mqtt_forwarder(spool, resolved, keys, clock=clock)


class Service:
    """One agent with its meters. `clock` is the box's; tests bring their own."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._records = records_of(config)
        self._box = configured_box(config, clock, records=self._records)
        self._keeper = self._box.keeper or ProofKeeper(config.settings.clock, clock)
        self._untimed = untimed_of(config)
        self._ledger = Ledger(config.state_directory / LEDGER)
        self._lines: dict[str, Line] = {}
        self._proof: ClockProof | None = None

    async def run(self) -> None:
        """Run until cancelled; meters are left logged off and what was read is in the spool."""
        settings = self._config.settings
        async with open_spool(self._config) as (spool, keys), asyncio.TaskGroup() as group:
            follower = FollowUp(self._records, spool, settings.anomalies, zone=settings.clock.zone)
            await follower.catch_up()
            group.create_task(self._renew_proof(spool), name="clock")
            group.create_task(tend_recordings(recordings_of(self._config), spool, self._now), name="recordings")
            group.create_task(keep_accounts(self._config, self._ledger, spool, self._known_now), name="accounts")
            if settings.forward is not None and keys is not None:
                forwarder = forwarder_of(self._config, spool, keys, self._clock_status)
                group.create_task(forwarder.run(), name="forward")
            for meter in settings.meters:
                group.create_task(self._attend(meter, spool, follower), name=f"meter {meter.name}")
            notify("READY=1")
            try:
                await self._feed_watchdog(spool)
            finally:
                notify("STOPPING=1")

    async def _attend(self, meter: MeterSection, spool: Spool, follower: FollowUp) -> None:
        """Visit one meter at every due time."""
        while True:
            now = self._now()
            due = next_due(now, meter.period, meter.offset)
            _log.info("%s: next visit at %s", meter.name, due.isoformat())
            await asyncio.sleep((due - now).total_seconds() + random.uniform(0, SPREAD_S))  # noqa: S311 - no secret
            await self._visit_with_retries(meter, due, spool, follower)

    async def _visit_with_retries(self, meter: MeterSection, due: datetime, spool: Spool, follower: FollowUp) -> None:
        """Visit; after a failure that may pass, again after each wait, but not into the next due time."""
        until = due + meter.period
        for wait_s in (*RETRY_WAITS_S, None):
            try:
                await self._visit(meter, due, spool, follower)
            except MrspError as error:
                error.at(meter.name)
                again = error.retry and wait_s is not None and self._now() + timedelta(seconds=wait_s) < until
                _log.error("%s; %s", error, f"again in {wait_s:g} s" if again else "given up until the next due time")
                if not again or wait_s is None:
                    return
                await asyncio.sleep(wait_s)
            else:
                return

    async def _visit(self, meter: MeterSection, due: datetime, spool: Spool, follower: FollowUp) -> None:
        line = self._lines.setdefault(meter.url.partition("?")[0], Line())
        order = order_of(self._config, meter)
        async with line.lock:
            try:
                await refuse_if_full(spool)
                outcome = await visit(order, self._box)
            except MrspError as error:
                await self._ledger.failed(meter.name, due, self._now(), error)
                raise
        await link_recording(self._config, outcome.reading)
        await self._ledger.came(meter.name, due, outcome.reading, outcome.broken)
        prepared = await follower.prepare(order, outcome)
        if outcome.untimed is not None:
            await asyncio.to_thread(self._untimed.hold, outcome.untimed)
            _log.warning("%s: the time is not known: reading %s waits for it", meter.name, outcome.reading.reading_id)
            await follower.complete(prepared)
            return
        entry = await keep_for_sure(spool, outcome.reading, name=meter.name)
        await follower.complete(prepared)
        failed = dict.fromkeys(check.check for check in outcome.reading.checks if check.outcome == "fail")
        verdict = f"failed: {', '.join(failed)}" if failed else "every check passed"
        _log.info("%s: reading %s is in the spool as %d; %s", meter.name, entry.document_id, entry.sequence, verdict)
        if isinstance(outcome.broken, MrspError):
            raise outcome.broken

    def _now(self) -> datetime:
        proof = self._proof
        if proof is None:
            return EPOCH + timedelta(microseconds=self._clock.realtime_ns() // 1000)
        return proof.utc_at(self._clock.boottime_ns())

    def _known_now(self) -> datetime | None:
        """Return the time if it is proven."""
        proof = self._proof
        return proof.utc_at(self._clock.boottime_ns()) if proof is not None and proof.synchronized else None

    def _clock_status(self) -> Mapping[str, Any]:
        return {} if self._proof is None else clock_facts(self._proof, read_instant(self._clock))

    async def _renew_proof(self, spool: Spool) -> None:
        """Measure the clock now and then; seal the readings that waited for the time."""
        while True:
            self._proof = await self._keeper.prove()
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
