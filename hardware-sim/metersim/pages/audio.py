"""Codewords as the audio of an FM discriminator: 16-bit signed samples, one channel, 22,050 a second."""

from __future__ import annotations

import math
import random
import sys
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from metersim.pages.transmission import PREAMBLE_BITS, Page, transmission

SAMPLE_RATE = 22_050
_FULL = 32_767
_PREAMBLE = int("10" * 16, 2)


@dataclass(frozen=True, slots=True)
class Channel:
    """How pages come in. The defaults are those of a good receiver beside the transmitter."""

    rate: int = 1200  # bits a second: 512, 1200 or 2400
    level: float = 0.5  # of full scale
    snr_db: float | None = None  # power of the signal over that of white noise in the audio; None: no noise
    bit_errors: int = 0  # wrong bits in every codeword but the first synchronisation
    clock_error: float = 0.0  # the sender's bits are longer by this share
    inverted: bool = False
    gap_s: float = 0.5  # of noise alone before, between and after transmissions
    seed: int = 0


def samples(transmissions: Iterable[Iterable[Page]], channel: Channel) -> Iterator[bytes]:
    """Yield the audio, one transmission after the other. Raises `ValueError` for a page that cannot be sent."""
    chance = random.Random(channel.seed)
    gap = [0.0] * round(channel.gap_s * SAMPLE_RATE)
    for pages in transmissions:
        words = [_damaged(word, channel.bit_errors if k else 0, chance) for k, word in enumerate(transmission(pages))]
        yield _octets(gap + _wave(_bits(words), channel), channel, chance)
    yield _octets(gap, channel, chance)


def _bits(words: Iterable[int]) -> list[int]:
    bits = [_PREAMBLE >> 31 - k % 32 & 1 for k in range(PREAMBLE_BITS)]
    return bits + [word >> place & 1 for word in words for place in range(31, -1, -1)]


def _damaged(word: int, errors: int, chance: random.Random) -> int:
    for place in chance.sample(range(32), errors):
        word ^= 1 << place
    return word


def _wave(bits: list[int], channel: Channel) -> list[float]:
    """Return the signal: a one is the lower frequency, which comes out of the discriminator below zero."""
    length = SAMPLE_RATE / channel.rate * (1 + channel.clock_error)
    sign = -1.0 if channel.inverted else 1.0
    count = math.floor(len(bits) * length)
    return [(-sign if bits[min(int(k / length), len(bits) - 1)] else sign) * channel.level for k in range(count)]


def _octets(wave: list[float], channel: Channel, chance: random.Random) -> bytes:
    if channel.snr_db is not None:
        sigma = channel.level / 10 ** (channel.snr_db / 20)
        wave = [value + chance.gauss(0, sigma) for value in wave]
    out = array("h", (round(max(-1.0, min(1.0, value)) * _FULL) for value in wave))
    if sys.byteorder == "big":
        out.byteswap()
    return out.tobytes()
