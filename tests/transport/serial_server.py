"""A serial server by the book of RFC 2217, to which a peer is attached; and ways in which others read that book."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from drivers.transport.telnet import (
    DO,
    DONT,
    WILL,
    WONT,
    Negotiation,
    TelnetDecoder,
    escape,
    negotiation,
    subnegotiation,
)

COM_PORT = 44


@dataclass(frozen=True)
class Manners:
    """What kind of server it is."""

    com_port: bool = True  # False: telnet without RFC 2217
    silent: bool = False  # a raw port
    unanswered: tuple[int, ...] = ()  # commands it does not acknowledge
    baud: int = 0  # the only speed it can do
    greeting: bytes = b""  # before anything else
    chatty: bool = False  # notifies of line and modem states all the time, and asks for options of its own


@dataclass
class Rfc2217Peer:
    """One connection; what the client sends as data is for `receive`."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    manners: Manners
    settings: dict[int, list[bytes]] = field(default_factory=dict)
    negotiations: list[Negotiation] = field(default_factory=list)
    bauds_at: list[tuple[int, int]] = field(default_factory=list)  # after so many octets, this speed

    def __post_init__(self) -> None:
        self._decoder = TelnetDecoder()
        self._data = bytearray()
        self._octets = 0
        self._news = asyncio.Event()
        self._ended = False

    async def serve(self) -> None:
        self.writer.write(self.manners.greeting)
        if self.manners.chatty:
            for verb, option in ((WILL, 1), (DO, 24), (DO, 31), (WILL, 3), (DO, 0), (WILL, COM_PORT)):
                self.writer.write(negotiation(verb, option))
        try:
            while chunk := await self.reader.read(4096):
                data, commands = (chunk, []) if self.manners.silent else self._decoder.feed(chunk)
                self._data += data
                self._octets += len(data)
                for command in commands:
                    if isinstance(command, Negotiation):
                        self._negotiate(command)
                    else:
                        self._obey(command.payload)
                self._news.set()
        except OSError:
            pass
        finally:
            self._ended = True
            self._news.set()

    def _negotiate(self, command: Negotiation) -> None:
        self.negotiations.append(command)
        ours = {0, 3} | ({COM_PORT} if self.manners.com_port else set())
        if command.verb == WILL:
            self.writer.write(negotiation(DO if command.option in ours else DONT, command.option))
        elif command.verb == DO:
            self.writer.write(negotiation(WILL if command.option in ours else WONT, command.option))

    def _obey(self, payload: bytes) -> None:
        command, value = payload[0], payload[1:]
        self.settings.setdefault(command, []).append(value)
        if command == 1:
            self.bauds_at.append((self._octets, int.from_bytes(value, "big")))
            if self.manners.baud:
                value = self.manners.baud.to_bytes(4, "big")
        if command not in self.manners.unanswered:
            self.writer.write(subnegotiation(COM_PORT, bytes((command + 100,)) + value))
        if self.manners.chatty:
            self.writer.write(subnegotiation(COM_PORT, b"\x6b\xff") + subnegotiation(COM_PORT, b"\x6a\x60"))

    def suspend(self, on: bool) -> None:
        self.writer.write(subnegotiation(COM_PORT, b"\x6c" if on else b"\x6d"))

    async def send(self, chunk: bytes) -> None:
        self.writer.write(escape(chunk))
        await self.writer.drain()

    async def receive(self, octets: int) -> bytes:
        while len(self._data) < octets:
            assert not self._ended
            self._news.clear()
            await self._news.wait()
        got = bytes(self._data[:octets])
        del self._data[:octets]
        return got

    async def ended(self) -> None:
        while not self._ended:
            self._news.clear()
            await self._news.wait()

    async def hang_up(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


@dataclass
class SerialServer:
    url: str
    connections: asyncio.Queue[Rfc2217Peer]

    async def peer(self) -> Rfc2217Peer:
        return await self.connections.get()


@asynccontextmanager
async def serial_server(manners: Manners | None = None) -> AsyncIterator[SerialServer]:
    connections: asyncio.Queue[Rfc2217Peer] = asyncio.Queue()
    peers: list[Rfc2217Peer] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Rfc2217Peer(reader, writer, manners or Manners())
        peers.append(peer)
        await connections.put(peer)
        await peer.serve()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield SerialServer(f"rfc2217://127.0.0.1:{port}", connections)
    finally:
        server.close()
        for peer in peers:
            await peer.hang_up()
            await peer.ended()
        await server.wait_closed()
