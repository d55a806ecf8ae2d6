"""A line that outlives a visit: another meter on it is read next."""

from __future__ import annotations

from drivers.transport.base import Transport
from drivers.transport.echo_report import EchoReport, echo_of


class KeptLine:
    """Passes everything through to an open line, and leaves it open."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def baud(self) -> int:
        return self.inner.baud

    @property
    def echo_report(self) -> EchoReport:
        """What the line says about its echo."""
        return echo_of(self.inner)

    async def read(self) -> bytes:
        return await self.inner.read()

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:
        await self.inner.write(chunk, secret=secret)

    def discard_input(self) -> int:
        return self.inner.discard_input()

    async def set_baud(self, baud: int) -> None:
        await self.inner.set_baud(baud)

    async def close(self) -> None:
        """Leave it to whoever opened it."""
