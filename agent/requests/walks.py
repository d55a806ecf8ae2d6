"""Routes that the MDSP sends: the book of routes has them, persons walk them, and their results go back."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime

import msgspec

from agent.document import uuid7
from agent.errors import UsageError
from agent.requests.desk import Desk
from agent.requests.judging import Refusal
from agent.requests.message import Action, Message
from agent.requests.store import Kept
from agent.requests.walk import Walk, end_of, is_over
from agent.routes.book import NoRoom, RouteBegun, RouteBook
from agent.routes.export import RouteResult
from agent.routes.one_book import OneBook
from agent.routes.safe_text import wrong_in
from agent.routes.view import RouteSummary
from agent.seal import MAX_DOCUMENT_OCTETS
from agent.spool import AlreadySpooled, Spool

LOOK_EVERY_NS = 60 * 1_000_000_000  # at each route that is being walked

_log = logging.getLogger("agent.requests")


class RouteReport(RouteResult, frozen=True, omit_defaults=True, kw_only=True):
    """What became of a route, as a document of the agent's chain."""

    report_id: str
    agent_id: str
    sequence: int  # gap-free per agent; 0 until the spool gives it its place
    transaction_id: str  # that the route came by


class Walks:
    """An `Errand`: the routes of one agent."""

    actions: frozenset[Action] = frozenset({"route"})
    called = "the route"
    under_way = "the route has been begun"

    def __init__(self, desk: Desk, routes: OneBook, spool: Spool) -> None:
        self._desk = desk
        self._routes = routes
        self._spool = spool
        self._book = desk.book
        self._looked_ns: dict[str, int] = {}  # by jti: those that are open

    async def begin(self, kept: Kept, message: Message) -> None:
        """Load the route, and accept or refuse it. After a crash it is loaded again: the same again changes nothing."""
        routes = await self._routes.opened()
        by = kept.kid if wrong_in(message.sender) else message.sender
        try:
            view = await routes.load(bytes(message.route), "json", by)
        except RouteBegun as error:
            await self._desk.refuse(kept, message, Refusal("too_late", str(error)))
        except NoRoom as error:
            await self._desk.refuse(kept, message, Refusal("busy", str(error)))
        except UsageError as error:
            await self._desk.refuse(kept, message, Refusal("bad_route", str(error)))
        else:
            summary = view.summary
            walk = Walk(route_id=summary.route_id, digest=summary.digest, stops=summary.progress.total)
            accepted = self._desk.answer(kept, message, "accepted", **_facts(walk))
            _log.info("route %s with %d stops is loaded for %s", walk.route_id, walk.stops, by)
            await self._book.call(self._book.store.walking, kept, walk, accepted)

    async def resume(self, kept: Kept, message: Message) -> None:
        """See what became of a route while the agent was down."""
        await self.follow(kept, message)

    async def follow(self, kept: Kept, message: Message) -> None:
        """Send the result of a route that is over."""
        walk, now = kept.walk, self._desk.now()
        if walk is None or now.boottime_ns < self._looked_ns.get(kept.jti, -LOOK_EVERY_NS) + LOOK_EVERY_NS:
            return
        if walk.taken_back:  # before a crash
            await self.take_back(kept, message)
            return
        routes = await self._routes.opened()
        found = await routes.progress(walk.route_id, walk.digest)
        if found is None:
            detail = "the route is not on this box any more, or another one of its id is in its place"
            await self._desk.give_up(kept, message, "gone", detail, **_facts(walk))
        elif not _over(*found, now.at):
            self._looked_ns[kept.jti] = now.boottime_ns
            return
        else:
            await self._report(kept, message, walk, routes)
        self._looked_ns.pop(kept.jti, None)

    async def take_back(self, kept: Kept, message: Message) -> None:
        """Take a route back, if nothing was done in it."""
        if kept.walk is None:
            return
        routes, store = await self._routes.opened(), self._book.store
        walk = msgspec.structs.replace(kept.walk, taken_back=True)
        await self._book.call(store.note_walk, kept, walk)  # gone, it could not be told from one that was lost
        try:
            await routes.withdraw(walk.route_id, walk.digest)
        except RouteBegun:
            await self._book.call(store.note_walk, kept, msgspec.structs.replace(walk, taken_back=False))
            return
        await self._desk.settle(kept, self._desk.answer(kept, message, "cancelled", **_facts(walk)))
        self._looked_ns.pop(kept.jti, None)

    async def _report(self, kept: Kept, message: Message, walk: Walk, routes: RouteBook) -> None:
        """Put the result into the spool, once, and say so. Its id is set down before."""
        if walk.report_id is None:
            walk = msgspec.structs.replace(walk, report_id=str(uuid7(self._desk.now().at)))
            await self._book.call(self._book.store.note_walk, kept, walk)
        report_id = walk.report_id or ""
        if not await self._spool.has(report_id):  # before a crash
            result = await routes.result(walk.route_id, walk.digest)
            report = _fitting(_report_of(result, report_id, self._spool.agent_id, message.transaction_id))
            if report is None:
                detail = "the result is larger than a document may be; `mrsp route export` has it"
                await self._desk.give_up(kept, message, "too_large", detail, **_facts(walk))
                return

            def place(sequence: int) -> bytes:
                return msgspec.json.encode(msgspec.structs.replace(report, sequence=sequence))

            with suppress(AlreadySpooled):
                await self._spool.add("report", report_id, place)
        done = self._desk.answer(kept, message, "done", report_id=report_id, **_facts(walk))
        await self._desk.settle(kept, done)


def _facts(walk: Walk) -> dict[str, object]:
    return {"route_id": walk.route_id, "stops": walk.stops}


def _over(summary: RouteSummary, changed_at: datetime, now: datetime) -> bool:
    progress = summary.progress
    end = end_of(summary.day, summary.zone, progress.deadline)
    return is_over(end, finished=not progress.left and not progress.to_decide, changed_at=changed_at, now=now)


def _report_of(result: RouteResult, report_id: str, agent_id: str, transaction_id: str) -> RouteReport:
    facts = {field: getattr(result, field) for field in RouteResult.__struct_fields__}
    return RouteReport(report_id=report_id, agent_id=agent_id, sequence=0, transaction_id=transaction_id, **facts)


def _fitting(report: RouteReport) -> RouteReport | None:
    """Return a report that can be sent: where it is too large, without the single acts; None if that is not enough."""
    plain = tuple(msgspec.structs.replace(stop, history=()) for stop in report.stops)
    for tried in (report, msgspec.structs.replace(report, stops=plain)):
        if len(msgspec.json.encode(tried)) + 20 <= MAX_DOCUMENT_OCTETS:  # digits of its sequence
            return tried
    return None
