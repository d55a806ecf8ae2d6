"""What a person says who stood at a meter and brings no value: reported, as much of it as somebody must act on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from agent.anomalies import seen_at_site, sights_of
from agent.anomaly import Finding
from agent.config import Config
from agent.follow_up import FollowUp
from agent.keeping import open_spool
from agent.meter_record import MeterRecords
from agent.order import Order
from drivers.visual.trouble import NotRead


async def report_not_read(
    follower: FollowUp, order: Order, error: NotRead, at: datetime, *, told: Finding | None = None
) -> None:
    """Report the codes of a non-reading. `told`: a finding that the agent tells otherwise."""
    sights = [sight for sight in sights_of(error.trouble) if sight.finding != told]
    seen = [replace(one, reasons=(error.message,)) for one in seen_at_site(sights)]  # it has the words of the codes
    await follower.seen_without_reading(order, seen, at, photos=error.photos)


async def report_not_read_by_hand(config: Config, order: Order, error: NotRead, records: MeterRecords) -> None:
    """The same beside the service, of a configured agent. Raises `LocalTrouble` if its spool cannot be opened."""
    if not sights_of(error.trouble):
        return
    async with open_spool(config) as (spool, _keys):
        follower = FollowUp(records, spool, config.settings.anomalies, zone=config.settings.clock.zone)
        await report_not_read(follower, order, error, datetime.now(UTC))
