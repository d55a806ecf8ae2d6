"""One instrument behind a TCP socket: a command a line, an answer a line, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from metersim.instruments.device import Device

_LONGEST = 4096
_GARBAGE = b"\x00\xff\x80\x1b[2J\xfe"


@dataclass
class Socket:
    """The socket of one instrument. `heard`: all commands, in their order, from all connections."""

    device: Device
    port: int = 0
    heard: list[str] = field(default_factory=list)
    questions: int = 0
    connections: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def resource(self) -> str:
        """Its VISA resource name."""
        return f"TCPIP::127.0.0.1::{self.port}::SOCKET"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it closes."""
        self.connections += 1
        self._writers.add(writer)
        end = self.device.profile.line.send.encode()
        held: list[bytes] = []
        try:
            while line := await reader.readuntil(end):
                answer = self._answer(line.removesuffix(end), held)
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def hang_up(self) -> None:
        """Close all connections."""
        for writer in self._writers:
            writer.transport.abort()

    def _answer(self, line: bytes, held: list[bytes]) -> bytes | None:
        """Return what goes back for one command, after what was `held` back; None: the connection is closed instead."""
        command = line.decode("ascii", "replace")
        self.heard.append(command)
        answer = self.device.hear(command)
        if answer is None:
            return b""
        return self._spoiled(answer.encode() + self.device.profile.line.receive.encode(), held)

    def _spoiled(self, answer: bytes, held: list[bytes]) -> bytes | None:
        """Return what the faults make of an answer."""
        self.questions += 1
        faults, number = self.device.faults, self.questions
        if number == faults.lost_once or 0 < faults.lost <= number:
            return None
        if number == faults.silent_once:
            held.append(answer)
            return b""
        if 0 < faults.silent <= number:
            return b""
        if 0 < faults.garbage <= number:
            return _GARBAGE + self.device.profile.line.receive.encode()
        if number == faults.endless:
            return b"9" * _LONGEST
        late = b"".join(held)
        held.clear()
        return late + answer * (2 if 0 < faults.twice <= number else 1)


@asynccontextmanager
async def served(device: Device, port: int = 0) -> AsyncIterator[Socket]:
    """Serve an instrument on a port of 127.0.0.1 while the context lasts; 0 takes a free one. Raises `OSError`."""
    socket = Socket(device)
    server = await asyncio.start_server(socket.serve, "127.0.0.1", port, limit=_LONGEST)
    socket.port = server.sockets[0].getsockname()[1]
    try:
        yield socket
    finally:
        server.close()
        socket.hang_up()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await server.wait_closed()
