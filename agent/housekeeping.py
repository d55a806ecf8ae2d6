"""What the service does beside its meters: recordings are let go in time, and each day's figures are reported."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from agent.config import Config
from agent.errors import LocalTrouble
from agent.ledger import Ledger, roster_of
from agent.performance import daily_report
from agent.recordings import Recordings
from agent.spool import Spool

TEND_EVERY_S = 3600.0  # how often recordings beyond their time or budget are let go
WAIT_FOR_TIME_S = 10.0  # how often it is looked whether the time is known yet

_log = logging.getLogger("agent.service")


async def waiting_readings(spool: Spool) -> set[str]:
    """Return the ids of the readings that the MDSP has not acknowledged."""
    ids: set[str] = set()
    after = 0
    while batch := await spool.entries(after_seq=after):
        ids.update(entry.document_id for entry in batch if entry.kind == "reading")
        after = batch[-1].seq
    return ids


async def tend_recordings(recordings: Recordings, spool: Spool, now: Callable[[], datetime]) -> None:
    """Adopt what a crash left, and let go of what is beyond time or budget; a waiting reading's recording stays."""
    adopted = False
    while True:
        try:
            if not adopted:
                await recordings.adopt()
                adopted = True
            removed = await recordings.prune(now(), waiting=await waiting_readings(spool))
            if removed:
                _log.info("%d recordings were beyond their time or budget", removed)
        except (LocalTrouble, OSError) as error:
            _log.warning("the recordings in %s cannot be tended: %s", recordings.directory, error)
        await asyncio.sleep(TEND_EVERY_S)


async def keep_accounts(
    configured: Callable[[], Config], ledger: Ledger, spool: Spool, now: Callable[[], datetime | None]
) -> None:
    """Set down which meters are expected from now on, and report each day. `now`: None while the time is not known."""
    while (begun := now()) is None:  # noqa: ASYNC110 - a proof that comes may be lost again before an event is seen
        await asyncio.sleep(WAIT_FOR_TIME_S)
    config = configured()
    await begin_accounts(config, ledger, begun)
    entity = config.settings.anomalies.reporting_entity
    await daily_report(ledger, spool, now, _zone(config), reporting_entity=entity)


async def begin_accounts(config: Config, ledger: Ledger, begun: datetime) -> None:
    """Set down which meters are expected from now on."""
    cycles = {standing.meter: standing.cycle for standing in config.settings.standings()}
    await ledger.begin(roster_of(config.settings.meters, cycles), begun)


def _zone(config: Config) -> tzinfo:
    name = config.settings.clock.zone
    return ZoneInfo(name) if name is not None else UTC
