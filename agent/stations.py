"""The receivers of a service: what listens for meters that send by themselves, where the configuration has a section.

Imported on use only: a gateway without a receiver does not load what belongs to one.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from typing import Any
from zoneinfo import ZoneInfo

from agent.box import recordings_of, records_of, untimed_of
from agent.config import Config
from agent.follow_up import FollowUp
from agent.listening.fixed import Station, listen_radio
from agent.listening.fixed_pager import listen_pager
from agent.listening.into_spool import IntoSpool
from agent.listening.senders import SenderReports
from agent.listening.van import Van
from agent.spool import Spool
from agent.visit import Box


def listening_jobs(
    config: Config, box: Box, spool: Spool, follower: FollowUp, van: Van | None = None
) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
    """Yield what is to run beside the schedule, by name. `van` shows a person what is heard."""
    settings, records = config.settings, box.records or records_of(config)
    zone = ZoneInfo(settings.clock.zone or "UTC")
    keeper = IntoSpool(spool, follower, untimed_of(config), recordings_of(config))
    station = Station(box, keeper.keep, config.path, SenderReports(records, spool, settings.anomalies, zone), van)
    if settings.radio is not None:
        yield "radio", listen_radio(settings.radio, station)
    if settings.pager is not None:
        yield "pager", listen_pager(settings.pager, station)
