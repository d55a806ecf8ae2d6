"""A reading on its way into the spool: room for it first, then its place in the stream, whatever it takes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from agent.box import recordings_of, untimed_of
from agent.config import Config
from agent.document import encode
from agent.errors import LocalTrouble
from agent.follow_up import FollowUp
from agent.keys import MdspKeys
from agent.meter_record import MeterRecords
from agent.order import Order
from agent.outlet import Copies, CopyingSpool, FileCopies, LineCopies
from agent.reading import Reading
from agent.sealing import sealer_of
from agent.spool import Entry, Spool
from agent.spool_store import STOP_PERCENT, SpoolFull
from agent.visit import Outcome

ROOM_OCTETS = 262_144  # a sealed reading with a month of four channels takes some 100 kB
STORE_AGAIN_S = 30.0  # after the disk refused a reading

_log = logging.getLogger("agent.service")


@asynccontextmanager
async def open_spool(config: Config, *, service: bool = False) -> AsyncIterator[tuple[Spool, MdspKeys | None]]:
    """Open the spool with the device key and, where configured, the MDSP's keys and outlets. Raises `LocalTrouble`.

    `service`: its standard output is an outlet, too, and it settles what a crash left of the copies.
    """
    sealer, mdsp = sealer_of(config)
    try:
        config.state_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LocalTrouble(f"the state directory {config.state_directory} cannot be made: {error.strerror}") from error
    spool = await CopyingSpool.open(
        config.spool_file, agent_id=config.agent_id, sealer=sealer, budget_octets=config.settings.spool.budget_octets
    )
    async with spool:
        spool.copies = _copies_of(config, service=service)
        for outlet in spool.copies if service else ():
            await outlet.recover(spool)
        yield spool, mdsp


def _copies_of(config: Config, *, service: bool) -> tuple[Copies, ...]:
    """Return the outlets that get a copy of each document, beside the way to the MDSP."""
    outlet = config.settings.outlet
    found: list[Copies] = []
    if outlet.file is not None and config.settings.forward is not None:
        found.append(FileCopies(outlet.file, config.path(outlet.file.directory)))
    if outlet.stdout and service:
        found.append(LineCopies())
    return tuple(found)


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
