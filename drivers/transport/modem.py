"""A modem that stays open between calls: dial, answer, hang up, dial again (C12.21: calls over telephone lines)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeVar

from drivers.errors import LineLost, LocalProtocolError, TransportError, UsageError
from drivers.transport.addresses import ModemAddress, SerialAddress, TcpAddress
from drivers.transport.base import Transport
from drivers.transport.call_errors import NotOnHook
from drivers.transport.dialled import DialledLine
from drivers.transport.dialling import DEFAULT_MAX_CALL_S, DEFAULT_SETTLE_MS, Call
from drivers.transport.finishing import to_the_end
from drivers.transport.hayes import Desk, Dialogue, Script, Send, Was
from drivers.transport.modem_scripts import Connected, await_call, dial, hang_up
from drivers.transport.modem_settings import ModemSettings
from drivers.transport.pins import Carrier, Pins
from drivers.transport.tcp import open_tcp
from drivers.transport.urls import parse_url

LOGGER = logging.getLogger(__name__)
T = TypeVar("T")

HANG_UP_S = 30.0  # all of hanging up, whatever the modem does; then the port is closed


class Modem:
    """One modem on an open port. One thing at a time: idle, dialling, waiting for a call, or in a call.

    When the port goes away, or hanging up is not confirmed (`off_hook`), the port is closed; a modem of `open_modem`
    opens it again for the next call, and hangs up what may have been left of the one before.
    """

    def __init__(
        self,
        port: Transport,
        settings: ModemSettings | None = None,
        *,
        pins: Pins | None = None,
        single: bool = False,
        reopen: Callable[[], Awaitable[tuple[Transport, Pins | None]]] | None = None,
    ) -> None:
        """`port` becomes ours; `pins`: its DTR and DCD, None where there are none; `single`: close it after a call.

        `reopen` opens the port once more after it went away.
        """
        self.off_hook: NotOnHook | None = None  # why nobody can say that the line is on hook; None: all is well
        self._is_closed = False
        self._is_gone = False  # the port is closed, but not the modem
        self._reopen = reopen
        self._port = port
        self._settings = settings or ModemSettings()
        self._pins = pins
        self._single = single
        self._baud = port.baud
        self._clock = asyncio.get_running_loop().time
        self._desk: Desk | None = None  # of the dialogue that goes on
        self._call: DialledLine | None = None
        self._patience: asyncio.Timeout | None = None  # of the wait for a call
        self._waiting = False
        self._stopped = False

    @property
    def name(self) -> str:
        """The port's name."""
        return self._port.name

    @property
    def busy(self) -> bool:
        """Whether it is dialling, waiting, in a call, or still hanging up."""
        return self._desk is not None or self._call is not None

    @property
    def closed(self) -> bool:
        """Whether there will be no call any more."""
        return self._is_closed or (self._is_gone and self._reopen is None)

    @property
    def call_arriving(self) -> bool:
        """Whether it has just rung, or is being answered."""
        return self._waiting and self._desk is not None and self._clock() < self._desk.ringing_until

    async def dial(self, call: Call) -> DialledLine:
        """Set the modem up and call; return the line once the carrier is there and has settled.

        Raises a `CallError` of `drivers.transport.call_errors`, or `LineLost` if the port went away. On any failure,
        and on cancellation, the line is put on hook first, which takes seconds (bounded by HANG_UP_S).
        """
        connected, desk = await self._connect(partial(dial, call=call))
        return self._line(connected, desk, call.digits, call.max_call_s)

    async def wait_for_call(
        self, *, rings: int = 1, settle_ms: int = DEFAULT_SETTLE_MS, max_call_s: int = DEFAULT_MAX_CALL_S
    ) -> DialledLine | None:
        """Wait without end until the line has rung `rings` times, answer, and return the open line.

        None after `stop_waiting`. A caller who gives up is logged, and waiting goes on; the modem is set up anew now
        and then, as it may have lost its power. Cancelling puts the line on hook. Raises `ModemSilent`,
        `ModemRefused`, `NotOnHook`, or `LineLost` if the port went away.
        """
        self._waiting = True
        try:
            connected, desk = await self._connect(partial(await_call, rings=rings, settle_s=settle_ms / 1000))
        except _StoppedError:
            return None
        finally:
            self._waiting = self._stopped = False
        return self._line(connected, desk, "", max_call_s)

    def stop_waiting(self) -> bool:
        """End `wait_for_call` unless a call is just arriving; return whether it ends (True also if nobody waits)."""
        if not self._waiting:
            return True
        if self.call_arriving:
            return False
        self._stopped = True
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(self._clock())
        return True

    async def close(self) -> None:
        """Hang up if need be, and close the port. Never raises. Not while it dials or waits: cancel that first."""
        call, self._call = self._call, None
        try:
            if call is not None:
                await call.close()
        finally:
            self._is_closed = True
            await self._port.close()

    # One dialogue after the other.

    async def _connect(self, script: Callable[[Desk], Script[Connected]]) -> tuple[Connected, Desk]:
        """Play `script` to a connection; put the line on hook if it does not come to one."""
        if self.closed:
            raise LineLost(f"{self.name} is closed") from self.off_hook
        if self.busy:
            raise LocalProtocolError(f"{self.name} is in use for another call")
        desk = self._desk = Desk(self._settings, self._clock())
        try:
            await self._open_again(desk)
            connected = await self._play(script, desk)
            if self._settings.follow_rate and connected.rate:
                await self._port.set_baud(connected.rate)
            return connected, desk
        except BaseException as error:
            self._is_gone = self._is_gone or isinstance(error, LineLost)
            problem = await to_the_end(self._put_on_hook(desk), name=f"hang-up on {self.name}")
            if problem is not None and isinstance(error, Exception):
                raise problem from error
            raise
        finally:
            self._desk = None

    def _line(self, connected: Connected, desk: Desk, number: str, max_call_s: float) -> DialledLine:
        rate = f"{connected.rate} bit/s" if connected.rate else "a speed not told"
        LOGGER.info("%s: connected to %s at %s", self.name, number or "a caller", rate)
        self._port.discard_input()
        self._call = DialledLine(
            self._port,
            connected,
            self._settings,
            pins=self._pins,
            number=number,
            max_call_s=max_call_s,
            said=list(desk.said),
            hang_up=self._end_call,
        )
        return self._call

    async def _end_call(self, was: Was, said: list[str], *, follows: bool, quiet_from: float) -> NotOnHook | None:
        """Hang up the call that was up; its keeper, a task of its own, calls this."""
        desk = self._desk = Desk(self._settings, self._clock())
        desk.was = was
        try:
            problem = await self._put_on_hook(desk, follows=follows, quiet_from=quiet_from)
        finally:
            said += desk.said
            self._desk = self._call = None
        if self._single:
            await self.close()
        return problem

    async def _put_on_hook(self, desk: Desk, *, follows: bool = False, quiet_from: float = 0.0) -> NotOnHook | None:
        """Hang up, unless there was no call; if that is not confirmed, close the port and tell why."""
        was, desk.was = desk.was, Was.ON_HOOK
        if was is Was.ON_HOOK:
            if self._is_gone:
                await self._port.close()
            return None
        confirmed, reason = False, "it does not answer"
        try:
            async with asyncio.timeout(HANG_UP_S):
                confirmed = await self._play(partial(hang_up, was=was, follows=follows, quiet_from=quiet_from), desk)
                await self._port.set_baud(self._baud)
        except (TransportError, TimeoutError) as error:
            reason = str(error) or reason
        finally:
            if not confirmed:  # closing the port lowers DTR; also where the program is ended while it hangs up
                await self._give_up_port()
        if confirmed:
            self.off_hook = None
            return None
        self.off_hook = NotOnHook(
            f"{self.name}: the modem did not confirm that it hung up: {reason}",
            advice="the call may go on and cost: look at the modem, switch it off and on",
        )
        LOGGER.error("%s", self.off_hook)
        return self.off_hook

    async def _give_up_port(self) -> None:
        self._is_gone = True
        await self._port.close()

    async def _open_again(self, desk: Desk) -> None:
        """Open a port that went away, and end the call that may still be up."""
        if self._is_gone and self._reopen is not None:
            self._port, self._pins = await self._reopen()
            self._is_gone = False
        if self.off_hook is not None:
            desk.was = Was.ENDED
            problem = await self._put_on_hook(desk)
            if problem is not None:
                raise problem

    async def _play(self, script: Callable[[Desk], Script[T]], desk: Desk) -> T:
        """Play `script` on the port to its end; raise what it raises, or `LineLost`."""
        desk.now = self._clock()
        desk.carrier = await self._carrier()
        desk.pins = desk.carrier is not Carrier.UNKNOWN
        dialogue = Dialogue(script, desk)
        while True:
            actions, dialogue.actions = dialogue.actions, []
            for action in actions:
                if isinstance(action, Send):
                    LOGGER.debug("%s > %r", self.name, action.octets)
                    await self._port.write(action.octets)
                elif self._pins is not None:
                    await self._pins.set_dtr(action.on)
            if dialogue.finished:
                return dialogue.result()
            chunk = await self._input(dialogue.deadline)
            if chunk:
                LOGGER.debug("%s < %r", self.name, chunk)
            dialogue.feed(chunk, self._clock(), await self._carrier())

    async def _input(self, until: float) -> bytes:
        """Return what comes in, or nothing at the time `until`."""
        try:
            async with asyncio.timeout_at(until) as self._patience:
                return await self._port.read()
        except TimeoutError:
            if self._stopped and not self.call_arriving:
                raise _StoppedError from None
            return b""
        finally:
            self._patience = None

    async def _carrier(self) -> Carrier:
        return Carrier.UNKNOWN if self._pins is None else await self._pins.carrier()


