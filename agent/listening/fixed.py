"""A fixed receiver as a part of the service: it listens for ever, and delivers every planned meter once in each cycle.

station = Station(box, IntoSpool(spool, follower, untimed, recordings).keep, config.path, reports)
group.create_task(listen_radio(settings.radio, station), name="radio")
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from agent.clock.settings import parse_gpsd
from agent.listening.board import Board
from agent.listening.delivery import Deliverer, Terms
from agent.listening.plan import ReadPlan, load_plan
from agent.listening.position import Whereabouts
from agent.listening.radio import LiveReceiver, RadioEar, kinds_of
from agent.listening.reception import Ear
from agent.listening.report import summary
from agent.listening.run import Cycle, Listening, Run
from agent.listening.senders import SenderReports
from agent.listening.settings import ListeningSettings, RadioSettings
from agent.listening.van import Van
from agent.order import Order
from agent.reading import Reading
from agent.visit import Box, Outcome
from drivers.data import Position
from drivers.errors import MrspError
from drivers.ert.receiver import Rtl433
from drivers.ert.supervision import Patience

_log = logging.getLogger("agent.listening")
MOST_LOGGED = 50  # lines at the end of a cycle; `mrsp listen` lists all
Keep = Callable[[Order, Outcome], Awaitable[Reading]]


@dataclass(frozen=True, slots=True)
class Station:
    """Where a fixed receiver stands: its agent, and where its readings and reports go.

    `path` resolves file names of the configuration; `keep` is given every reading, one after the other. `van` shows
    what is heard, to whoever is in it.
    """

    box: Box
    keep: Keep
    path: Callable[[str], Path] = Path
    reports: SenderReports | None = None
    van: Van | None = None


async def listen_radio(settings: RadioSettings, station: Station) -> None:
    """Listen with the receiver of `[radio]` until cancelled."""

    def ear_of(plan: ReadPlan) -> Ear:
        patience = Patience(settings.failures_an_hour, settings.failures_an_hour)
        kinds = kinds_of(plan.messages)
        receiver = Rtl433(settings.tuning, kinds, program=settings.program, patience=patience, report=_log.warning)
        return RadioEar(LiveReceiver(receiver), station.box.clock)

    if settings.gpsd is None:
        await listen_for_ever(settings, station, ear_of)
        return
    whereabouts = Whereabouts(parse_gpsd(settings.gpsd), station.box.clock)
    following = asyncio.create_task(whereabouts.follow())
    try:
        await listen_for_ever(settings, station, ear_of, whereabouts.position)
    finally:
        following.cancel()


async def listen_for_ever(
    settings: ListeningSettings,
    station: Station,
    ear_of: Callable[[ReadPlan], Ear],
    position: Callable[[], Position | None] = lambda: None,
    *,
    name: str = "radio",
) -> None:
    """Listen with any ear, in cycles, until cancelled. `name`: of the ear, for the person in the van.

    What is wrong with receiver, program or plan is logged and tried again after `rest`: the agent goes on without it.
    """
    while True:
        try:
            plan = await asyncio.to_thread(load_plan, station.path(settings.plan))
            await _listen(name, settings, station, plan, ear_of(plan), position)
        except MrspError as error:
            _rests(station, name, error)
            _log.error("%s; it is tried again in %s", error, settings.rest)
        except Exception:  # noqa: BLE001 - a bug in here must not end the agent, which reads other meters, too
            _rests(station, name, None)
            _log.exception("listening broke; it is tried again in %s", settings.rest)
        await asyncio.sleep(settings.rest_period.total_seconds())


def _rests(station: Station, name: str, error: MrspError | None) -> None:
    if station.van is not None:
        station.van.rests(name, error)


async def _listen(
    name: str,
    settings: ListeningSettings,
    station: Station,
    plan: ReadPlan,
    ear: Ear,
    position: Callable[[], Position | None],
) -> None:
    deliverer = Deliverer(ear, station.box, Terms(settings.rule_set))

    async def deliver(order: Order, outcome: Outcome) -> None:
        await station.keep(order, outcome)

    async def ended(board: Board) -> None:
        for line in islice(summary(board, plan), MOST_LOGGED):
            _log.info("%s", line)
        for hearing in board.unconfirmed() if station.reports is not None else ():
            if hearing.senders and station.reports is not None:
                order = deliverer.order_of(hearing.planned)
                await station.reports.report(hearing, order, deliverer.utc())

    cycle = Cycle(settings.period, settings.offset)
    how = Listening(hold=settings.hold_period, cycle=cycle, position=position, ended=ended)
    if station.van is not None:
        how = replace(how, tick=station.van.listens(name, plan, cycle, deliverer.utc, position))
    await Run(ear, plan, deliverer, station.box.clock, how).listen(deliver)
