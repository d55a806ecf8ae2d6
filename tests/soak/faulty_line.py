"""A `Transport` with a simulated meter at its far end, and everything on the way that can go wrong."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from drivers.errors import LineLost
from drivers.psem.link import Link
from drivers.psem.meter import Ended, MeterEvent, MeterHandler, MeterLimits, MeterSession, Served, SpeedChanged
from drivers.psem.options import PsemOptions
from drivers.psem.packet import Packet
from tests.soak.faults import Chance

_REMEMBERED = 32


@dataclass(frozen=True, slots=True)
class Mishaps:
    """What happens once in a session; counts are of requests served, 0 and None: never."""

    forgets_after: tuple[int, ...] = ()  # the meter drops the session after so many requests
    silent_after: int = 0  # nothing gets through for a while …
    silent_s: float = 0.0  # … of so many seconds
    lost_after: int = 0  # the line is gone for good


@dataclass(slots=True)
class CrcCount:
    """Damaged packets that a CRC took for good ones."""

    requests: int = 0
    answers: int = 0


class _Way:
    """One direction: how octets are paced and damaged."""

    def __init__(self, chance: Chance, deliver: Callable[[bytes, int], None], piece: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._chance = chance
        self._deliver = deliver
        self._piece = piece
        self._under_way: deque[tuple[bytes, int]] = deque()  # always in order
        self._arrived = 0.0
        self.busy_until = 0.0
        self.sent: deque[bytes] = deque(maxlen=_REMEMBERED)
        self.octets = 0

    def carry(self, chunk: bytes, baud: int) -> None:
        """Send a chunk."""
        now = self._loop.time()
        character_s = 10 / baud if baud else 0.0
        start = max(now, self.busy_until)
        self.busy_until = start + len(chunk) * character_s
        self.sent.append(chunk)
        self.octets += len(chunk)
        through = self._chance.through(chunk)
        delay_s = self._chance.delay_s()
        size = self._piece or len(through)
        for at in range(0, len(through), max(1, size)):
            piece = through[at : at + size]
            due = start + min(len(chunk), at + len(piece)) * character_s + delay_s
            self._arrived = max(self._arrived, due)
            self._under_way.append((piece, baud))
            self._loop.call_at(self._arrived, self._arrive)

    def has_sent(self, packet: bytes) -> bool:
        """Whether a packet left like that, not long ago."""
        return any(packet in chunk for chunk in reversed(self.sent))

    def _arrive(self) -> None:
        self._deliver(*self._under_way.popleft())


class FaultyLine:
    """The line and its meter. Made inside a running loop; `close` ends its timers."""

    def __init__(
        self,
        handler: MeterHandler,
        *,
        options: PsemOptions,
        limits: MeterLimits,
        baud: int,
        chances: tuple[Chance, Chance, Chance],
        mishaps: Mishaps,
        toggles: bool = True,
        echo: bool = False,
        piece: int = 0,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.name = "soak"
        self.baud = baud
        self.meter = MeterSession(handler, self._loop.time(), options=options, limits=limits, baud=baud)
        self.crc = CrcCount()
        self.served = 0
        self._toggles = toggles
        self._there = _Way(chances[0], self._to_meter, piece)
        self._back = _Way(chances[1], self._to_client, piece)
        self._echo = _Way(chances[2], self._to_client, piece) if echo else None
        self._mishaps = mishaps
        self._forgets = list(mishaps.forgets_after)
        self._silent_until = float("-inf")
        self._inbox = bytearray()
        self._reader: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._lost = self._closed = False
        self._watch(self.meter._link, self._there, answers=False)

    def watch_client(self, link: Link) -> None:
        """Count damaged packets that the client's link accepts."""
        self._watch(link, self._back, answers=True)

    @property
    def is_lost(self) -> bool:
        return self._lost

    @property
    def octets(self) -> int:
        return self._there.octets + self._back.octets

    # -- the transport

    async def read(self) -> bytes:
        while not self._inbox:
            if self._lost:
                raise LineLost("the line is gone")
            self._reader = self._loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        chunk = bytes(self._inbox)
        self._inbox.clear()
        return chunk

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:  # noqa: ARG002 - of `Transport`
        if self._lost:
            raise LineLost("the line is gone")
        self._there.carry(chunk, self.baud)
        if self._echo is not None:
            self._echo.carry(chunk, self.baud)

    def discard_input(self) -> int:
        octets = len(self._inbox)
        self._inbox.clear()
        return octets

    async def set_baud(self, baud: int) -> None:
        if self.baud:
            self.baud = baud

    async def close(self) -> None:
        self._closed = True
        if self._timer:
            self._timer.cancel()

    # -- the meter

    def _to_meter(self, piece: bytes, baud: int) -> None:
        if self._closed or self._loop.time() < self._silent_until:
            return
        if baud != self.meter.baud:
            piece = bytes(octet ^ 0x5A for octet in piece)
        self._happened(self.meter.feed(piece, self._loop.time()))

    def _on_timer(self) -> None:
        self._happened(self.meter.tick(self._loop.time()))

    def _happened(self, events: list[MeterEvent]) -> None:
        for event in events:
            match event:
                case Served():
                    self.served += 1
                    self._mishap()
                case SpeedChanged() | Ended():
                    pass
        now = self._loop.time()
        while output := self.meter.take_output(now):
            self._back.carry(self._untoggled(output), self.meter.baud)
        if self._forgets and self.served >= self._forgets[0]:
            self._forgets.pop(0)
            self.meter.power_fail()
        if self._timer:
            self._timer.cancel()
        deadline = self.meter.deadline()
        self._timer = None if deadline is None else self._loop.call_at(max(now, deadline), self._on_timer)

    def _mishap(self) -> None:
        if self.served == self._mishaps.silent_after:
            self._silent_until = self._loop.time() + self._mishaps.silent_s
        if self.served == self._mishaps.lost_after:
            self._lost = True
            self._wake()

    def _untoggled(self, output: bytes) -> bytes:
        """Return what a meter sends that does not toggle."""
        if self._toggles:
            return output
        packet = output.lstrip(b"\x06\x15")
        if not packet:
            return output
        whole = Packet.parse(packet)
        still = Packet(whole.data, whole.seq, whole.multi, whole.first, identity=whole.identity)
        return output[: len(output) - len(packet)] + still.to_bytes()

    def _to_client(self, piece: bytes, baud: int) -> None:
        if self._closed or self._loop.time() < self._silent_until:
            return
        if baud != self.baud:
            piece = bytes(octet ^ 0x5A for octet in piece)
        self._inbox += piece
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _watch(self, link: Link, way: _Way, *, answers: bool) -> None:
        """Look at each packet that a link takes for good: was it sent like that?"""
        honest = link._on_packet

        def look(packet: Packet, raw: bytes, now: float, events: list[object]) -> None:
            if not way.has_sent(raw) and not (answers and self._there.has_sent(raw)):  # no packet, nor its echo
                self.crc.answers += answers
                self.crc.requests += not answers
            honest(packet, raw, now, events)  # type: ignore[arg-type]

        link._on_packet = look  # type: ignore[method-assign, assignment]
