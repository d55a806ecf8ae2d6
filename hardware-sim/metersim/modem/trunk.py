"""One direction of a call that is up: octets take their time at the line's speed, come late, in bursts, or damaged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

_BITS: Final = 10  # of one octet: start, eight data, stop
_BUFFER: Final = 8192  # octets that a modem takes ahead of its line; more are lost
_RESEND_S: Final = 0.4  # that a damaged frame costs where errors are corrected


@dataclass(frozen=True, slots=True)
class Carriage:
    """How a call carries octets. Seconds."""

    rate: int  # bits per second
    latency_s: float = 0.08  # one way
    slice_s: float = 0.05  # octets of so much line time are handed over at once
    bursts_s: tuple[float, float] = (0.0, 0.0)  # a pause of so much before each burst, as with V.42
    noise: float = 0.0  # probability for each octet
    corrected: bool = False


class Trunk:
    """Carries octets one way until it is cut. Order is kept."""

    def __init__(self, carriage: Carriage, random: Random, deliver: Callable[[bytes], None]) -> None:
        self._carriage = carriage
        self._random = random
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._busy_until = self._arrives = self._loop.time()
        self._cut = False
        self.octets = 0

    def send(self, octets: bytes) -> None:
        """Put octets on their way; those that do not fit the sending modem's buffer are lost."""
        line, now = self._carriage, self._loop.time()
        self._busy_until = max(self._busy_until, now)
        room = _BUFFER - int((self._busy_until - now) * line.rate / _BITS)
        octets = octets[: max(0, room)]
        length = self._slice()
        for begin in range(0, len(octets), length):
            piece = octets[begin : begin + length]
            self._busy_until += len(piece) * _BITS / line.rate
            late_s = line.latency_s
            if line.bursts_s[1]:
                late_s += self._random.uniform(*line.bursts_s)
            piece, resend_s = self._through_noise(piece)
            self._arrives = max(self._arrives, self._busy_until + late_s + resend_s)
            self._loop.call_at(self._arrives, self._arrive, piece)

    def cut(self) -> None:
        """Lose what is under way, and everything after it."""
        self._cut = True

    def _slice(self) -> int:
        line = self._carriage
        seconds = max(line.slice_s, line.bursts_s[1] / 2)
        return max(1, int(seconds * line.rate / _BITS))

    def _through_noise(self, piece: bytes) -> tuple[bytes, float]:
        noise, random = self._carriage.noise, self._random
        if not noise:
            return piece, 0.0
        hits = [at for at in range(len(piece)) if random.random() < noise]
        if self._carriage.corrected:
            return piece, _RESEND_S if hits else 0.0
        damaged = bytearray(piece)
        for at in hits:
            damaged[at] ^= 1 << random.randrange(8)
        return bytes(damaged), 0.0

    def _arrive(self, piece: bytes) -> None:
        if not self._cut:
            self.octets += len(piece)
            self._deliver(piece)
