"""Meters that call: who it is, what the call is for, read it, tell it when to call next, hang up.

    desk = CallDesk(callers, book, read, tell, now=…)
    await desk.take(line, "5550100")           # one call, from the carrier to hanging up; never raises for a call
    await attend(modem, desk)                  # a modem that waits for calls, until cancelled

Nobody is trusted for calling: a caller who is not a configured meter is hung up on, and nothing of it is kept. The
meter's password is shown only to a meter that says the id on record, and from its number where that is on record.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

import msgspec

from agent.call_in_book import Booked, CallBook, noted
from agent.call_in_time import EARLY, CallTime, call_time
from agent.order import Order
from agent.reading import Reading
from agent.scheduling.cycle import Cycle
from agent.utc_text import utc_text
from drivers.data import Identity
from drivers.errors import MrspError, TransportError, printable
from drivers.psem.next_call import NextCall
from drivers.transport.base import Transport

_PAUSE_S: Final = 5.0  # before a modem that failed is waited at again; it grows
_LONGEST_PAUSE_S: Final = 300.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """A configured meter that calls. `order.expected_meter_id` tells it from all others."""

    name: str
    order: Order
    cycle: Cycle  # when its calls are due
    number: str = ""  # that it calls from; "" where that is not on record
    may_tell: bool = False  # leave to write the time of its next call to it


@dataclass(frozen=True, slots=True)
class Visitor:
    """A caller who was recognised, for whoever carries the order out.

    `due`: the call of the cycle that this read is; None for an alarm, whose order is a special one. The line is to be
    left open (`Task.stay`): the meter may be told its next call.
    """

    caller: Caller
    order: Order
    line: Transport
    due: datetime | None


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one call."""

    end: str  # "read", "alarm read", "failed", "unknown", "nobody"
    meter: str = ""  # the name of the configured meter
    reading_id: str = ""
    told: NextCall | None = None
    error: MrspError | None = None


Identify = Callable[[Transport], Awaitable[Identity]]
Read = Callable[[Visitor], Awaitable[Reading]]
Tell = Callable[[Visitor, datetime], Awaitable[NextCall]]


