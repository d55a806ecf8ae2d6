"""A call that is up, as a `Transport`: it ends at once when the carrier is lost, and never lasts too long."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from drivers.errors import LineLost
from drivers.transport.base import Transport
from drivers.transport.bell import Bell
from drivers.transport.call_errors import CallTooLong, CarrierLost, NotOnHook
from drivers.transport.carrier_text import CarrierText
from drivers.transport.finishing import task_to_the_end
from drivers.transport.hayes import Was
from drivers.transport.modem_scripts import Connected
from drivers.transport.modem_settings import ModemSettings
from drivers.transport.pins import Carrier, Pins

LOGGER = logging.getLogger(__name__)

POLL_S = 0.2  # how often DCD is looked at; the kernel tells changes only to a thread that blocks for them
HIGH_WATER = 65_536  # unread octets after which the port is not read on
BITS_PER_OCTET = 10
CARRIER_ADVICE = "the far end hung up, somebody lifted a receiver on the line, or it is too noisy"


class HangUp(Protocol):
    """Puts the line on hook and gives the modem back; bounded. Adds what was said to `said`."""

    async def __call__(self, was: Was, said: list[str], *, follows: bool, quiet_from: float) -> NotOnHook | None:
        """Return why that was not confirmed, None if it was."""
        ...


class DialledLine:
    """One call. `close` hangs up, takes some seconds (bounded), and never raises.

    `baud` is the speed that CONNECT told, else the port's; `set_baud` does nothing: two modems agreed on their speed. A
    modem delivers in bursts: silences of half a second within a packet are normal.
    """

    def __init__(  # noqa: PLR0913 - what a call consists of
        self,
        port: Transport,
        connected: Connected,
        settings: ModemSettings,
        *,
        pins: Pins | None,
        number: str,
        max_call_s: float,
        said: list[str],
        hang_up: HangUp,
    ) -> None:
        """`number`: who was called, "" for a call that came in; `said`: the dialogue so far."""
        self.caller = connected.caller
        self.not_on_hook: NotOnHook | None = None  # after `close`: nobody can say that the line is on hook
        self._port = port
        self._connected = connected
        self._pins = pins if connected.follows else None
        self._number = number
        self._said = said
        self._hang_up = hang_up
        self._text = CarrierText(settings.quiet_s)
        self._buffer = bytearray()
        self._lost: LineLost | None = None
        self._news = Bell()  # for the reader
        self._patience: asyncio.Timeout | None = None
        self._drained = asyncio.Event()
        self._max_call_s = max_call_s
        loop = asyncio.get_running_loop()
        self._clock = loop.time
        self._limit = loop.time() + max_call_s
        self._look_at = loop.time()
        self._quiet_from = loop.time()  # when the last octet handed over has left, as far as the speed tells
        self._keeper = loop.create_task(self._keep(), name=f"call on {port.name}")

    @property
    def name(self) -> str:
        return f"{self._port.name} (call to {self._number})" if self._number else f"{self._port.name} (call-in)"

    @property
    def baud(self) -> int:
        return self._connected.rate or self._port.baud

    @property
    def dialogue(self) -> tuple[str, ...]:
        """What was said to the modem and by it, oldest first: `> ATDT5550100`, `< CONNECT 2400`."""
        return tuple(self._said)

    def remarks(self) -> tuple[str, ...]:
        """What an operator should know about this call, in words."""
        return (str(self.not_on_hook),) if self.not_on_hook is not None else ()

    async def read(self) -> bytes:
        while not self._buffer:
            self._check()
            await self._news.heard()
        return self._take()

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:
        self._check()
        baud = self._port.baud
        wire_s = len(chunk) * BITS_PER_OCTET / baud if baud else 0.0
        self._quiet_from = max(self._clock(), self._quiet_from) + wire_s
        try:
            await self._port.write(chunk, secret=secret)
        except LineLost as error:
            self._lose(error)
            raise

    def discard_input(self) -> int:
        return len(self._take()) + (self._port.discard_input() if self._lost is None else 0)

    async def set_baud(self, baud: int) -> None:
        """Do nothing: the speed of a call is what the modems agreed on."""

    async def close(self) -> None:
        self._lose(LineLost(f"{self.name} is closed"))
        self._buffer.clear()
        await task_to_the_end(self._keeper)

    # The keeper: the only one that reads the port, looks at DCD and the time, and hangs up.

    async def _keep(self) -> None:
        """Carry the call until it is lost or closed, then hang up."""
        was = Was.ONLINE
        try:
            while self._lost is None:
                was = await self._step()
        except LineLost as error:
            self._lose(error)
        finally:
            self._lose(LineLost(f"{self.name} is closed"))  # cancelled: the program ends
            self.not_on_hook = await self._hang_up(
                was, self._said, follows=self._connected.follows, quiet_from=self._quiet_from
            )

    async def _step(self) -> Was:
        """Take what comes in, up to the next look at the line; return how hanging up has to begin."""
        chunk = b""
        due = self._text.due
        until = min(self._limit, self._look_at if self._pins is not None else self._limit, due or self._limit)
        try:
            async with asyncio.timeout_at(until) as self._patience:
                if len(self._buffer) >= HIGH_WATER:
                    await self._drained.wait()
                else:
                    chunk = await self._port.read()
        except TimeoutError:
            pass
        finally:
            self._patience = None
        if self._lost is not None:
            return Was.ONLINE
        now = self._clock()
        if chunk:
            self._text.feed(chunk, now)
            self._buffer += chunk
            self._drained.clear()
            self._news.ring()
        if await self._carrier_lost(now):
            self._lose(CarrierLost(f"{self.name}: the carrier is lost", advice=CARRIER_ADVICE))
            return Was.ENDED
        if now >= self._limit:
            text = f"{self.name}: ended after {self._max_call_s:.0f} s, as no call may last longer"
            self._lose(CallTooLong(text, advice="allow more (max_call_s=…), or read less at a time"))
        return Was.ONLINE

    async def _carrier_lost(self, now: float) -> bool:
        """Whether DCD or the modem's words say so."""
        if self._pins is not None and now >= self._look_at:
            self._look_at = now + POLL_S
            if await self._pins.carrier() is Carrier.DOWN:
                return True
        due = self._text.due
        return due is not None and now >= due

    def _lose(self, why: LineLost) -> None:
        """Take the call for lost from now on; the first reason stays."""
        if self._lost is not None:
            return
        self._lost = why
        LOGGER.log(logging.INFO if isinstance(why, CarrierLost | CallTooLong) else logging.DEBUG, "%s", why.message)
        self._news.ring()
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(self._clock())

    def _check(self) -> None:
        lost = self._lost
        if isinstance(lost, CarrierLost | CallTooLong):
            raise type(lost)(lost.message, advice=lost.advice)
        if lost is not None:
            raise LineLost(lost.message, advice=lost.advice)

    def _take(self) -> bytes:
        taken = bytes(self._buffer)
        self._buffer.clear()
        self._drained.set()
        return taken
