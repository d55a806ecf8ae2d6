"""Requests as a job of the service: from the configuration to the handler at work."""

from __future__ import annotations

from collections.abc import Callable

from agent.config import Config, Settings
from agent.keys import MdspKeys
from agent.requests.book import RequestBook
from agent.requests.desk import Desk, Errand
from agent.requests.handler import RequestHandler
from agent.requests.inbox import Inbox
from agent.requests.intake import Mandate
from agent.requests.judging import Contracts
from agent.requests.reads import Reads, Schedule
from agent.requests.settings import RequestSettings
from agent.requests.store import REQUESTS_FILE
from agent.requests.walks import Walks
from agent.routes.one_book import OneBook
from agent.scheduling.scheduler import Moment
from agent.spool import Spool


def contracts_of(settings: Settings) -> Contracts:
    """Return the meters that may be asked for."""
    return Contracts(settings.meters, only_calls(settings))


def only_calls(settings: Settings) -> list[str]:
    """Return the meters that cannot be called: they call by themselves."""
    return [one.meter for one in settings.standings() if one.only_calls]


def mandate_of(config: Config, settings: RequestSettings, contracts: Contracts) -> Mandate:
    """Return who is asked, and for which meters and routes."""
    return Mandate(
        config.agent_id,
        settings,
        contracts,
        config.settings.clock.zone,
        field_work=config.settings.console is not None,
    )


def handler_of(
    book: RequestBook,
    keys: MdspKeys,
    spool: Spool,
    schedule: Schedule,
    now: Callable[[], Moment],
    routes: OneBook | None = None,
) -> RequestHandler:
    """Return the handler of an agent with this schedule, and with these routes, if persons walk any."""
    desk = Desk(book, now)
    errands: list[Errand] = [Reads(desk, schedule)]
    if routes is not None:
        errands.append(Walks(desk, routes, spool))
    return RequestHandler(desk, keys, spool, errands)


async def handle_requests(
    config: Config,
    settings: RequestSettings,
    inbox: Inbox,
    connections: tuple[MdspKeys, Spool, Schedule, OneBook | None],
    now: Callable[[], Moment],
    contracts: Contracts,
) -> None:
    """Handle what comes into `inbox` until cancelled. Raises `LocalTrouble` if its file cannot be opened.

    `contracts`: the meters that may be asked for; they may change meanwhile.
    """
    keys, spool, schedule, routes = connections
    mandate = mandate_of(config, settings, contracts)
    async with await RequestBook.open(config.state_directory / REQUESTS_FILE, mandate) as book:
        await handler_of(book, keys, spool, schedule, now, routes).run(inbox)
