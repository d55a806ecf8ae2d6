"""One visit of the service, from the schedule's word to the spool and what follows: none is made twice, none is lost.

The order of the steps is what makes it so. Before a meter is read there is room in the spool. Before its reading goes
into the spool the schedule has its id on the disk, so that after a crash it is looked for there. What follows a
reading is set down before it, and carried out after it (`agent.follow_up`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import msgspec

from agent.box import untimed_of
from agent.config import Config, MeterSection
from agent.errors import LocalTrouble, MrspError, VisitTooLong
from agent.follow_up import FollowUp
from agent.held_password import shown_once
from agent.keeping import STORE_AGAIN_S, keep_for_sure, link_recording, refuse_if_full
from agent.ledger import Ledger
from agent.lines import url_on
from agent.log_fields import about
from agent.not_read import report_not_read
from agent.order import Order
from agent.scheduling.failures import failure_of
from agent.scheduling.reads import GivenUp, Read
from agent.scheduling.retry import Failure
from agent.scheduling.scheduler import Came, Moment
from agent.spool import Spool
from agent.visit import Box, Outcome, visit
from drivers.visual.trouble import NotRead

HANG_UP_S = 20.0  # of the time that a visit has, kept back for leaving the meter and the line
LEAST_S = 5.0
UNTOLD = frozenset({"cancelled", "not_configured"})  # by a person, who need not be told

_log = logging.getLogger("agent.service")


@dataclass(slots=True)
class Attendant:
    """Makes the visits of one agent, and tells whoever must know what becomes of them: the schedule's `World`."""

    config: Config
    orders: Mapping[str, Order]  # of the meters in the configuration
    box: Box
    spool: Spool
    follower: FollowUp
    ledger: Ledger
    now: Callable[[], Moment]

    def adopt(self, config: Config) -> None:
        """Go by another configuration from the next visit on; those under way end by the one that they began with."""
        directories = config.settings.agent
        self.orders = {**self.orders, **{meter.name: order_of(config, meter) for meter in config.settings.meters}}
        self.box = replace(
            self.box,
            profile_dirs=tuple(map(config.path, directories.profile_directories)),
            rule_set_dirs=tuple(map(config.path, directories.rule_set_directories)),
        )
        self.config = config

    def order_for(self, read: Read) -> Order:
        """Return the order of `read`: what was asked for, or what stands in the configuration."""
        if read.request is not None:
            return resolved(self.config, read.request.order)
        return self.orders[read.meter]

    async def attend(self, read: Read, came: Came) -> str | Failure:
        """Visit the meter of `read` and keep the reading; return its id, or why there is none that is whole.

        `came` is told the reading's id, and whether it is whole, before the spool has it. Never raises but for being
        cancelled.
        """
        with about(meter=read.meter):
            return await self._attended(read, came)

    async def _attended(self, read: Read, came: Came) -> str | Failure:
        try:
            order = self.order_for(read)
            outcome = await self._visited(read, order)
            return await self.keep(read, order, outcome, came)
        except MrspError as error:
            error.at(read.meter)
            _log.error("%s", error)
            return failure_of(error)
        except Exception as error:  # noqa: BLE001 - a bug met at one meter must not keep the others from being read
            _log.exception("%s: this visit met a bug", read.meter)
            return failure_of(error)

    async def stored(self, reading_ids: Iterable[str]) -> set[str]:
        """Return which of these readings are in the spool, were delivered, or wait for their time."""
        waiting = await asyncio.to_thread(untimed_of(self.config).waiting)
        held = {one.reading.reading_id for one in waiting}
        return {one for one in reading_ids if one in held or await self.spool.has(one)}

    async def asked(self, read: Read) -> None:
        """Set down in the ledger that a read out of the cycle was asked for."""
        if read.request is not None:
            await self.ledger.asked(read.meter, read.request.order, read.due)

    async def given_up(self, given_up: GivenUp) -> None:
        """Set down why a read is not tried again; where it is not this box's own trouble, a person is called."""
        read = given_up.read
        try:
            await self.ledger.given_up(read.meter, read.due, given_up.at, given_up.reason, given_up.why)
            ours = read.failure is not None and read.failure.about == "box"
            if not ours and not read.brought and given_up.why not in UNTOLD:
                await self.follower.not_reached(self.order_for(read), given_up.detail, given_up.at)
        except Exception:  # noqa: BLE001 - a bug in a report must not stop the schedule
            _log.exception("%s: that its read was given up cannot be told", read.meter)

    async def _visited(self, read: Read, order: Order) -> Outcome:
        try:
            await refuse_if_full(self.spool)
            left_s = None if read.ends_by is None else (read.ends_by - self.now().at).total_seconds() - HANG_UP_S
            most_s = None if left_s is None else max(int(left_s), 1)
            via = url_on(order.url, read.line, self.config.settings.banks, most_s=most_s)
            box = self.box if read.request is None else replace(self.box, asked_by=read.request.requested_by)
            async with shown_once(box, order):
                return await _limited(visit(order, box, via=via), left_s)
        except Exception as error:
            await self.ledger.failed(read.meter, read.due, self.now().at, error)
            if isinstance(error, NotRead):  # that nobody got at it is told when the read is given up
                await report_not_read(self.follower, order, error, self.now().at, told="no_access")
            raise

    async def keep(self, read: Read, order: Order, outcome: Outcome, came: Came) -> str | Failure:
        """Keep what a visit brought, and let follow what follows; return the reading's id, or why it is not whole."""
        with about(meter=read.meter, reading_id=outcome.reading.reading_id):
            return await self._kept(read, order, outcome, came)

    async def _kept(self, read: Read, order: Order, outcome: Outcome, came: Came) -> str | Failure:
        reading = outcome.reading
        await link_recording(self.config, reading)
        read.brought = True
        await came(read, reading.reading_id, outcome.broken is None)
        await self.ledger.came(read.meter, read.due, reading, outcome.broken)
        prepared = await self.follower.prepare(order, outcome)
        if outcome.untimed is not None:
            await self._hold(read, outcome)
            _log.warning("%s: the time is not known: reading %s waits for it", read.meter, reading.reading_id)
        else:
            entry = await keep_for_sure(self.spool, reading, name=read.meter)
            failed = dict.fromkeys(check.check for check in reading.checks if check.outcome == "fail")
            verdict = f"failed: {', '.join(failed)}" if failed else "every check passed"
            _log.info(
                "%s: reading %s is in the spool as %d; %s", read.meter, entry.document_id, entry.sequence, verdict
            )
        await self.follower.complete(prepared)
        return reading.reading_id if outcome.broken is None else failure_of(outcome.broken)

    async def _hold(self, read: Read, outcome: Outcome) -> None:
        """Hold a reading whose time is not known, whatever it takes."""
        while outcome.untimed is not None:
            try:
                await asyncio.to_thread(untimed_of(self.config).hold, outcome.untimed)
            except LocalTrouble as error:
                _log.error("%s: %s; it is tried again in %g s", read.meter, error, STORE_AGAIN_S)
                await asyncio.sleep(STORE_AGAIN_S)
            else:
                return


async def _limited(visiting: Awaitable[Outcome], left_s: float | None) -> Outcome:
    """Wait for the visit, at most so long; the meter is left logged off all the same."""
    if left_s is None:
        return await visiting
    limit = asyncio.timeout(max(left_s, LEAST_S))
    try:
        async with limit:
            return await visiting
    except TimeoutError as error:
        if not limit.expired():
            raise
        advice = "give it more time by `longest_call` or a wider `call_window`, or order less (`registers_only`)"
        raise VisitTooLong(f"the visit was ended after {left_s:.0f} s", advice=advice) from error


def order_of(config: Config, meter: MeterSection) -> Order:
    """Return the order for one visit to a configured meter."""
    return resolved(config, meter.order())


def resolved(config: Config, order: Order) -> Order:
    """Return `order` with its password file named from the configuration's directory."""
    if order.password_file is None:
        return order
    return msgspec.structs.replace(order, password_file=str(config.path(order.password_file)))
