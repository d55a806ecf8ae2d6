"""What a serial port and a socket have in common: an asyncio protocol that owns the input buffer.

The buffer is ours, so that dropping what came before drops all of it, and a cancelled read loses nothing.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import cast

from drivers.errors import LineLost
from drivers.transport.bell import Bell

HIGH_WATER = 65_536  # unread octets after which the peer has to wait: eight of the largest packets
DISCARD_LIMIT = 16  # reads of HIGH_WATER while dropping input, so that a babbling peer cannot hold us there


class StreamProtocol(asyncio.Protocol):
    """Collects input, and tells the reader and the writer (one of each at a time) when the line is gone."""

    def __init__(self, why_lost: Callable[[Exception | None], LineLost]) -> None:
        self._why_lost = why_lost
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._reading_paused = False
        self._writing_paused = False
        self._lost: LineLost | None = None
        self._input = Bell()
        self._output = Bell()
        self._closed = asyncio.Event()

    # Called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)  # "written" means that the kernel took it

    def data_received(self, data: bytes) -> None:
        self._buffer += self.sift(data)
        if len(self._buffer) >= HIGH_WATER and not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()
        self._input.ring()

    def sift(self, octets: bytes) -> bytes:
        """Return what of the input is data; a protocol with commands among them takes those out here."""
        return octets

    def connection_lost(self, exc: Exception | None) -> None:
        self.lose(self._why_lost(exc))
        self._closed.set()

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._output.ring()

    # Called by our transports.

    @property
    def closed(self) -> bool:
        """Whether asyncio has let go of the line."""
        return self._closed.is_set()

    async def wait_closed(self) -> None:
        """Wait until asyncio has let go of the line."""
        await self._closed.wait()

    async def read(self) -> bytes:
        """Wait for input and return all of it; raise `LineLost` once the line is gone and the input is used up."""
        while not self._buffer:
            self.check()
            await self._input.heard()
        return self._take()

    async def output_taken(self) -> None:
        """Wait until the kernel took what was written; raise `LineLost` when it never will."""
        while self._writing_paused and self._lost is None:
            await self._output.heard()
        self.check()

    def check(self) -> None:
        """Raise `LineLost` if the line is gone."""
        if self._lost is not None:
            raise LineLost(self._lost.message, advice=self._lost.advice)

    def lose(self, why: LineLost) -> None:
        """Take the line for lost from now on; the first reason stays."""
        self._lost = self._lost or why
        self._input.ring()
        self._output.ring()

    def discard(self, descriptor: int) -> int:
        """Drop the unread input, also what the kernel still holds for `descriptor`; return how many octets."""
        dropped = len(self._take())
        transport = self._transport
        if self._lost is not None or transport is None or transport.is_closing():
            return dropped
        # Unless reading is paused, a read that the loop has already scheduled would find nothing, which serialx
        # takes for an unplugged port.
        transport.pause_reading()
        try:
            for _ in range(DISCARD_LIMIT):
                octets = os.read(descriptor, HIGH_WATER)
                dropped += len(self.sift(octets))
                if not octets:
                    break
        except OSError:
            pass  # nothing more there; or the line is gone, which the next read will tell
        transport.resume_reading()
        return dropped

    def _take(self) -> bytes:
        taken = bytes(self._buffer)
        self._buffer.clear()
        if self._reading_paused and self._transport is not None:
            self._reading_paused = False
            self._transport.resume_reading()
        return taken
