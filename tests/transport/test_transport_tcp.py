from __future__ import annotations

import asyncio
import errno
import os
import socket

import pytest

from drivers.errors import LineLost, TransportError, UsageError
from drivers.transport import open_transport, tcp
from drivers.transport.stream import HIGH_WATER
from drivers.transport.tcp import open_tcp
from drivers.transport.urls import TcpAddress
from tests.transport.lines import read_octets, tcp_server


async def test_each_packet_goes_at_once_and_a_dead_peer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, int] = {}

    def look(sock: socket.socket) -> None:
        prepare(sock)
        seen["nodelay"] = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        seen["keepalive"] = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        seen["idle"] = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)

    prepare = tcp._prepare
    monkeypatch.setattr(tcp, "_prepare", look)
    async with tcp_server() as server:
        transport = await open_transport(server.url)
        await transport.close()
    assert seen == {"nodelay": 1, "keepalive": 1, "idle": 30}


async def test_ipv6() -> None:
    async with tcp_server("::1") as server:
        transport = await open_transport(server.url)
        peer = await server.peer()
        await peer.send(b"\x06")
        assert await transport.read() == b"\x06"
        assert transport.name == server.url
        await transport.close()


async def test_nobody_listens() -> None:
    with socket.socket() as taken:  # bound and not listening: refuses
        taken.bind(("127.0.0.1", 0))
        url = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(TransportError, match="refuses the connection"):
            await open_transport(url)
        with pytest.raises(TransportError, match="refuses the connection"):
            await open_transport(url.replace("127.0.0.1", "localhost"))


async def test_an_unknown_name() -> None:
    with pytest.raises(TransportError, match=r"'meter\.invalid' cannot be resolved"):
        await open_transport("tcp://meter.invalid:4001")


async def test_a_name_that_cannot_be_one() -> None:
    with pytest.raises(UsageError, match="not a host name"):
        await open_transport(f"tcp://{'a' * 70}.example:4001")


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENETUNREACH, "cannot be reached from here"),
        (errno.EHOSTUNREACH, "cannot be reached from here"),
        (errno.ETIMEDOUT, "does not answer"),
        (errno.EADDRNOTAVAIL, "cannot be opened: Cannot assign"),
    ],
)
async def test_what_the_network_says(monkeypatch: pytest.MonkeyPatch, number: int, told: str) -> None:
    async def refuse(*_args: object, **_options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", refuse)
    with pytest.raises(TransportError, match=told):
        await open_tcp(TcpAddress("10.0.0.5", 4001))


async def test_a_host_that_swallows_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_args: object, **_options: object) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", hang)
    with pytest.raises(TransportError, match="does not answer within 1 ms"):
        await open_tcp(TcpAddress("10.0.0.5", 4001, connect_ms=1))


async def test_a_reset_is_a_lost_line_that_says_so() -> None:
    async with tcp_server() as server:
        transport = await open_transport(server.url)
        peer = await server.peer()
        sock = peer._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        await peer.hang_up()
        with pytest.raises(LineLost, match=r"broke: Connection reset|closed the connection"):
            await transport.read()
        await transport.close()


async def test_what_comes_while_settling_is_dropped() -> None:
    async with tcp_server() as server:
        opening = asyncio.create_task(open_transport(server.url, {"settle_ms": "300"}))
        peer = await server.peer()
        await peer.send(b"Welcome to the serial server\r\n")
        transport = await opening
        await peer.send(b"\x06")
        assert await transport.read() == b"\x06"
        await transport.close()


async def test_cancelling_while_settling_leaves_nothing_open() -> None:
    async with tcp_server() as server:
        opening = asyncio.create_task(open_transport(server.url, {"settle_ms": "60000"}))
        peer = await server.peer()
        await peer.send(b"x")
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await peer.receive(1)


async def test_a_babbling_peer_takes_no_more_memory_than_the_limit() -> None:
    async with tcp_server() as server:
        transport = await open_transport(server.url, {"echo": "off"})
        peer = await server.peer()
        babble = asyncio.create_task(peer.send(bytes(32 * 1024 * 1024)))
        first = await transport.read()
        for _ in range(200):
            await asyncio.sleep(0)
        held = await transport.read()
        assert len(first) < 1024 * 1024
        assert len(held) < HIGH_WATER + 512 * 1024
        babble.cancel()
        with pytest.raises(asyncio.CancelledError):
            await babble
        await transport.close()


async def test_closing_does_not_wait_for_a_peer_that_takes_nothing() -> None:
    async with tcp_server() as server:
        transport = await open_transport(server.url, {"echo": "off"})
        await server.peer()
        writing = asyncio.create_task(transport.write(bytes(64 * 1024 * 1024)))
        await asyncio.sleep(0)
        assert not writing.done()
        async with asyncio.timeout(1):
            await transport.close()
        with pytest.raises(LineLost):
            await writing


async def test_half_of_the_input_survives_the_end_of_the_connection() -> None:
    async with tcp_server() as server:
        transport = await open_transport(server.url)
        peer = await server.peer()
        await peer.send(b"\x06\xee\x00")
        await peer.hang_up()
        assert await read_octets(transport, 3) == b"\x06\xee\x00"
        with pytest.raises(LineLost, match="closed the connection"):
            await transport.read()
        await transport.close()
