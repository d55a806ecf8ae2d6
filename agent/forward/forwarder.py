"""From the spool to the MDSP, and back with its signed acknowledgement: connects, sends, waits, starts again.

A document leaves the spool when, and only when, an acknowledgement that verifies names it. At most a window of
documents is under way, so memory is constant whatever the backlog.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import Any, Literal

import msgspec

from agent.errors import MrspError
from agent.forward.reconnect import LinkState, Reconnect
from agent.forward.trouble import Cause, ForwardTrouble
from agent.forward.uplink import Dial, Topics, Uplink
from agent.forward.window import PATIENCE, SendWindow
from agent.keys import MdspKeys
from agent.seal import AckRefused, verify_ack
from agent.spool import Entry, Outgoing, Spool, timestamp
from agent.together import end_all, together
from drivers.decimal_text import plain

IN_FLIGHT = 20  # publishes awaiting a PUBACK: the receive maximum of common brokers
AHEAD = 20  # documents fetched at once: one look at the disk for several
STATUS_EVERY_S = 60.0
LOOK_EVERY_S = 30.0  # documents that another process adds are found by looking
GOODBYE_S = 2.0

_VERSION = version("mrsp-agent")

_log = logging.getLogger("agent.forward")


class Forwarder:
    """Forwards one spool. `status` gives what else the status message says; `jitter` is for tests."""

    def __init__(
        self,
        spool: Spool,
        dial: Dial,
        mdsp_keys: MdspKeys,
        *,
        window: SendWindow,
        status: Callable[[], Mapping[str, Any]] = dict,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._spool = spool
        self._dial = dial
        self._mdsp_keys = mdsp_keys
        self._said = status
        self._topics = Topics(spool.agent_id)
        self._window = window
        self._reconnect = Reconnect(jitter)
        self._acknowledged = asyncio.Event()
        self.acks_refused = 0

    @property
    def state(self) -> LinkState:
        return self._reconnect.state

    @property
    def trouble(self) -> ForwardTrouble | None:
        """The last trouble, until the MDSP acknowledges something again."""
        return self._reconnect.trouble

    async def run(self) -> None:
        """Forward until cancelled. Never raises for trouble of network, broker, MDSP or disk: waits and tries again."""
        try:
            while True:
                wait_s = await self._attempt()
                await asyncio.sleep(wait_s)
        finally:
            self._reconnect.stopped()

    async def drain(self, timeout_s: float) -> None:
        """Forward until the MDSP has acknowledged everything; `ForwardTrouble` if `timeout_s` is not enough."""
        try:
            async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as group:
                running = group.create_task(self.run())
                while True:
                    self._acknowledged.clear()
                    if await self._spool.is_empty():
                        break
                    await self._acknowledged.wait()
                running.cancel()
        except TimeoutError as err:
            depth = (await self._spool.status()).depth
            known = self._reconnect.trouble
            why = f": {known.message}" if known else ""
            raise ForwardTrouble(
                f"{depth} documents are not acknowledged after {timeout_s:g} s{why}; they stay in the spool",
                cause=known.cause if known else Cause.UNACKNOWLEDGED,
            ) from err

    async def _attempt(self) -> float:
        """Connect and forward until that ends; return the seconds to wait before the next attempt."""
        loop = asyncio.get_running_loop()
        self._reconnect.connecting()
        connected_at: float | None = None
        trouble = ForwardTrouble("the connection ended", cause=Cause.LOST)
        try:
            async with self._dial(await self._status("offline")) as link:
                connected_at = loop.time()
                self._reconnect.connected()
                self._window.restart()
                await self._converse(link)
        except ForwardTrouble as err:
            trouble = err
        except MrspError as err:
            trouble = ForwardTrouble(err.message, cause=Cause.LOCAL, advice=err.advice)
        held_s = 0.0 if connected_at is None else loop.time() - connected_at
        return self._reconnect.failed(trouble, held_s=held_s)

    async def _converse(self, link: Uplink) -> None:
        """Send, take acknowledgements and tell the status until one of them fails; raises that `MrspError`."""
        try:
            await together(
                (("acks", self._take_acks(link)), ("status", self._tell_status(link)), ("send", self._send(link)))
            )
        except asyncio.CancelledError:
            with suppress(MrspError, TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await link.publish(self._topics.status, await self._status("offline"), retain=True)
            raise

    async def _send(self, link: Uplink) -> None:
        """Keep up to `IN_FLIGHT` publishes under way while there is something to send; one that fails ends them all.

        Each PUBACK is answered at once with the next document, from a few that were fetched ahead: a broker that waits
        for our TCP acknowledgement before it sends the next PUBACK (Nagle) has it with our data.
        """
        loop = asyncio.get_running_loop()
        flights: set[asyncio.Task[None]] = set()
        ahead: deque[Outgoing] = deque()
        try:
            while True:
                self._spool.changed.clear()
                landed = {flight for flight in flights if flight.done()}
                flights -= landed
                for flight in landed:
                    flight.result()
                now = loop.time()
                room = 0 if ahead else min(self._window.room(now), AHEAD)
                if room:
                    ahead.extend(await self._spool.pending(room, skip=self._window.under_way(now)))
                    if not ahead:
                        self._window.forget_due(now)  # due and not pending: acknowledged while it was being sent
                while ahead and len(flights) < IN_FLIGHT:
                    outgoing = ahead.popleft()
                    self._note_sent(outgoing.entry)
                    flights.add(asyncio.create_task(self._publish(link, outgoing)))
                    if not ahead:
                        break  # fetch more
                else:
                    with suppress(TimeoutError):
                        async with asyncio.timeout_at(min(self._window.next_due(now), now + LOOK_EVERY_S)):
                            await self._spool.changed.wait()
        finally:
            await end_all(flights)

    def _note_sent(self, entry: Entry) -> None:
        times = self._window.sent(entry.seq, entry.document_id, asyncio.get_running_loop().time())
        if times == PATIENCE:
            _log.warning("%s %s was sent %d times and is not acknowledged", entry.kind, entry.document_id, times)

    async def _publish(self, link: Uplink, outgoing: Outgoing) -> None:
        try:
            await link.publish(self._topics.of(outgoing.entry.kind), outgoing.body)
        finally:
            self._spool.changed.set()  # there is room for another

    async def _take_acks(self, link: Uplink) -> None:
        while True:
            tokens = await link.received()
            keys = self._mdsp_keys.load().verification
            named: set[str] = set()
            for token in tokens:
                try:
                    named.update(verify_ack(token, keys, agent_id=self._spool.agent_id))
                except AckRefused as err:
                    _log.log(logging.DEBUG if self.acks_refused else logging.WARNING, "%s", err)
                    self.acks_refused += 1
            if named and await self._spool.acknowledge(named):
                self._reconnect.progressed()
                self._acknowledged.set()
            self._window.acknowledged(named)

    async def _tell_status(self, link: Uplink) -> None:
        while True:
            await link.publish(self._topics.status, await self._status("online"), retain=True)
            await asyncio.sleep(STATUS_EVERY_S)

    async def _status(self, state: Literal["online", "offline"]) -> bytes:
        status = await self._spool.status()
        oldest = {"oldest": timestamp(status.oldest)} if status.oldest else {}
        days = status.forecast.days
        told = {
            "state": state,
            "spool_depth": status.depth,
            "spool_percent": status.percent,
            **({"offline_days": plain(days)} if days is not None else {}),
            **oldest,
            "clock": {},
            **self._said(),
            "version": _VERSION,
        }
        return msgspec.json.encode(told)
