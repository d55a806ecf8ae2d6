"""A call in memory: simulated meters at its far end, the driver's transport at this one, virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from drivers.errors import LineLost
from metersim.meter.faults import parse_faults
from metersim.meter.meter_line import MeterLine, meter_line
from metersim.meter.scenario import with_standard
from metersim.meter.serving import Serving
from tests.young_meters import young

NOW = datetime(2026, 11, 3, 17, 20, tzinfo=UTC)
NAME = "/dev/ttyS0 (call to 5550100)"


class Call:
    """A dialled line that is up; `received` and `sent` are what a monitor on it would show."""

    def __init__(self, name: str = NAME, baud: int = 2400) -> None:
        self.name = name
        self.baud = baud
        self.meters: MeterLine | None = None
        self.sent: list[bytes] = []
        self.secrets: list[bytes] = []
        self.up = True
        self.closed = False
        self.octets = 0
        self.cut_after: int | None = None  # octets from the meter, then the carrier is lost
        self.tamper: Callable[[bytes], bytes] = lambda chunk: chunk  # with what the meters say
        self.heard: list[bytes] = []
        self._inbox = bytearray()
        self._arrived = asyncio.Event()

    def redial(self) -> None:
        """The same meters are called once more."""
        self.up, self.closed, self.cut_after, self.octets = True, False, None, 0
        self.sent.clear()
        self._inbox.clear()

    def carrier_lost(self) -> None:
        self.up = False
        if self.meters is not None:
            self.meters.carrier_lost()
        self._arrived.set()

    async def ended(self) -> None:
        """Return when the carrier is lost; what came before is dropped."""
        with suppress(LineLost):
            while True:
                await self.read()

    async def send(self, chunk: bytes) -> None:
        """Of the meters."""
        if not self.up:
            return
        if self.cut_after is not None and self.octets + len(chunk) >= self.cut_after:
            chunk = chunk[: self.cut_after - self.octets]
            asyncio.get_running_loop().call_soon(self.carrier_lost)
        self.octets += len(chunk)
        chunk = self.tamper(chunk)
        self.heard.append(chunk)
        self._inbox += chunk
        self._arrived.set()

    async def read(self) -> bytes:
        while not self._inbox:
            if not self.up:
                raise LineLost(f"{self.name}: the carrier is lost")
            self._arrived.clear()
            await self._arrived.wait()
        chunk = bytes(self._inbox)
        self._inbox.clear()
        return chunk

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:
        if not self.up:
            raise LineLost(f"{self.name}: the carrier is lost")
        self.sent.append(chunk)
        if secret:
            self.secrets.append(chunk)
        assert self.meters is not None
        self.meters.received(chunk)

    def discard_input(self) -> int:
        count = len(self._inbox)
        self._inbox.clear()
        return count

    async def set_baud(self, baud: int) -> None:
        raise AssertionError(baud)

    async def close(self) -> None:
        self.closed = True
        self.up = False

    def services(self) -> list[int]:
        """The request codes that were sent, repeats left out."""
        packets = [chunk.lstrip(b"\6\x15") for chunk in self.sent]
        return [packet[6] for packet in dict.fromkeys(packets) if packet]


def serving(name: str = "minimal", *, standard: str = "c1221", faults: Sequence[str] = (), **psem: object) -> Serving:
    """A meter that speaks C12.21; `psem`: keys of its `[psem]`."""
    scenario = with_standard(young(name, NOW), standard)
    scenario = msgspec.structs.replace(scenario, psem=msgspec.structs.replace(scenario.psem, **psem))
    return Serving(scenario, NOW, faults=parse_faults(faults), rate=0)


@asynccontextmanager
async def called(*servings: Serving, name: str = NAME) -> AsyncIterator[Call]:
    """A call to these meters."""
    call = Call(name)
    meters = [replace(one, seed=number) for number, one in enumerate(servings, 1)]
    async with meter_line(meters, call.send, call.carrier_lost) as line:
        call.meters = line
        yield call
