"""A meter on an echoing 9600-baud line that damages octets, in time of its own: hours of line pass in seconds."""

# ruff: noqa: ARG002 - a handler and a transport are given more than this one looks at

from __future__ import annotations

import asyncio
import random
import selectors
from typing import Any

from drivers.psem.codes import ResponseCode
from drivers.psem.meter import MeterSession
from drivers.psem.replies import IdentifyReply
from drivers.secret import Secret

TABLE = bytes(range(256)) * 4
CHARACTER_S = 10 / 9600


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Instead of waiting, lets the time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        inner: Any = self
        inner._selector = _Impatient(inner._selector, self)

    def time(self) -> float:
        return self.now


class _Impatient:
    def __init__(self, inner: selectors.BaseSelector, loop: VirtualTimeLoop) -> None:
        self._inner = inner
        self._loop = loop

    def select(self, timeout: float | None) -> object:
        assert timeout is not None, "everybody waits for somebody"
        self._loop.now += max(0.0, timeout)
        return self._inner.select(0)

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


class _Handler:
    """Holds one table under every number, and refuses nothing."""

    def identify(self) -> IdentifyReply:
        return IdentifyReply(0, 1, 0)

    def logon(self, user_id: int, user: bytes) -> ResponseCode:
        return ResponseCode.OK

    def security(self, password: Secret) -> ResponseCode:
        return ResponseCode.OK

    def read_table(self, table: int, offset: int | None, count: int | None) -> bytes:
        return TABLE if offset is None or count is None else TABLE[offset : offset + count]

    def read_index(self, table: int, indices: tuple[int, ...], count: int) -> ResponseCode:
        return ResponseCode.SNS

    def read_default(self) -> ResponseCode:
        return ResponseCode.SNS

    def write_table(self, table: int, offset: int | None, data: bytes) -> ResponseCode:
        return ResponseCode.SNS

    def write_index(self, table: int, indices: tuple[int, ...], data: bytes) -> ResponseCode:
        return ResponseCode.SNS

    def logged_off(self) -> None:
        pass


class VirtualMeter:
    """The transport to it. Octets are lost or flipped at `rate`: in the echo, to the meter, and from it."""

    name = "virtual"
    baud = 9600

    def __init__(self, *, seed: int, rate: float, echo: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._rng = random.Random(seed)  # noqa: S311 - repeatable damage
        self._rate = rate
        self._echo = echo
        self._meter = MeterSession(_Handler(), self._loop.time())
        self._input = bytearray()
        self._arrived = asyncio.Event()
        self._sent_at = self._answered_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def read(self) -> bytes:
        while not self._input:
            self._arrived.clear()
            await self._arrived.wait()
        taken = bytes(self._input)
        self._input.clear()
        return taken

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:
        self._sent_at = max(self._loop.time(), self._sent_at)
        for octet in chunk:
            self._sent_at += CHARACTER_S
            if self._echo:
                self._loop.call_at(self._sent_at, self._receive, self._damaged(octet))
            self._loop.call_at(self._sent_at, self._to_meter, self._damaged(octet))

    def discard_input(self) -> int:
        dropped = len(self._input)
        self._input.clear()
        return dropped

    async def set_baud(self, baud: int) -> None:
        raise AssertionError(baud)

    async def close(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _damaged(self, octet: int) -> bytes:
        if self._rng.random() >= self._rate:
            return bytes([octet])
        return self._rng.choice((b"", bytes([octet ^ (1 << self._rng.randrange(8))])))

    def _receive(self, octets: bytes) -> None:
        self._input += octets
        self._arrived.set()

    def _to_meter(self, octets: bytes) -> None:
        self._meter.feed(octets, self._loop.time())
        self._run_meter()

    def _run_meter(self) -> None:
        now = self._loop.time()
        self._meter.tick(now)
        self._answered_at = max(now, self._answered_at)
        for octet in self._meter.take_output(now):
            self._answered_at += CHARACTER_S
            self._loop.call_at(self._answered_at, self._receive, self._damaged(octet))
        if self._timer:
            self._timer.cancel()
        deadline = self._meter.deadline()
        if deadline is not None:
            self._timer = self._loop.call_at(max(deadline, now + 0.0001), self._run_meter)
