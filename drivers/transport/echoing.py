"""A line without the echo of what is sent: `EchoFilter` around any transport."""

from __future__ import annotations

import asyncio
from typing import Literal

from drivers.transport.base import Transport
from drivers.transport.echo import EchoCounts, EchoFilter
from drivers.transport.echo_report import EchoReport
from drivers.transport.urls import EchoMode

BITS_PER_OCTET = 10


class EchoTransport:
    """Passes on what the meter says; `echo` and `echo_counts` tell what was found."""

    def __init__(self, inner: Transport, mode: EchoMode = "auto") -> None:
        self._inner = inner
        self._mode = mode
        self._filter = EchoFilter(mode)
        self._out_by = 0.0

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def baud(self) -> int:
        return self._inner.baud

    @property
    def echo(self) -> Literal["on", "off", "undecided"]:
        """Whether this line echoes, as far as is known."""
        return self._filter.state

    @property
    def echo_counts(self) -> EchoCounts:
        """Octets of echo removed so far, and places where it was damaged."""
        return self._filter.counts

    @property
    def echo_report(self) -> EchoReport:
        """The setting, and what came of it."""
        return EchoReport(self._mode, self._filter.counts.removed)

    async def read(self) -> bytes:
        clock = asyncio.get_running_loop().time
        while True:
            try:
                async with asyncio.timeout_at(self._filter.deadline()):
                    chunk = await self._inner.read()
            except TimeoutError:
                chunk = await self._read_late()
            passed = self._filter.received(chunk, clock()) if chunk else self._filter.expired(clock())
            if passed:
                return passed

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:
        now = asyncio.get_running_loop().time()
        wire_s = len(chunk) * BITS_PER_OCTET / self._inner.baud if self._inner.baud else 0.0
        self._out_by = max(now, self._out_by) + wire_s
        self._filter.sent(chunk, now, self._out_by)
        await self._inner.write(chunk, secret=secret)

    def discard_input(self) -> int:
        below = self._inner.discard_input()
        return below + self._filter.discarded(below)

    async def set_baud(self, baud: int) -> None:
        before = self._inner.baud
        await self._inner.set_baud(baud)
        if self._inner.baud != before:
            self._filter.restart()

    async def close(self) -> None:
        await self._inner.close()

    async def _read_late(self) -> bytes:
        """Return what came in while this program was held up; nothing if the line was quiet indeed."""
        try:
            async with asyncio.timeout(0):
                return await self._inner.read()
        except TimeoutError:
            return b""
