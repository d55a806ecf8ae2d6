"""The end of the line that the outside world opens: a pseudo-terminal, or a TCP port."""

from __future__ import annotations

import asyncio
import contextlib
import os
import termios
import tty
from collections.abc import Callable
from typing import Protocol

_CHUNK = 4096
_PATIENCE_S = 2.0  # for a client that does not read; then the light goes into the void

_SPEEDS = {
    getattr(termios, f"B{baud}"): baud
    for baud in (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
}  # fmt: skip


class Port(Protocol):
    """Bytes in and out. `received` is called with what comes in, on the event loop."""

    @property
    def address(self) -> str:
        """What a client opens: `/dev/pts/7` or `tcp://127.0.0.1:4001`."""
        ...

    def client_baud(self) -> int | None:
        """The speed that the client has set on its side; None where it cannot be known."""
        ...

    async def send(self, chunk: bytes) -> None:
        """Hand over bytes; those that nobody takes are lost."""
        ...

    def discard(self) -> None:
        """Drop what was sent and nobody has read."""
        ...

    def hang_up(self) -> None:
        """Close the line on the client."""
        ...

    async def close(self) -> None:
        """Give everything back."""
        ...


class PtyPort:
    """A raw pseudo-terminal. The client's side stays open here too, so that clients may come and go."""

    def __init__(self, received: Callable[[bytes], None]) -> None:
        self._received = received
        self._loop = asyncio.get_running_loop()
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._open = True
        self.address = os.ttyname(self._slave)
        self._loop.add_reader(self._master, self._readable)

    def _readable(self) -> None:
        try:
            chunk = os.read(self._master, _CHUNK)
        except BlockingIOError:
            return
        if chunk:
            self._received(chunk)

    def client_baud(self) -> int | None:
        """Return the speed of the terminal, as the client has set it."""
        return _SPEEDS.get(termios.tcgetattr(self._slave)[5]) if self._open else None

    async def send(self, chunk: bytes) -> None:
        """Write to the terminal."""
        left = memoryview(chunk)
        while left and self._open:
            try:
                left = left[os.write(self._master, left) :]
            except BlockingIOError:
                if not await self._writable():
                    return

    async def _writable(self) -> bool:
        ready = self._loop.create_future()
        self._loop.add_writer(self._master, lambda: None if ready.done() else ready.set_result(None))
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await ready
        except TimeoutError:
            return False
        else:
            return True
        finally:
            if self._open:
                self._loop.remove_writer(self._master)

    def discard(self) -> None:
        """Empty the terminal's input queue."""
        if self._open:
            termios.tcflush(self._slave, termios.TCIFLUSH)

    def hang_up(self) -> None:
        """Close both sides: the client's next read or write fails, as if the probe was pulled out."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._master)
            self._loop.remove_writer(self._master)
            os.close(self._master)
            os.close(self._slave)

    async def close(self) -> None:
        """Close both sides."""
        self.hang_up()


class TcpPort:
    """One TCP port, one client at a time: who comes later takes the line over, as at a serial device server."""

    def __init__(self, received: Callable[[bytes], None]) -> None:
        self._received = received
        self._server: asyncio.Server | None = None
        self._client: asyncio.Transport | None = None
        self._drained = asyncio.Event()
        self._drained.set()
        self.address = ""

    async def listen(self, port: int, host: str = "127.0.0.1") -> TcpPort:
        """Begin to listen; port 0 takes a free one. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), host, port)
        bound = self._server.sockets[0].getsockname()
        self.address = f"tcp://{bound[0]}:{bound[1]}"
        return self

    def attach(self, transport: asyncio.Transport) -> None:
        """A client has connected."""
        self.hang_up()
        self._client = transport
        self._drained.set()

    def detach(self, transport: asyncio.BaseTransport) -> None:
        """A client has gone."""
        if self._client is transport:
            self._client = None
            self._drained.set()

    def taken(self, transport: asyncio.BaseTransport, chunk: bytes) -> None:
        """Bytes came from a client."""
        if self._client is transport:
            self._received(chunk)

    def hold(self, *, back: bool) -> None:
        """The client takes no more for now, or takes again."""
        if back:
            self._drained.clear()
        else:
            self._drained.set()

    def client_baud(self) -> int | None:
        """A socket has no speed."""
        return None

    async def send(self, chunk: bytes) -> None:
        """Write to the client, if there is one."""
        if self._client is None:
            return
        self._client.write(chunk)
        if not self._drained.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE_S):
                    await self._drained.wait()

    def discard(self) -> None:
        """What a socket has taken is on its way."""

    def hang_up(self) -> None:
        """Cut the client off."""
        client, self._client = self._client, None
        if client is not None:
            client.abort()

    async def close(self) -> None:
        """Stop listening and cut the client off."""
        self.hang_up()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()


class _Connection(asyncio.Protocol):
    def __init__(self, port: TcpPort) -> None:
        self._port = port
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of create_server
        self._transport = transport
        self._port.attach(transport)

    def data_received(self, data: bytes) -> None:
        if self._transport is not None:
            self._port.taken(self._transport, data)

    def pause_writing(self) -> None:
        self._port.hold(back=True)

    def resume_writing(self) -> None:
        self._port.hold(back=False)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - part of asyncio.Protocol
        if self._transport is not None:
            self._port.detach(self._transport)
