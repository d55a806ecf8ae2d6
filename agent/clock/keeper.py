"""The proof that all visits of a box share: measured anew for each, but neither oftener than a source bears nor lost
when no source answers."""

from __future__ import annotations

import asyncio
import logging
import math
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

from agent.clock.hold_over import hold_over
from agent.clock.instant import NS, Clock, read_instant
from agent.clock.kept_proof import load, save
from agent.clock.measure import policy_of, prove
from agent.clock.proof import ClockProof
from agent.clock.settings import ClockSettings
from agent.errors import LocalTrouble

PROOF_FILE = "clock-proof.json"  # in the state directory
RESTED_NS = 64 * NS  # public NTP servers turn away who asks oftener

_log = logging.getLogger("agent.clock")


class ProofKeeper:
    """Measures the clock for whoever asks. `file`: where the last proof is kept for the next program of this boot."""

    def __init__(self, settings: ClockSettings, clock: Clock, file: Path | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._file = file
        self._last: ClockProof | None = None
        self._latest: ClockProof | None = None
        self._lock = asyncio.Lock()

    @property
    def latest(self) -> ClockProof | None:
        """What `prove` returned last; None before."""
        return self._latest

    async def prove(self, *, floor: datetime | None = None, zone: tzinfo | None = None) -> ClockProof:
        """Return the proof to go by now: measured, unless that was less than a minute ago.

        Never raises for what a source does. `floor`: a time that this box has stamped; the newest one it has proven,
        also in an earlier boot, is known here. `zone`: the site's, whose midnight begins the day.
        """
        async with self._lock:
            if self._last is None and self._file is not None:
                self._last = await asyncio.to_thread(load, self._file, policy_of(self._settings))
            floor = max((time for time in (floor, self._proven_by()) if time is not None), default=None)
            recent = self._recent(floor, zone)
            if recent is not None:
                return recent
            fresh = await prove(self._settings, self._clock, floor=floor)
            proof = self._latest = hold_over(fresh, self._last)
            if fresh.alarm:
                _log.error("%s", fresh.alarm)
            if fresh.tells_time:
                self._last = fresh
                await self._keep(fresh)
            return proof

    def _recent(self, floor: datetime | None, zone: tzinfo | None) -> ClockProof | None:
        """Return the latest proof where measuring again would tell nothing new."""
        latest = self._latest
        now = read_instant(self._clock)
        if latest is None or not latest.synchronized or latest.held_over or latest.alarm:
            return None
        if not 0 <= now.boottime_ns - latest.measured.boottime_ns < RESTED_NS or latest.stepped_s(now):
            return None
        if floor is not None and latest.utc_at(now.boottime_ns) < floor:
            return None
        return latest if latest.permits("interval", now, zone=zone).allowed else None

    def _proven_by(self) -> datetime | None:
        """Return the time that has passed for certain when the clock was proven last: time does not run behind it."""
        last = self._last
        if last is None or last.uncertainty_s is None:
            return None
        return last.utc_at(last.measured.boottime_ns) - timedelta(seconds=math.ceil(last.uncertainty_s))

    async def _keep(self, proof: ClockProof) -> None:
        if self._file is None or not self._file.parent.is_dir():  # not ours to make
            return
        try:
            await asyncio.to_thread(save, self._file, proof)
        except LocalTrouble as error:
            _log.warning("the clock proof does not outlive this program: %s", error)
