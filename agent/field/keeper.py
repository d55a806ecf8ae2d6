"""A reading of the field work on its way into the spool, as that of any visit; and what it settles."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime

import msgspec

from agent.box import untimed_of
from agent.clock.untimed import UntimedReading
from agent.config import Config
from agent.errors import LocalTrouble
from agent.field.kept_work import KeptWork, Owed
from agent.follow_up import FollowUp
from agent.keeping import STORE_AGAIN_S, keep_for_sure, link_recording
from agent.ledger import Ledger
from agent.order import Order
from agent.reading import Reading
from agent.spool import Spool
from agent.visit import Box, Outcome

FIELD = "field"  # the directory's name among the agent's state

_log = logging.getLogger("agent.field")


@dataclass(frozen=True, slots=True)
class Keeper:
    """The agent that the field work is done for: where readings are kept, and who follows them."""

    config: Config
    box: Box
    spool: Spool
    follower: FollowUp
    ledger: Ledger

    @property
    def work(self) -> KeptWork:
        """What of the field work outlives a crash."""
        return KeptWork(self.config.state_directory / FIELD)

    async def keep(self, order: Order, outcome: Outcome, owed: Owed) -> Reading:
        """Keep what a visit brought, whatever it takes, and let follow what follows.

        Return the document as it is stored; its `sequence` is 0 while it waits for the time to be known. `owed` is set
        down before it is stored, and is to be fulfilled by the caller.
        """
        reading = outcome.reading
        await link_recording(self.config, reading)
        if order.requested_at is not None:
            await self.ledger.came(_name(order), order.requested_at, reading, outcome.broken)
        prepared = await self.follower.prepare(order, outcome)
        try:
            await asyncio.to_thread(self.work.promise, owed)
        except LocalTrouble as error:
            _log.error("job %s: what follows its reading cannot be set down: %s", owed.job_id, error)
        if outcome.untimed is not None:
            await self._hold(outcome.untimed, owed.job_id)
            _log.warning("job %s: the time is not known: reading %s waits for it", owed.job_id, reading.reading_id)
        else:
            entry = await keep_for_sure(self.spool, reading, name=f"job {owed.job_id}")
            reading = msgspec.structs.replace(reading, sequence=entry.sequence)
            _log.info("job %s: reading %s is in the spool as %d", owed.job_id, entry.document_id, entry.sequence)
        await self.follower.complete(prepared)
        return reading

    async def stored(self, reading_id: str) -> bool:
        """Return whether a reading is in the spool, was delivered, or waits for its time. Raises `LocalTrouble`."""
        waiting = await asyncio.to_thread(untimed_of(self.config).waiting)
        return any(one.reading.reading_id == reading_id for one in waiting) or await self.spool.has(reading_id)

    async def asked(self, order: Order) -> None:
        """Set down in the ledger that a read out of the cycle was asked for, once however often it is tried."""
        if order.requested_at is not None:
            await self.ledger.asked(_name(order), order, order.requested_at)

    async def failed(self, order: Order, at: datetime, error: Exception) -> None:
        """Set down that an attempt at a read that was asked for brought no reading."""
        if order.requested_at is not None:
            await self.ledger.failed(_name(order), order.requested_at, at, error)

    async def _hold(self, untimed: UntimedReading, job_id: str) -> None:
        while True:
            try:
                await asyncio.to_thread(untimed_of(self.config).hold, untimed)
            except LocalTrouble as error:
                _log.error("job %s: %s; it is tried again in %g s", job_id, error, STORE_AGAIN_S)
                await asyncio.sleep(STORE_AGAIN_S)
            else:
                return


def _name(order: Order) -> str:
    """Return what the ledger calls the meter of an order."""
    return order.expected_meter_id or order.order_id or order.url