class _StoppedError(Exception):
    """Nobody wants the call that is being waited for any more."""


async def open_modem(url: str, options: Mapping[str, str] | None = None) -> Modem:
    """Open the port of `modem:///dev/ttyS0` or `modem+tcp://host:port`; a number in it is left alone.

    Raises `UsageError`, or `TransportError` for a port that cannot be opened. Nothing is sent yet.
    """
    address = parse_url(url, options)
    if not isinstance(address, ModemAddress):
        raise UsageError(f"{url!r} is not the address of a modem", advice="modem:///dev/ttyS0, modem+tcp://HOST:PORT")
    return await modem_at(address)


async def dialled(address: ModemAddress) -> DialledLine:
    """Open the modem's port and make the call; closing the line closes the port, too. Raises as `Modem.dial` does."""
    if address.call is None:
        raise UsageError(f"{address} names no number to call", advice=f"{address}?dial=NUMBER")
    modem = await modem_at(address, single=True)
    try:
        return await modem.dial(address.call)
    except BaseException:
        await to_the_end(modem.close(), name=f"closing {modem.name}")
        raise


async def modem_at(address: ModemAddress, *, single: bool = False) -> Modem:
    """Open the modem's port. `single`: to be closed after the first call."""
    reopen = partial(_opened, address.port)
    port, pins = await reopen()
    return Modem(port, address.settings, pins=pins, single=single, reopen=None if single else reopen)


async def _opened(address: SerialAddress | TcpAddress) -> tuple[Transport, Pins | None]:
    if isinstance(address, TcpAddress):
        return await open_tcp(address), None
    from drivers.transport.serial import open_serial  # noqa: PLC0415 - 70 ms and 14 MB that TCP does not need

    port = await open_serial(address)
    return port, port
