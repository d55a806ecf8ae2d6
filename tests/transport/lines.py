"""Real lines with a scripted peer at the other end, the same script for every kind of transport."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

from drivers.transport import Transport, open_transport, start_recording
from drivers.transport.dialling import Call
from drivers.transport.echoing import EchoTransport
from drivers.transport.modem import Modem
from drivers.transport.modem_settings import ModemSettings
from drivers.transport.recording_file import OCTETS_PER_LINE, Event, Header, Octets, encode_header, encode_record
from tests.transport.fake_modem import FakeModem, ModemPort
from tests.transport.serial_server import serial_server

Step = tuple[Literal[">", "<", "!"], bytes]  # the client sends, the meter sends, the meter goes away
HANG_UP: Step = ("!", b"")
STARTED = datetime(2026, 11, 21, 21, 2, tzinfo=UTC)


class Peer(Protocol):
    """The meter's end."""

    async def send(self, chunk: bytes) -> None: ...
    async def receive(self, octets: int) -> bytes: ...
    async def hang_up(self) -> None: ...


class PtyPeer:
    """The master of a pseudo-terminal; the client opens `path`."""

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        os.set_blocking(self._master, False)

    async def send(self, chunk: bytes) -> None:
        while chunk:
            try:
                chunk = chunk[os.write(self._master, chunk) :]
            except BlockingIOError:
                await self._ready(writing=True)

    async def receive(self, octets: int) -> bytes:
        got = b""
        while len(got) < octets:
            try:
                got += os.read(self._master, octets - len(got))
            except BlockingIOError:
                await self._ready(writing=False)
        return got

    async def hang_up(self) -> None:
        for descriptor in (self._slave, self._master):
            with suppress(OSError):
                os.close(descriptor)

    async def _ready(self, *, writing: bool) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        add, remove = (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
        add(self._master, ready.set)
        try:
            await ready.wait()
        finally:
            remove(self._master)


class TcpPeer:
    """The server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, chunk: bytes) -> None:
        self._writer.write(chunk)
        await self._writer.drain()

    async def receive(self, octets: int) -> bytes:
        return await self._reader.readexactly(octets)

    async def hang_up(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


@dataclass
class TcpServer:
    """Listens on a free port; `peer` is the first client."""

    url: str
    connections: asyncio.Queue[TcpPeer]

    async def peer(self) -> TcpPeer:
        return await self.connections.get()


@asynccontextmanager
async def tcp_server(host: str = "127.0.0.1") -> AsyncIterator[TcpServer]:
    connections: asyncio.Queue[TcpPeer] = asyncio.Queue()
    peers: list[TcpPeer] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(TcpPeer(reader, writer))
        await connections.put(peers[-1])

    server = await asyncio.start_server(accept, host, 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield TcpServer(f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}", connections)
    finally:
        server.close()
        for peer in peers:
            await peer.hang_up()
        await server.wait_closed()


async def play(peer: Peer, script: Sequence[Step], *, echo: bool) -> None:
    """Be the meter: take what the script says that the client sends, send what it says that the meter sends."""
    for direction, octets in script:
        if direction == ">":
            assert await peer.receive(len(octets)) == octets
            if echo:
                await peer.send(octets)
        elif direction == "<":
            await peer.send(octets)
        else:
            await peer.hang_up()


def write_recording(path: Path, script: Sequence[Step], *, line: str = "test", baud: int = 9600) -> None:
    """Write what a recorder would have written during `script`, 1 ms a step."""
    lines = [encode_header(Header(line, baud, STARTED))]
    for t, (direction, octets) in enumerate(script):
        if direction == "!":
            lines.append(encode_record(Event(t * 1_000_000, "lost", "the meter went away")))
        else:
            for at in range(0, len(octets), OCTETS_PER_LINE):
                part = octets[at : at + OCTETS_PER_LINE]
                lines.append(encode_record(Octets(t * 1_000_000, direction, part, len(part))))
    if HANG_UP not in script:
        lines.append(encode_record(Event(len(script) * 1_000_000, "close", "")))
    path.write_text("".join(f"{line}\n" for line in lines))


class ModemPeer:
    """The far end of a call: a meter behind a modem of its own."""

    def __init__(self, modem: FakeModem, port: ModemPort) -> None:
        self._modem = modem
        self._port = port

    async def send(self, chunk: bytes) -> None:
        self._modem.far_end_says(chunk)
        self._port.pump()

    async def receive(self, octets: int) -> bytes:
        while len(self._modem.data) < octets:
            self._modem.heard.clear()
            await self._modem.heard.wait()
        got = bytes(self._modem.data[:octets])
        del self._modem.data[:octets]
        return got

    async def hang_up(self) -> None:
        self._modem.lose_carrier()
        self._modem.take()  # DCD has to do


Kind = Literal["pty", "tcp", "echo", "echo-auto", "recording", "replay", "rfc2217", "modem"]
KINDS: tuple[Kind, ...] = ("pty", "tcp", "echo", "echo-auto", "recording", "replay", "rfc2217", "modem")
PROMPT = ModemSettings(init=("ATE0",), gap_s=0.0, drop_s=0.0)


@asynccontextmanager
async def line(kind: Kind, folder: Path, script: Sequence[Step]) -> AsyncIterator[Transport]:
    """Open a line of this kind whose other end plays `script`; at the end, the script must have been played."""
    if kind == "replay":
        write_recording(folder / "a.rec", script)
        transport = await open_transport(f"replay://{folder}/a.rec")
        try:
            yield transport
        finally:
            await transport.close()
    elif kind in ("tcp", "echo-auto"):
        async with tcp_server() as server:
            transport = await open_transport(server.url, {"echo": "auto" if kind == "echo-auto" else "off"})
            async with _played(transport, await server.peer(), script):
                yield transport
    elif kind == "rfc2217":
        async with serial_server() as serial:
            transport = await open_transport(serial.url, {"echo": "off", "dtr": "leave", "rts": "leave"})
            async with _played(transport, await serial.peer(), script):
                yield transport
    elif kind == "modem":
        fake = FakeModem(wired=True, dial_s=0.0, answer_s=0.0)
        port = ModemPort(fake)
        transport = await Modem(port, PROMPT, pins=port, single=True).dial(Call("5550100", settle_ms=0))
        async with _played(transport, ModemPeer(fake, port), script):
            yield transport
        assert not fake.off_hook
    else:
        peer = PtyPeer()
        transport = await open_transport(peer.path, {"echo": "off"})
        if kind == "echo":
            transport = EchoTransport(transport, "on")
        elif kind == "recording":
            transport = start_recording(transport, folder / "a.rec", started=STARTED)
        try:
            async with _played(transport, peer, script, echo=kind == "echo"):
                yield transport
        finally:
            await peer.hang_up()


@asynccontextmanager
async def _played(
    transport: Transport, peer: Peer, script: Sequence[Step], *, echo: bool = False
) -> AsyncIterator[None]:
    player = asyncio.create_task(play(peer, script, echo=echo))
    try:
        yield
        await player
    finally:
        player.cancel()
        with suppress(asyncio.CancelledError):
            await player
        await transport.close()


async def read_octets(transport: Transport, octets: int) -> bytes:
    """Read exactly so many octets, in as many pieces as they come."""
    got = b""
    while len(got) < octets:
        got += await transport.read()
    return got
