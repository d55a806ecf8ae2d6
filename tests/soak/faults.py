"""What a line does to octets, by chance: flips, losses, insertions, bursts, copies, delays. Repeatable by its seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

_BURST = 24  # octets at most


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of octets (`flip`, `lose`, `insert`, `burst`) and of chunks sent (`copy`, `drop_ack`, `late`)."""

    flip: float = 0.0
    lose: float = 0.0
    insert: float = 0.0
    burst: float = 0.0  # a run of up to 24 octets becomes noise, grows or shrinks
    copy: float = 0.0  # the chunk arrives twice
    drop_ack: float = 0.0  # a chunk that is one octet long never arrives
    late: float = 0.0
    late_s: float = 0.0  # by up to so much

    @property
    def damage(self) -> float:
        """Damages per octet, of all kinds."""
        return self.flip + self.lose + self.insert + self.burst


class Chance:
    """Applies rates to one direction of a line."""

    def __init__(self, rates: Rates, random: Random) -> None:
        self._rates = rates
        self._random = random
        self._clean = self._next()  # octets until the next damage
        self.damages = 0

    def through(self, chunk: bytes) -> bytes:
        """Return what arrives of a chunk."""
        rates, random = self._rates, self._random
        if len(chunk) == 1 and rates.drop_ack and random.random() < rates.drop_ack:
            self.damages += 1
            return b""
        if len(chunk) <= self._clean:
            self._clean -= len(chunk)
        else:
            chunk = self._damaged(chunk)
        return chunk * 2 if rates.copy and random.random() < rates.copy else chunk

    def delay_s(self) -> float:
        """Return how much later than usual a chunk arrives."""
        if not self._rates.late or self._random.random() >= self._rates.late:
            return 0.0
        return self._random.random() * self._rates.late_s

    def _damaged(self, chunk: bytes) -> bytes:
        octets = bytearray(chunk)
        at = self._clean
        while at < len(octets):
            at = self._hit(octets, at)
            self.damages += 1
            self._clean = self._next()
            at += self._clean
        self._clean = at - len(octets)
        return bytes(octets)

    def _hit(self, octets: bytearray, at: int) -> int:
        """Damage the octet at `at`; return where the line is sound again."""
        rates, random = self._rates, self._random
        kind = random.random() * rates.damage
        if kind < rates.flip:
            octets[at] ^= random.randrange(1, 256)
            return at + 1
        if kind < rates.flip + rates.lose:
            del octets[at]
            return at
        if kind < rates.flip + rates.lose + rates.insert:
            octets.insert(at, random.randrange(256))
            return at + 2
        noise = random.randbytes(random.randrange(1, _BURST))
        octets[at : at + random.randrange(1, _BURST)] = noise
        return at + len(noise)

    def _next(self) -> int:
        rate = self._rates.damage
        if rate <= 0:
            return 1 << 60
        return int(math.log(1.0 - self._random.random()) / math.log1p(-rate))
