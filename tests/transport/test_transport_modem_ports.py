"""Modems on real ports: a pseudo-terminal, and a serial server's TCP port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from drivers.errors import TransportError
from drivers.transport import open_transport
from drivers.transport.call_errors import LineBusy
from drivers.transport.dialled import DialledLine
from drivers.transport.modem import open_modem
from drivers.transport.pins import Carrier
from drivers.transport.serial import open_serial
from drivers.transport.urls import SerialAddress
from tests.transport.fake_modem import FakeModem
from tests.transport.lines import Peer, PtyPeer, read_octets, tcp_server

PROMPT = {"settle_ms": "0", "wait_s": "10"}


@asynccontextmanager
async def attached(fake: FakeModem, peer: Peer) -> AsyncIterator[None]:
    """Let the modem live at the far end of a port."""
    loop = asyncio.get_running_loop()
    fake.pass_time(loop.time())

    async def live() -> None:
        reading: asyncio.Task[bytes] | None = None
        try:
            while True:
                reading = reading or asyncio.create_task(peer.receive(1))
                due = fake.due
                await asyncio.wait([reading], timeout=None if due is None else max(0.0, due - loop.time()))
                fake.pass_time(loop.time())
                if reading.done():
                    octet, reading = reading.result(), None
                    fake.receive(octet)
                if said := fake.take():
                    await peer.send(said)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            if reading is not None:
                reading.cancel()
                with suppress(asyncio.CancelledError, OSError, asyncio.IncompleteReadError):
                    await reading

    living = asyncio.create_task(live())
    try:
        yield
    finally:
        living.cancel()
        with suppress(asyncio.CancelledError):
            await living


def prompt_modem(**behaviour: object) -> FakeModem:
    return FakeModem(dial_s=0.01, answer_s=0.0, guard_s=0.5, **behaviour)  # type: ignore[arg-type]


async def test_a_modem_on_a_serial_port() -> None:
    peer = PtyPeer()
    fake = prompt_modem()
    async with attached(fake, peer):
        line = await open_transport(f"modem://{peer.path}?dial=5550100", PROMPT)
        assert isinstance(line, DialledLine)
        assert line.baud == 2400
        await line.write(bytes(range(256)))
        fake_said = bytes(range(255, -1, -1))
        fake.far_end_says(fake_said)
        await line.write(b"!")  # gives the modem an occasion to say it
        assert await read_octets(line, 256) == fake_said
        await line.close()
        assert not fake.off_hook
        assert bytes(fake.data) == bytes(range(256)) + b"!"
        with pytest.raises(TransportError):
            await line.write(b"x")
    await peer.hang_up()


async def test_a_modem_on_a_serial_server() -> None:
    async with tcp_server() as server:
        opening = asyncio.create_task(open_modem(server.url.replace("tcp", "modem+tcp")))
        peer = await server.peer()
        fake = prompt_modem(result="BUSY")
        async with attached(fake, peer):
            modem = await opening
            waiting = asyncio.create_task(modem.wait_for_call(settle_ms=0))
            while "ATS7=60" not in fake.commands:
                fake.heard.clear()
                await fake.heard.wait()
            fake.result = "CONNECT 1200"
            await peer.send(b"\r\nRING\r\n")
            line = await waiting
            assert line is not None
            assert line.baud == 1200
            await line.close()
            assert not fake.off_hook
            await modem.close()


async def test_a_failed_call_closes_the_port() -> None:
    peer = PtyPeer()
    fake = prompt_modem(result="BUSY")
    async with attached(fake, peer):
        for _ in range(2):  # the second would find the port in use
            with pytest.raises(LineBusy):
                await open_transport(f"modem://{peer.path}?dial=5550100", PROMPT)
        assert not fake.off_hook
    await peer.hang_up()


async def test_a_pseudo_terminal_has_no_pins() -> None:
    peer = PtyPeer()
    port = await open_serial(SerialAddress(peer.path))
    assert await port.carrier() is Carrier.UNKNOWN
    await port.set_dtr(False)
    await port.set_dtr(True)
    await port.close()
    with pytest.raises(TransportError):
        await port.set_dtr(False)
    with pytest.raises(TransportError):
        await port.carrier()
    await peer.hang_up()


async def test_there_is_no_such_port_or_server() -> None:
    with pytest.raises(TransportError, match="there is no /dev/ttyNOPE"):
        await open_transport("modem:///dev/ttyNOPE?dial=5550100")
    async with tcp_server() as server:
        pass
    with pytest.raises(TransportError, match="refuses the connection"):
        await open_transport(server.url.replace("tcp", "modem+tcp") + "?dial=5550100")
