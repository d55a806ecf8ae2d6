"""What the console is on top of. The service makes one; the pages and the API call the same methods of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from agent.box_status import BoxStatus, ClockGlance
from agent.clock.instant import Clock
from agent.console.audit import AccessLog

if TYPE_CHECKING:
    from agent.field.desk import FieldDesk
    from agent.field.photos import Photos
    from agent.inspections.desk import InspectionDesk
    from agent.inspections.trouble import TroubleDesk
    from agent.listening.van import Van
    from agent.routes.book import RouteBook


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The parts of the agent that a person can reach. `None`: this box has none of it, and no page offers it."""

    agent_id: str
    version: str
    zone: tzinfo  # the site's: in which days begin and times are shown
    state_directory: Path  # accounts and sessions are kept here
    counters: Clock  # of this box: how long a login lasts
    now: Callable[[], datetime]  # UTC, corrected by the clock proof where there is one
    clock: Callable[[], ClockGlance]  # the clock proof as it is at this moment
    status: Callable[[], Awaitable[BoxStatus]]
    bundle: Callable[[], Awaitable[bytes]]  # the support bundle, a zip file
    access: AccessLog  # who saw and did what
    desk: FieldDesk | None = None
    routes: RouteBook | None = None
    inspections: InspectionDesk | None = None
    trouble: TroubleDesk | None = None  # the codes of a stop, reported too
    photos: Photos | None = None
    van: Van | None = None  # heard and unheard meters
