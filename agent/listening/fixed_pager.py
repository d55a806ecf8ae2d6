"""A fixed receiver of a paging channel as a part of the service.

group.create_task(listen_pager(settings.pager, station), name="pager")
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from agent.listening.fixed import Station, listen_for_ever
from agent.listening.pager import PagerEar
from agent.listening.pager_settings import PagerSettings
from agent.listening.plan import ReadPlan
from agent.listening.reception import Ear


async def listen_pager(settings: PagerSettings, station: Station) -> None:
    """Listen with the receiver of `[pager]` until cancelled; local times in messages are in the agent's zone."""
    box = station.box
    zone = ZoneInfo(box.clock_settings.zone) if box.clock_settings.zone else None

    def ear_of(plan: ReadPlan) -> Ear:
        source, decoder = settings.receiver, settings.decoder
        return PagerEar(plan, box.clock, source, decoder=decoder, profile_dirs=box.profile_dirs, zone=zone)

    await listen_for_ever(settings, station, ear_of, name="pager")
