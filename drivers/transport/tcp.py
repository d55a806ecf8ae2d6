"""PSEM over TCP: a meter or a serial server at `tcp://host:port`."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from drivers.errors import LineLost, TransportError, UsageError
from drivers.transport.stream import StreamProtocol
from drivers.transport.urls import Rfc2217Address, TcpAddress

Stream = TypeVar("Stream", bound=StreamProtocol)

CLOSE_S = 0.5  # to hand over what is still unsent, then the connection is cut
# A dead radio link is noticed within about a minute, also while nothing is being sent.
KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 60_000))


class TcpTransport:
    """One connection; speed means nothing here."""

    def __init__(self, address: TcpAddress, transport: asyncio.Transport, stream: StreamProtocol) -> None:
        self._address = address
        self._transport = transport
        self._stream = stream

    @property
    def name(self) -> str:
        return str(self._address)

    @property
    def baud(self) -> int:
        return 0

    async def read(self) -> bytes:
        return await self._stream.read()

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:  # noqa: ARG002 - for recordings only
        self._stream.check()
        self._transport.write(chunk)
        await self._stream.output_taken()

    def discard_input(self) -> int:
        return self._stream.discard(self._transport.get_extra_info("socket").fileno())

    async def set_baud(self, baud: int) -> None:
        """Do nothing: a serial server keeps its own speed."""

    async def close(self) -> None:
        self._stream.lose(LineLost(f"the connection to {self.name} is closed"))
        await disconnect(self._transport, self._stream)


async def open_tcp(address: TcpAddress) -> TcpTransport:
    """Connect, and drop what comes in during `settle_ms`; raise `TransportError` that says why it did not work."""
    transport, stream = await connect_tcp(address, lambda: StreamProtocol(lambda exc: lost(address, exc)))
    line = TcpTransport(address, transport, stream)
    if address.settle_ms:
        try:
            await asyncio.sleep(address.settle_ms / 1000)
        except asyncio.CancelledError:
            transport.abort()
            raise
        line.discard_input()
    return line


async def connect_tcp(
    address: TcpAddress | Rfc2217Address, protocol: Callable[[], Stream]
) -> tuple[asyncio.Transport, Stream]:
    """Connect as the address says; raise `TransportError` that says why it did not work."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(address.connect_ms / 1000):
            # One address after the other: asyncio's "happy eyeballs" leaks a socket when it is cancelled.
            transport, stream = await loop.create_connection(protocol, address.host, address.port)
    except TimeoutError as error:
        raise TransportError(
            f"{address} does not answer within {address.connect_ms} ms", advice="is it powered and within reach?"
        ) from error
    except UnicodeError as error:
        raise UsageError(f"{address}: {address.host!r} is not a host name") from error
    except OSError as error:
        raise _explain(address, error) from error
    with suppress(OSError):  # already cut by the peer: the first read will tell
        _prepare(transport.get_extra_info("socket"))
    return transport, stream


async def disconnect(transport: asyncio.Transport, stream: StreamProtocol) -> None:
    """Close a connection; what is still unsent has `CLOSE_S` to go out."""
    try:
        transport.close()
        async with asyncio.timeout(CLOSE_S):
            await stream.wait_closed()
    except TimeoutError:
        pass  # the peer takes nothing more
    finally:
        if not stream.closed:
            transport.abort()
    await stream.wait_closed()  # at most one turn of the loop after an abort


def _prepare(sock: socket.socket) -> None:
    """Send each packet at once (asyncio sets TCP_NODELAY by itself), and notice a peer that is gone."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE:
        option: int | None = getattr(socket, name, None)  # not every system has all of them
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _explain(address: TcpAddress | Rfc2217Address, error: OSError) -> TransportError:
    if isinstance(error, socket.gaierror):
        return TransportError(
            f"{address}: the name {address.host!r} cannot be resolved ({error.strerror})",
            advice="check the spelling and this box's DNS, or use the IP address",
        )
    # Several addresses tried give one error without a number and with the numbers in its text.
    numbers = {error.errno} if error.errno else {int(n) for n in re.findall(r"\[Errno (\d+)\]", str(error))}
    if errno.ECONNREFUSED in numbers:
        return TransportError(
            f"{address} refuses the connection", advice="nothing listens at that port, or another client has it"
        )
    if numbers & {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}:
        return TransportError(f"{address} cannot be reached from here", advice="check the network and the route")
    if errno.ETIMEDOUT in numbers:
        return TransportError(f"{address} does not answer", advice="is it powered and within reach?")
    return TransportError(f"{address} cannot be opened: {error.strerror or error}")


def lost(address: TcpAddress | Rfc2217Address, exc: Exception | None) -> LineLost:
    """Say that the connection went away."""
    if exc is None:
        return LineLost(f"{address} closed the connection", advice="a serial server may allow one client at a time")
    return LineLost(f"the connection to {address} broke: {getattr(exc, 'strerror', None) or exc}")
