"""The console in the service: the parts of a running agent put together for the person at the meter.

Everything that the pages need runs with it: jobs at meters, routes, inspections. Imported on use only.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

from agent.audit import AuditLog
from agent.box import audit_file_of
from agent.box_status import VERSION, BoxLooker, Link
from agent.clock.instant import NS, read_instant
from agent.clock.proof import ClockProof
from agent.config import Config
from agent.console.audit import AccessLog
from agent.console.server import resolved, serve_console
from agent.console.settings import ConsoleSettings
from agent.console.world import World
from agent.field.carrying import BorrowLine
from agent.field.desk import FieldDesk
from agent.field.keeper import Keeper
from agent.field.photos import PHOTOS, Photos
from agent.follow_up import FollowUp
from agent.inspections.desk import InspectionDesk
from agent.inspections.store import INSPECTIONS_FILE
from agent.inspections.trouble import TroubleDesk
from agent.ledger import Ledger
from agent.listening.van import Van
from agent.recent_log import RecentLog
from agent.routes.one_book import OneBook
from agent.scheduling.scheduler import Moment
from agent.spool import Spool
from agent.support_bundle import Gathered, support_bundle
from agent.together import together
from agent.visit import Box
from drivers.errors import MrspError

TRY_AGAIN_S = 60.0

_log = logging.getLogger("agent.console")


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """What the service lends to its console. `link`: None where nothing is forwarded; `routes` are not its alone."""

    config: Config
    box: Box
    spool: Spool
    follower: FollowUp
    ledger: Ledger
    moment: Callable[[], Moment]
    proof: Callable[[], ClockProof | None]
    link: Link | None
    log: RecentLog
    routes: OneBook
    borrow_line: BorrowLine
    van: Van | None


async def keep_console(settings: ConsoleSettings, agent: Agent) -> None:
    """Have a console until cancelled. What is wrong with it is said, and tried again: meters are read without it."""
    log = logging.getLogger()
    log.addHandler(agent.log)
    try:
        while True:
            try:
                await run_console(settings, agent)
            except MrspError as error:
                _log.error("there is no console: %s; it is tried again in %g s", error, TRY_AGAIN_S)
            except Exception:  # noqa: BLE001 - a bug in here must not end the agent, which reads meters
                _log.exception("the console broke; it is tried again in %g s", TRY_AGAIN_S)
            await asyncio.sleep(TRY_AGAIN_S)
    finally:
        log.removeHandler(agent.log)


async def run_console(settings: ConsoleSettings, agent: Agent) -> None:
    """Serve until cancelled; jobs are ended properly. Raises `ConfigError`, `LocalTrouble`."""
    config, state = agent.config, agent.config.state_directory
    now = partial(_now, agent)
    async with AsyncExitStack() as stack:
        routes = await agent.routes.opened()
        inspections = await InspectionDesk.open(
            state / INSPECTIONS_FILE, agent.spool, config.settings.anomalies, zone=config.settings.clock.zone, now=now
        )
        stack.push_async_callback(inspections.close)
        keeper = Keeper(config, agent.box, agent.spool, agent.follower, agent.ledger)
        desk = FieldDesk(keeper, routes=routes, borrow_line=agent.borrow_line, now=agent.moment)
        looker = _looker(agent)
        world = World(
            agent_id=config.agent_id,
            version=VERSION,
            zone=ZoneInfo(config.settings.clock.zone or "UTC"),
            state_directory=state,
            counters=agent.box.clock,
            now=now,
            clock=looker.clock,
            status=looker.status,
            bundle=partial(_bundle, agent, looker),
            access=_access(agent),
            desk=desk,
            routes=routes,
            inspections=inspections,
            trouble=TroubleDesk(routes, agent.follower, now),
            van=agent.van,
            photos=Photos(state / PHOTOS, most_octets=settings.max_upload_octets),
        )
        await together(
            (
                ("jobs at meters", desk.run()),
                ("inspections", inspections.run()),
                ("console", serve_console(resolved(config, settings), world)),
            )
        )


def _now(agent: Agent) -> datetime:
    return agent.moment().at


def _looker(agent: Agent) -> BoxLooker:
    config, clock = agent.config, agent.box.clock
    return BoxLooker(
        agent_id=config.agent_id,
        state_directory=config.state_directory,
        key_directory=config.key_directory,
        certificate=config.tls_certificate,
        spool=agent.spool,
        proof=agent.proof,
        instant=lambda: read_instant(clock),
        now=partial(_now, agent),
        link=agent.link,
        log=agent.log,
    )


async def _bundle(agent: Agent, looker: BoxLooker) -> bytes:
    gathered = Gathered(agent.config, _now(agent), await looker.status(), agent.log.lines())
    return await asyncio.to_thread(support_bundle, gathered)


def _access(agent: Agent) -> AccessLog:
    file, clock = audit_file_of(agent.config), agent.box.clock
    return AccessLog(lambda: AuditLog.mended(file, lambda: datetime.now(UTC)), lambda: clock.boottime_ns() / NS)