@dataclass
class CallDesk:
    """Takes calls, one for each modem at a time.

    `identify` asks the other end who it is, without a password. `read` carries a visitor's order out and returns when
    the reading is safe in the spool; it raises `MrspError` where none came of it. `tell` writes the next call to the
    meter. `now` is the proven time, None if it is not known.
    """

    callers: Sequence[Caller]
    book: CallBook
    identify: Identify
    read: Read
    tell: Tell
    now: Callable[[], datetime | None]
    early: timedelta = EARLY
    ends: Counter[str] = field(default_factory=Counter)
    _busy: set[str] = field(default_factory=set)

    async def take(self, line: Transport, number: str = "") -> Taken:
        """Serve one call whose carrier is up, and close `line`. Raises nothing but cancellation."""
        try:
            taken = await self._take(line, number)
        except Exception as error:  # noqa: BLE001 - one call must not end the waiting for the others
            _log.exception("a call%s ended in an error of this program", _from(number))
            taken = Taken("failed", error=error if isinstance(error, MrspError) else None)
        finally:
            await line.close()
        self.ends[taken.end] += 1
        return taken

    async def _take(self, line: Transport, number: str) -> Taken:
        arrived = self.now()
        try:
            identity = await self.identify(line)
        except MrspError as error:
            _log.warning("a call%s on %s: who it is cannot be told: %s", _from(number), line.name, error)
            return Taken("nobody", error=error)
        caller = self._caller(identity, number)
        if caller is None or caller.name in self._busy:
            why = "is being read on another line" if caller else "is no meter of this agent's, or calls from elsewhere"
            _log.warning(
                "a call%s on %s: %s %s: hung up, nothing is kept", _from(number), line.name, _said(identity), why
            )
            return Taken("unknown")
        self._busy.add(caller.name)
        try:
            return await self._serve(caller, line, arrived)
        finally:
            self._busy.discard(caller.name)

    def _caller(self, identity: Identity, number: str) -> Caller | None:
        """Return the configured meter with this id; none where its number is on record and another one was told."""
        for caller in self.callers:
            if _is_same(caller.order.expected_meter_id or "", identity.meter_id):
                elsewhere = bool(caller.number and number) and _digits(caller.number) != _digits(number)
                return None if elsewhere else caller
        return None

    async def _serve(self, caller: Caller, line: Transport, arrived: datetime | None) -> Taken:
        booked = self.book.of(caller.name)
        when = (
            call_time(arrived, booked.next_at if booked else None, caller.cycle, early=self.early) if arrived else None
        )
        visitor = Visitor(caller, self._order(caller, when, arrived), line, when.due if when else arrived)
        self._announce(caller, when)
        try:
            reading = await self.read(visitor)
        except MrspError as error:
            _log.error("%s called, and no whole reading came of it: %s", caller.name, error.at(caller.name))
            return Taken("failed", caller.name, error=error)
        told = None
        if when is not None and when.next_at is not None:
            told = await self._book(visitor, when, when.next_at)
        alarm = when is not None and when.kind == "alarm"
        return Taken("alarm read" if alarm else "read", caller.name, reading.reading_id, told)

    def _order(self, caller: Caller, when: CallTime | None, arrived: datetime | None) -> Order:
        """Return the order to carry out: that of the meter, or for an alarm a special one."""
        if when is None or when.kind == "scheduled":
            return caller.order
        return msgspec.structs.replace(caller.order, purpose="special", requested_at=arrived)

    def _announce(self, caller: Caller, when: CallTime | None) -> None:
        if when is None:
            _log.warning("%s calls; the time is not known, so the call counts as the one that is due", caller.name)
        elif when.kind == "alarm":
            _log.warning(
                "%s calls %s before it is due: an alarm, read as a special one", caller.name, _span(when.early)
            )
        else:
            missed = f"; {when.missed} calls before it never came" if when.missed else ""
            _log.info("%s calls as it should%s", caller.name, missed)

    async def _book(self, visitor: Visitor, when: CallTime, next_at: datetime) -> NextCall | None:
        """Note when the meter is to call next, first here, then in the meter where it may be written."""
        caller = visitor.caller
        old = self.book.of(caller.name)
        if old is None or old.next_at != next_at:
            noted(self.book, caller.name, Booked(next_at))
        elif old.told and when.kind == "alarm":
            return None  # it knows
        if not caller.may_tell:
            _log.info(
                "%s: its next call is due at %s; it is not told, since no order gives leave to write it",
                caller.name, utc_text(next_at),
            )  # fmt: skip
            return None
        try:
            told = await self.tell(visitor, next_at)
        except MrspError as error:
            _log.warning("%s is not told that its next call is due at %s: %s", caller.name, utc_text(next_at), error)
            return None
        if told.outcome == "done":
            noted(self.book, caller.name, Booked(next_at, told=True))
            _log.info("%s is told to call at %s", caller.name, utc_text(told.at))
        else:
            _log.error("%s: the time of its next call: %s: %s", caller.name, told.outcome, told.reason)
        return told


class WaitingModem(Protocol):
    """A modem that takes calls (`drivers.transport.modem.Modem`)."""

    @property
    def name(self) -> str:
        """Its port."""
        ...

    async def wait_for_call(self, *, rings: int = 1, settle_ms: int = 1000, max_call_s: int = 1800) -> CallLine | None:
        """Wait, answer, and return the open line; None if the waiting was ended from elsewhere."""
        ...


class CallLine(Transport, Protocol):
    """The open line of a call. `caller` is the calling number, "" if it was not told."""

    caller: str


async def attend(modem: WaitingModem, desk: CallDesk, *, rings: int = 1, max_call_s: int = 1800) -> None:
    """Take every call on `modem` until cancelled, or until its waiting is ended; a modem that fails is tried again."""
    pause_s = _PAUSE_S
    while True:
        try:
            line = await modem.wait_for_call(rings=rings, max_call_s=max_call_s)
        except TransportError as error:
            _log.error("no calls can be taken on %s: %s; again in %g s", modem.name, error, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            continue
        if line is None:
            return
        pause_s = _PAUSE_S
        await desk.take(line, line.caller)


def _is_same(expected: str, found: str) -> bool:
    """Compare ids; leading zeros are padding where ids are BCD, and then not in `found`."""
    padded = expected.isascii() and expected.isdigit() and expected.lstrip("0") == found
    return bool(expected) and (expected == found or padded)


def _digits(number: str) -> str:
    """Return the digits of a number that tell: the last nine, since prefixes depend on where one calls from."""
    return "".join(char for char in number if char.isdigit())[-9:]


def _from(number: str) -> str:
    return f" from {number}" if number else ""


def _said(identity: Identity) -> str:
    return printable(f"{identity.meter_id!r} ({identity.manufacturer} {identity.model})"[:120])


def _span(span: timedelta) -> str:
    minutes = int(span.total_seconds()) // 60
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
