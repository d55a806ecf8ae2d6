"""A simulated meter and a reader on one cable in virtual time: nothing waits, every run is the same to the octet."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from drivers.errors import LineLost
from metersim.meter.ports import Port

_T = TypeVar("_T")

BASE_BAUD = 9600
THREAD_S = 20.0  # real seconds that a thread may take, such as that which reads a file


class _Instantly(selectors.DefaultSelector):
    """Waits for nothing: moves the loop's clock instead. Only a thread is really waited for."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            ready = super().select(THREAD_S)
            assert ready, "everybody waits for ever"
            return ready
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only where somebody waits."""

    def __init__(self) -> None:
        self._virtual = _Instantly()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Run in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def loop_time() -> float:
    """The clock of the loop that is running, in seconds."""
    return asyncio.get_running_loop().time()


def loop_time_ns() -> int:
    """The same in nanoseconds."""
    return round(loop_time() * 1e9)


class CablePort:
    """The meter's end of the cable."""

    address = "/dev/ttySIM0"

    def __init__(self, received: Callable[[bytes], None]) -> None:
        self.received = received
        self.inbox = bytearray()
        self.baud = BASE_BAUD  # of the client
        self.arrived = asyncio.Event()
        self.lost = False

    def client_baud(self) -> int | None:
        return self.baud

    async def send(self, chunk: bytes) -> None:
        self.inbox += chunk
        self.arrived.set()

    def discard(self) -> None:
        self.inbox.clear()

    def hang_up(self) -> None:
        self.lost = True
        self.arrived.set()

    async def close(self) -> None:
        self.hang_up()


class CableTransport:
    """The reader's end of the cable: a `drivers.transport.Transport`."""

    def __init__(self, port: CablePort) -> None:
        self._port = port

    @property
    def name(self) -> str:
        return self._port.address

    @property
    def baud(self) -> int:
        return self._port.baud

    async def read(self) -> bytes:
        while not self._port.inbox:
            self._check()
            self._port.arrived.clear()
            await self._port.arrived.wait()
        chunk = bytes(self._port.inbox)
        self._port.inbox.clear()
        return chunk

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:  # noqa: ARG002 - part of `Transport`
        self._check()
        self._port.received(chunk)

    def discard_input(self) -> int:
        dropped = len(self._port.inbox)
        self._port.inbox.clear()
        return dropped

    async def set_baud(self, baud: int) -> None:
        self._check()
        self._port.baud = baud

    async def close(self) -> None:
        """Leave the cable where it is."""

    def _check(self) -> None:
        if self._port.lost:
            raise LineLost(f"{self.name} is gone")


def opener(ports: list[CablePort]) -> Callable[[Callable[[bytes], None]], Coroutine[Any, Any, Port]]:
    """Return what `serve_meter` opens its port with; the port is put into `ports`."""

    async def open_port(received: Callable[[bytes], None]) -> Port:
        ports.append(CablePort(received))
        return ports[-1]

    return open_port
