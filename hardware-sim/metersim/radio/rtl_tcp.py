"""A stand-in for a dongle: serves I/Q samples at line rate as rtl_tcp does, and fails as dongles and networks do.

A client is greeted with `RTL0`, the tuner's type and the number of its gains, four octets each; then samples follow.
Its commands, five octets each, are taken and change nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass

GREETING = struct.pack(">4sII", b"RTL0", 5, 29)  # an R820T
BEAT_S = 0.05  # samples are sent in portions of so long


@dataclass(frozen=True, slots=True)
class TcpFaults:
    """What a client goes through. Seconds are of samples sent to it; None: never."""

    bad_header: bool = False
    stall_after_s: float | None = None  # no samples any more, the connection stays
    close_after_s: float | None = None


class RtlTcp:
    """Serves `stream()`, again and again, to one client after the other. `clients`: how many came."""

    def __init__(self, rate: int, stream: Callable[[], Iterable[bytes]], faults: TcpFaults | None = None) -> None:
        self.faults = faults or TcpFaults()
        self.clients = 0
        self.came = asyncio.Event()
        self._rate = rate
        self._stream = stream
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; return the port."""
        self._server = await asyncio.start_server(self._serve, host, port)
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def serve(self) -> None:
        """Serve until cancelled."""
        if self._server is None:
            raise RuntimeError("not started")
        async with self._server:
            await self._server.serve_forever()

    def close(self) -> None:
        """Stop listening, and hang up on whoever is connected."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.clients += 1
        self.came.set()
        commands = asyncio.create_task(_swallow(reader))
        try:
            writer.write(b"NOPE" * 3 if self.faults.bad_header else GREETING)
            sending = asyncio.create_task(self._send(writer))
            await asyncio.wait({sending, commands}, return_when=asyncio.FIRST_COMPLETED)
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await sending
        finally:
            commands.cancel()
            writer.transport.abort()

    async def _send(self, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        began, sent = loop.time(), 0
        portion = int(self._rate * BEAT_S) * 2
        waiting = bytearray()
        while True:
            for block in self._stream():
                waiting += block
                while len(waiting) >= portion:
                    elapsed = sent / 2 / self._rate
                    if self.faults.close_after_s is not None and elapsed >= self.faults.close_after_s:
                        return
                    if self.faults.stall_after_s is not None and elapsed >= self.faults.stall_after_s:
                        await asyncio.Event().wait()
                    await asyncio.sleep(began + elapsed - loop.time())
                    writer.write(bytes(waiting[:portion]))
                    await writer.drain()
                    del waiting[:portion]
                    sent += portion


async def _swallow(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(4096):
            pass
