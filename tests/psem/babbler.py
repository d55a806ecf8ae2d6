"""A line at whose other end somebody talks without listening: whatever is sent, the same goes on and on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import count

from drivers.psem.packet import Packet

ACK = b"\x06"
Talk = Iterator[bytes | float]  # octets, and seconds of silence


class Babbler:
    """A `Transport` that begins to talk at the first octet sent, at 9600 baud."""

    name = "babbler"
    baud = 9600

    def __init__(self, talk: Talk) -> None:
        self.loop = asyncio.get_running_loop()
        self.talk = talk
        self.inbox = bytearray()
        self.longest = 0  # octets that waited to be read
        self.written = 0
        self.secrets = 0  # writes that are not to be recorded
        self._arrived = asyncio.Event()
        self._begun = False

    async def read(self) -> bytes:
        while not self.inbox:
            self._arrived.clear()
            await self._arrived.wait()
        chunk = bytes(self.inbox)
        self.inbox.clear()
        return chunk

    async def write(self, chunk: bytes, *, secret: bool = False) -> None:
        self.written += len(chunk)
        self.secrets += secret
        if not self._begun:
            self._begun = True
            self._next()

    def discard_input(self) -> int:
        octets = len(self.inbox)
        self.inbox.clear()
        return octets

    async def set_baud(self, baud: int) -> None:
        self.baud = baud

    async def close(self) -> None: ...

    def _next(self) -> None:
        said = next(self.talk)
        if isinstance(said, bytes):
            self.loop.call_later(len(said) * 10 / 9600, self._arrive, said)
        else:
            self.loop.call_later(said, self._next)

    def _arrive(self, chunk: bytes) -> None:
        self.inbox += chunk
        self.longest = max(self.longest, len(self.inbox))
        self._arrived.set()
        self._next()


def packets(make: Callable[[int], Packet], *, gap_s: float = 0.05, before: bytes = ACK) -> Talk:
    """Say an ACK, then packet after packet with good CRCs and changing toggles."""
    yield before
    for number in count():
        packet = make(number)
        yield Packet(
            packet.data, seq=packet.seq, multi=packet.multi, first=packet.first, toggle=bool(number % 2)
        ).to_bytes()
        yield gap_s


def for_ever(*said: bytes | float) -> Talk:
    """Say these over and over."""
    while True:
        yield from said
