"""What is heard goes the way of what is read: into the spool, with its recording and what follows it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

import msgspec

from agent.clock.untimed import UntimedReading, UntimedReadings
from agent.errors import LocalTrouble
from agent.follow_up import FollowUp
from agent.keeping import keep, keep_for_sure
from agent.order import Order
from agent.reading import Reading
from agent.recordings import Recordings
from agent.spool import Spool
from agent.visit import Outcome

HOLD_AGAIN_S = 30.0  # after the disk refused a reading that waits for its time

_log = logging.getLogger("agent.listening")


@dataclass(frozen=True, slots=True)
class IntoSpool:
    """Keeps readings durably. `for_sure`: a disk that refuses one is waited for, as a service does."""

    spool: Spool
    follower: FollowUp
    untimed: UntimedReadings
    recordings: Recordings
    for_sure: bool = True

    async def keep(self, order: Order, outcome: Outcome) -> Reading:
        """Keep one reading; return it with its place in the stream. Without `for_sure` raises `LocalTrouble`.

        One that was heard before the time was known is held until the service knows it, without a place yet.
        """
        reading = outcome.reading
        if reading.recording is not None and reading.recording.kept_until is not None:
            await self.recordings.link(reading.reading_id, reading.recording)
        prepared = await self.follower.prepare(order, outcome)
        if outcome.untimed is not None:
            await self._hold(outcome.untimed, order.url)
            _log.warning("%s: the time is not known: reading %s waits for it", order.url, reading.reading_id)
            await self.follower.complete(prepared)
            return reading
        name = order.url
        entry = await (keep_for_sure(self.spool, reading, name=name) if self.for_sure else keep(self.spool, reading))
        await self.follower.complete(prepared)
        _log.info("%s: reading %s is in the spool as %d", name, entry.document_id, entry.sequence)
        return msgspec.structs.replace(reading, sequence=entry.sequence)

    async def _hold(self, untimed: UntimedReading, name: str) -> None:
        while True:
            try:
                return await asyncio.to_thread(self.untimed.hold, untimed)
            except LocalTrouble as error:
                if not self.for_sure:
                    raise
                _log.error("%s: %s; the reading is held in memory and stored again in %g s", name, error, HOLD_AGAIN_S)
                await asyncio.sleep(HOLD_AGAIN_S)
