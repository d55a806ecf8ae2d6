"""The modem's end of real cables: a pseudo-terminal, or a TCP port as of a serial device server.

Neither has pins. Closing the device or the connection lowers DTR, as it does on a real port.
"""

from __future__ import annotations

import asyncio
import os
import select
import termios
import tty
from typing import Final

from metersim.modem.station import Wires

_CHUNK: Final = 4096
_DTR_LOW_S: Final = 0.2  # at least, between two clients of a port: longer than what S25 lets a modem ignore
_LOOK_S: Final = 0.1  # at a pseudo-terminal that nobody has open
_MOST_WAITING: Final = 65_536  # octets for a terminal that does not read
_SPEEDS: Final = {
    getattr(termios, f"B{baud}"): baud
    for baud in (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
}  # fmt: skip


class PtyPort:
    """A raw pseudo-terminal. Only the agent holds its other side open, so that closing it can be noticed."""

    def __init__(self, modem: Wires) -> None:
        self._modem = modem
        self._loop = asyncio.get_running_loop()
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.address = os.ttyname(slave)
        os.set_blocking(self._master, False)
        self._open = True
        self._waiting = bytearray()
        self._looking: asyncio.TimerHandle | None = None
        os.close(slave)
        self._left_alone()

    def put(self, octets: bytes) -> None:
        """Write to the terminal, later if it does not read now."""
        if not self._open or self._looking is not None:
            return
        self._waiting += octets
        self._writable()

    def heard_wrongly(self, chunk: bytes, *, line_rate: int) -> bytes:
        """Return what arrives: noise, if the terminal's speed is not that of a line passed straight through."""
        if not line_rate:
            return chunk
        speed = _SPEEDS.get(termios.tcgetattr(self._master)[5], line_rate)
        return chunk if speed == line_rate else bytes(octet ^ 0x5A for octet in chunk)

    def show_carrier(self, *, up: bool) -> None:
        """A pseudo-terminal has no pins."""

    async def close(self) -> None:
        """Close the pseudo-terminal."""
        if not self._open:
            return
        self._open = False
        if self._looking is not None:
            self._looking.cancel()
        else:
            self._loop.remove_reader(self._master)
        self._loop.remove_writer(self._master)
        os.close(self._master)

    def _readable(self) -> None:
        try:
            chunk = os.read(self._master, _CHUNK)
        except BlockingIOError:
            return
        except OSError:  # EIO: nobody has it open any more
            self._loop.remove_reader(self._master)
            self._loop.remove_writer(self._master)
            self._waiting.clear()
            self._left_alone()
            self._modem.dtr(on=False)
            return
        if chunk:
            self._modem.received(chunk)

    def _writable(self) -> None:
        self._loop.remove_writer(self._master)
        try:
            del self._waiting[: os.write(self._master, self._waiting)]
        except BlockingIOError:
            del self._waiting[_MOST_WAITING:]
        except OSError:
            self._waiting.clear()
        if self._waiting:
            self._loop.add_writer(self._master, self._writable)

    def _left_alone(self) -> None:
        self._looking = self._loop.call_later(_LOOK_S, self._look)

    def _look(self) -> None:
        """Notice that somebody has opened it. A hang-up condition would otherwise wake the loop without end."""
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        if any(events & select.POLLHUP for _, events in poll.poll(0)):
            self._left_alone()
            return
        self._looking = None
        self._loop.add_reader(self._master, self._readable)
        self._modem.dtr(on=True)


class TcpPort:
    """One TCP port, one client at a time: who comes later takes the line over. DTR is low for a while in between."""

    def __init__(self, modem: Wires) -> None:
        self._modem = modem
        self._loop = asyncio.get_running_loop()
        self._server: asyncio.Server | None = None
        self._client: asyncio.Transport | None = None
        self._low_until = self._loop.time()
        self.address = ""

    async def listen(self, port: int, host: str = "127.0.0.1") -> TcpPort:
        """Begin to listen; port 0 takes a free one. Raises `OSError`."""
        self._server = await self._loop.create_server(lambda: _Client(self, self._modem), host, port)
        bound = self._server.sockets[0].getsockname()
        self.address = f"tcp://{bound[0]}:{bound[1]}"
        return self

    def take(self, client: asyncio.Transport) -> None:
        """Take a client that connected."""
        if self._client is not None:
            self._client.abort()
            self.gone(self._client)
        self._client = client
        self._loop.call_at(self._low_until, self._ready, client)

    def gone(self, client: asyncio.BaseTransport | None) -> None:
        """A client has gone."""
        if client is not None and client is self._client:
            self._client = None
            self._low_until = self._loop.time() + _DTR_LOW_S
            self._modem.dtr(on=False)

    def serves(self, client: asyncio.BaseTransport | None) -> bool:
        """Whether this client has the line."""
        return client is self._client and self._loop.time() >= self._low_until

    def _ready(self, client: asyncio.Transport) -> None:
        if client is self._client:
            self._modem.dtr(on=True)

    def put(self, octets: bytes) -> None:
        """Write to the client, if there is one that reads."""
        if self._client is not None and self._client.get_write_buffer_size() < _MOST_WAITING:
            self._client.write(octets)

    def heard_wrongly(self, chunk: bytes, *, line_rate: int) -> bytes:  # noqa: ARG002 - a server has its own speed
        """Return the octets as they are."""
        return chunk

    def show_carrier(self, *, up: bool) -> None:
        """A socket has no pins."""

    async def close(self) -> None:
        """Stop listening and cut the client off."""
        if self._server is not None:
            self._server.close()
        if self._client is not None:
            self._client.abort()
        if self._server is not None:
            await self._server.wait_closed()


class _Client(asyncio.Protocol):
    def __init__(self, port: TcpPort, modem: Wires) -> None:
        self._port = port
        self._modem = modem
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of create_server
        self._transport = transport
        self._port.take(transport)

    def data_received(self, data: bytes) -> None:
        if self._port.serves(self._transport):
            self._modem.received(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - part of asyncio.Protocol
        self._port.gone(self._transport)
