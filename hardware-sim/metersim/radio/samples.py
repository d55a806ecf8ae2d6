"""Frames as I/Q samples: on-off keyed, Manchester coded, in noise; unsigned octets, as a dongle gives them.

A carrier and the noise are tables that repeat; a frame is cut out of them by slices, so that seconds of air take
fractions of a second to make.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from metersim.radio.frames import Frame

CHIPS_A_SECOND = 32_768  # two a bit: on-off is 1, off-on is 0
FULL_SCALE = 127.5
TABLE = 1 << 15  # samples until noise and carrier repeat
PERIODS = (16, 32, -32)  # samples of a turn of the carrier: where it lies beside the middle
BLOCK = 1 << 14  # samples of a block of plain noise


@dataclass(frozen=True, slots=True)
class Air:
    """What the receiver is set to, and how well it hears. `snr_db`: carrier over the noise of the whole band."""

    rate: int = 1_024_000
    snr_db: float = 20.0
    amplitude: float = 0.6  # of full scale
    seed: int = 0

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise in I and in Q, in steps."""
        return float(self.amplitude * FULL_SCALE / math.sqrt(2 * 10 ** (self.snr_db / 10)))


@dataclass(frozen=True, slots=True)
class Sent:
    """A frame on the air. `at`: sample at which it begins; `weaker`: by how many dB than the air's amplitude."""

    at: int
    frame: Frame
    weaker: float = 0.0
    channel: int = 0


class Ether:
    """Makes the samples of what is sent."""

    def __init__(self, air: Air) -> None:
        self.air = air
        chance = random.Random(air.seed)
        self._noise = [chance.gauss(FULL_SCALE, air.sigma) for _ in range(2 * TABLE)]
        self._quiet = _octets(self._noise)
        self._carriers: dict[tuple[float, int], bytes] = {}

    def length(self, frame: Frame) -> int:
        """Return how many samples a frame takes."""
        return len(frame.octets) * 16 * self.air.rate // CHIPS_A_SECOND + 1

    def noise(self, first: int, behind: int) -> bytes:
        """Return samples in which nothing is sent."""
        return _cut(self._quiet, first, behind)

    def frame(self, sent: Sent) -> bytes:
        """Return the samples of one frame, in noise."""
        carrier = self._carrier(sent.weaker, PERIODS[sent.channel % len(PERIODS)])
        chips = [chip for octet in sent.frame.octets for chip in _CHIPS[octet]]
        edges = [sent.at + k * self.air.rate // CHIPS_A_SECOND for k in range(len(chips) + 1)]
        parts = [
            _cut(carrier if chip else self._quiet, first, behind)
            for chip, (first, behind) in zip(chips, pairwise(edges), strict=True)
        ]
        return b"".join(parts)

    def stream(self, sent: Sequence[Sent], length: int) -> Iterator[bytes]:
        """Yield `length` samples; frames that overlap are added to each other."""
        at = 0
        waiting = sorted(sent, key=lambda one: one.at)
        while waiting:
            group = [waiting.pop(0)]
            end = group[0].at + self.length(group[0].frame)
            while waiting and waiting[0].at < end:
                group.append(waiting.pop(0))
                end = max(end, group[-1].at + self.length(group[-1].frame))
            yield from self._plain(at, group[0].at)
            yield self._together(group, end)
            at = end
        yield from self._plain(at, length)

    def _plain(self, first: int, behind: int) -> Iterator[bytes]:
        for at in range(first, behind, BLOCK):
            yield self.noise(at, min(at + BLOCK, behind))

    def _together(self, group: Sequence[Sent], end: int) -> bytes:
        begin = group[0].at
        if len(group) == 1:
            samples = self.frame(group[0])
            return samples + self.noise(begin + len(samples) // 2, end)
        mixed = bytearray(self.noise(begin, end))
        for one in group:
            samples = self.frame(one)
            quiet = self.noise(one.at, one.at + len(samples) // 2)
            offset = 2 * (one.at - begin)
            for k, (with_it, without) in enumerate(zip(samples, quiet, strict=True), start=offset):
                if with_it != without:
                    mixed[k] = min(255, max(0, mixed[k] + with_it - without))
        return bytes(mixed)

    def _carrier(self, weaker: float, period: int) -> bytes:
        key = (weaker, period)
        if key not in self._carriers:
            amplitude = self.air.amplitude * FULL_SCALE / 10 ** (weaker / 20)
            turn = [2 * math.pi * k / period for k in range(abs(period))]
            wave = [amplitude * part for angle in turn for part in (math.cos(angle), math.sin(angle))]
            self._carriers[key] = _octets([n + wave[k % len(wave)] for k, n in enumerate(self._noise)])
        return self._carriers[key]


def _cut(table: bytes, first: int, behind: int) -> bytes:
    """Return samples of a table that repeats."""
    start = first % TABLE
    count = behind - first
    if start + count <= TABLE:
        return table[2 * start : 2 * (start + count)]
    whole, rest = divmod(count - (TABLE - start), TABLE)
    return table[2 * start :] + table * whole + table[: 2 * rest]


def _octets(levels: Sequence[float]) -> bytes:
    return bytes(min(255, max(0, round(level))) for level in levels)


_CHIPS = tuple(
    tuple(chip for bit in range(7, -1, -1) for chip in ((1, 0) if octet >> bit & 1 else (0, 1))) for octet in range(256)
)
