"""Requests as a job of the service: from the configuration to the handler at work."""

from __future__ import annotations

from collections.abc import Callable

from agent.config import Config
from agent.keys import MdspKeys
from agent.requests.book import RequestBook
from agent.requests.handler import RequestHandler, Schedule
from agent.requests.inbox import Inbox
from agent.requests.intake import Mandate
from agent.requests.judging import Contracts
from agent.requests.settings import RequestSettings
from agent.requests.store import REQUESTS_FILE
from agent.scheduling.scheduler import Moment
from agent.spool import Spool


def mandate_of(config: Config, settings: RequestSettings) -> Mandate:
    """Return who is asked, and for which meters."""
    only_calls = [one.meter for one in config.settings.standings() if one.only_calls]
    contracts = Contracts(config.settings.meters, only_calls)
    return Mandate(config.agent_id, settings, contracts, config.settings.clock.zone)


async def handle_requests(
    config: Config,
    settings: RequestSettings,
    inbox: Inbox,
    connections: tuple[MdspKeys, Spool, Schedule],
    now: Callable[[], Moment],
) -> None:
    """Handle what comes into `inbox` until cancelled. Raises `LocalTrouble` if its file cannot be opened."""
    keys, spool, schedule = connections
    async with await RequestBook.open(config.state_directory / REQUESTS_FILE, mandate_of(config, settings)) as book:
        await RequestHandler(book, inbox, keys, spool, schedule, now).run()
