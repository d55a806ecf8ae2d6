"""A serial server whose port can be set over the network, at `rfc2217://host:port` (RFC 2217 over telnet).

Our own client, as it has to work with servers that leave some commands unacknowledged, and to know when the last octet
has left the far port before it changes the speed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from drivers.errors import LineLost, TransportError
from drivers.transport.addresses import Rfc2217Address
from drivers.transport.bell import Bell
from drivers.transport.com_port import (
    DTR_OFF,
    DTR_ON,
    EIGHT_BITS,
    NO_FLOW_CONTROL,
    NO_PARITY,
    ONE_STOP_BIT,
    PURGE_BOTH,
    RTS_OFF,
    RTS_ON,
    ComPort,
    ComPortCommand,
)
from drivers.transport.stream import StreamProtocol
from drivers.transport.tcp import connect_tcp, disconnect, lost
from drivers.transport.telnet import escape

WARMUP_S = 0.2  # a probe that the port's lines power, as on a port of our own
BITS_PER_OCTET = 10
_RAW_ADVICE = "a serial server in raw mode is tcp://HOST:PORT"
SPEED_SLACK_S = 0.02  # the server's own buffers, beyond the time on the wire and the way there


class Rfc2217Stream(StreamProtocol):
    """The connection: data goes to the reader, telnet commands to `port`."""

    def __init__(self, address: Rfc2217Address) -> None:
        super().__init__(lambda exc: lost(address, exc))
        self.port = ComPort()
        self._news = Bell()  # for who waits for the server to say something

    def sift(self, octets: bytes) -> bytes:
        data = self.port.feed(octets)
        self.flush()
        self._news.ring()
        return data

    def lose(self, why: LineLost) -> None:
        super().lose(why)
        self._news.ring()

    def flush(self) -> None:
        """Send what the port has to say."""
        if self.port.output and self._transport is not None and not self._transport.is_closing():
            self._transport.write(bytes(self.port.output))
        self.port.output.clear()

    async def told(self) -> None:
        """Wait until the server says something, or raise `LineLost`."""
        self.check()
        await self._news.heard()
        self.check()


class Rfc2217Transport:
    """One connection to one port."""

    def __init__(self, address: Rfc2217Address, transport: asyncio.Transport, stream: Rfc2217Stream) -> None:
        self._address = address
        self._transport = transport
        self._stream = stream
        self._baud = address.baud
        self._clock = asyncio.get_running_loop().time
        self._out_at = 0.0  # when the last octet handed over has left the far port, but for the way there
        self._round_trip_s = 0.0  # the longest so far, of a command and its answer

    @property
    def name(self) -> str:
        return str(self._address)

    @property
    def baud(self) -> int:
        return self._baud

    async def read(self) -> bytes:
        return await self._stream.read()

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:  # noqa: ARG002 - for recordings only
        self._stream.check()
        while self._stream.port.suspended:
            await self._stream.told()
        self._out_at = max(self._clock(), self._out_at) + len(chunk) * BITS_PER_OCTET / self._baud
        self._transport.write(escape(chunk))
        await self._stream.output_taken()

    def discard_input(self) -> int:
        return self._stream.discard(self._transport.get_extra_info("socket").fileno())

    async def set_baud(self, baud: int) -> None:
        """Change the speed once the last octet has left the far port; what came in before is dropped.

        Raises `TransportError` if the server does not do so.
        """
        if baud == self._baud:
            return
        self._stream.check()
        # The server obeys at once, also while its port still sends.
        await asyncio.sleep(self._out_at - self._clock() + self._round_trip_s + SPEED_SLACK_S)
        await self._set(ComPortCommand.SET_BAUDRATE, baud.to_bytes(4, "big"), f"{baud} baud")
        self._baud = baud
        self.discard_input()

    async def configure(self) -> None:
        """Agree on RFC 2217, set speed and format, power the probe. Raises `TransportError`."""
        stream, port, address = self._stream, self._stream.port, self._address
        port.start()
        stream.flush()
        await self._answer(lambda: port.agreed is not None, "does not speak telnet")
        if not port.agreed:
            raise TransportError(f"{address} speaks telnet, but cannot set its port (RFC 2217)", advice=_RAW_ADVICE)
        await self._set(ComPortCommand.SET_BAUDRATE, self._baud.to_bytes(4, "big"), f"{self._baud} baud")
        await self._set(ComPortCommand.SET_DATASIZE, EIGHT_BITS, "8 data bits")
        await self._set(ComPortCommand.SET_PARITY, NO_PARITY, "no parity")
        await self._set(ComPortCommand.SET_STOPSIZE, ONE_STOP_BIT, "one stop bit")
        port.ask(ComPortCommand.SET_CONTROL, NO_FLOW_CONTROL)
        self._power(on=True)
        port.ask(ComPortCommand.PURGE_DATA, PURGE_BOTH)
        stream.flush()

    async def warm_up(self) -> None:
        """Wait until a probe that has just been powered works, and drop what came in meanwhile."""
        powered = "on" in (self._address.dtr, self._address.rts)
        await asyncio.sleep(max(self._address.settle_ms / 1000, WARMUP_S if powered else 0.0))
        self.discard_input()

    async def close(self) -> None:
        self._stream.lose(LineLost(f"the connection to {self.name} is closed"))
        try:
            if not self._transport.is_closing():
                self._power(on=False)
                self._stream.flush()
        finally:
            await disconnect(self._transport, self._stream)

    def _power(self, *, on: bool) -> None:
        """Set DTR and RTS as the address says; lower, at the end, those that were raised."""
        pins = ((self._address.dtr, DTR_ON, DTR_OFF), (self._address.rts, RTS_ON, RTS_OFF))
        for switch, raised, lowered in pins:
            if switch == "on" or (switch == "off" and on):
                self._stream.port.ask(ComPortCommand.SET_CONTROL, raised if switch == "on" and on else lowered)

    async def _set(self, command: ComPortCommand, value: bytes, what: str) -> None:
        """Have the server set something that we depend on."""
        port = self._stream.port
        port.ask(command, value)
        self._stream.flush()
        asked_at = self._clock()
        await self._answer(lambda: command in port.answered, f"does not say whether it set {what}")
        self._round_trip_s = max(self._round_trip_s, self._clock() - asked_at)
        if port.answered[command] != value:
            raise TransportError(
                f"{self.name}: the server cannot set {what}: it says {port.answered[command].hex()}",
                advice="use another speed, or set the server's port itself and use tcp://",
            )

    async def _answer(self, came: Callable[[], bool], complaint: str) -> None:
        try:
            async with asyncio.timeout(self._address.connect_ms / 1000):
                while not came():
                    await self._stream.told()
        except TimeoutError as error:
            raise TransportError(
                f"{self.name} {complaint} within {self._address.connect_ms} ms", advice=_RAW_ADVICE
            ) from error


async def open_rfc2217(address: Rfc2217Address) -> Rfc2217Transport:
    """Connect, set the far port, wait until the probe is warm; raise `TransportError` that says what went wrong."""
    transport, stream = await connect_tcp(address, lambda: Rfc2217Stream(address))
    line = Rfc2217Transport(address, transport, stream)
    try:
        await line.configure()
        await line.warm_up()
    except BaseException:
        await line.close()
        raise
    return line
