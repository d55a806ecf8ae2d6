"""Which packets carry a table in the shortest time over a line that damages so many octets (C12.18 §5, §8, §9.3).

Small packets waste octets on headers and turns of the line, large ones are damaged more often and cost more when they
are; a packet that is damaged four times costs the whole answer and a new session. The time per octet that a size and a
number of packets cost can be computed, so the best ones are looked for. Nothing here depends on measured times, so that
a recording is replayed with the same decisions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from drivers.memory import LineMemory
from drivers.psem.packet import DEFAULT_SIZE, OVERHEAD
from drivers.psem.quality import GOOD_RATE

_NETWORK_BAUD: Final = 9600  # behind a network there is a serial line, most often of this speed
_NETWORK_TURN_S: Final = 0.15
_TURN_S: Final = 0.004  # what probes, adapters and meters add to a turn
_TURN_OCTETS: Final = 5  # an ACK, and two characters of silence before and after it
_REPAIR_S: Final = 0.06  # silence that ends damage, NAK
_LOST_ACK_S: Final = 2.0  # the sender's response time-out
_REQUEST_OCTETS: Final = 26
_ANSWER_OVERHEAD: Final = 4
_TRIES: Final = 4  # of one packet; the meter has no more patience either
_RECOVERY_S: Final = 3.0  # a session opened afresh
_RENEGOTIATE_OCTETS: Final = 200  # Logoff, Negotiate, Logon, Security, their answers and acknowledgements
_RENEGOTIATE_TURNS: Final = 12
_WORTHWHILE: Final = 2.0  # a gain must be that many times the cost: estimates are estimates
_WORST_RATE: Final = 0.03  # damages per octet; nothing can be read over such a line
_COUNTS: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 255)


@dataclass(frozen=True, slots=True)
class Shape:
    """Packets of `size` octets, `packets` of them in one answer, and what an octet of table data costs then."""

    size: int
    packets: int
    octet_s: float


def sizes_from(largest: int) -> tuple[int, ...]:
    """Return the packet sizes to choose from, largest first: `largest`, then the powers of two down to 64."""
    steps = [size for size in (4096, 2048, 1024, 512, 256, 128, DEFAULT_SIZE) if size < largest]
    return (largest, *steps)


def best_shape(rate: float, sizes: Iterable[int], *, packets: int, baud: int, far: bool = False) -> Shape:
    """Return the cheapest shape of `sizes` and up to `packets` packets, at `rate` damages per octet.

    `far`: a turn of the line takes as long as on a network, though the line has a speed (a call).

    The rate is rounded to two digits, so that neighbouring ones give the same answer from a cache.
    """
    return _best(float(f"{max(rate, 1e-7):.1e}"), tuple(sizes), packets, baud, far)


def renegotiation_s(baud: int, *, far: bool = False) -> float:
    """Return what it costs to log off, agree on other packets and log on again."""
    return _RENEGOTIATE_OCTETS * _character_s(baud) + _RENEGOTIATE_TURNS * _turn_s(baud, far=far)


def pays(now: Shape, then: Shape, octets: int, *, baud: int, far: bool = False) -> bool:
    """Whether going over to `then` saves clearly more than it costs while `octets` are still to be read."""
    return octets * (now.octet_s - then.octet_s) > _WORTHWHILE * renegotiation_s(baud, far=far)


def remembered_size(memory: LineMemory, largest: int) -> int:
    """Return the packet size to offer first: what worked last time, if it makes sense at all."""
    return memory.packet_size if DEFAULT_SIZE <= memory.packet_size < largest else largest


def expected_rate(memory: LineMemory | None, largest: int, *, baud: int, far: bool = False) -> float:
    """Return the damage rate to begin with: one at which the remembered packet size is the best there is."""
    size = remembered_size(memory, largest) if memory else largest
    rate, sizes = GOOD_RATE, sizes_from(largest)
    while size < largest and rate < _WORST_RATE:
        if best_shape(rate, sizes, packets=255, baud=baud, far=far).size <= size:
            break
        rate *= 1.5
    return rate


@lru_cache(maxsize=1024)
def _best(rate: float, sizes: tuple[int, ...], packets: int, baud: int, far: bool) -> Shape:
    shapes = (
        Shape(size, count, _octet_s(rate, size, count, baud=baud, far=far))
        for size in sizes
        for count in (*_COUNTS, packets)
        if count <= packets and count * (size - OVERHEAD) > _ANSWER_OVERHEAD
    )
    return min(shapes, key=lambda shape: shape.octet_s)


def _octet_s(rate: float, size: int, count: int, *, baud: int, far: bool) -> float:
    """Return the expected seconds for each octet of table data."""
    character_s, turn_s = _character_s(baud), _turn_s(baud, far=far)
    whole = math.exp(-rate * size)
    fails = (1 - whole) ** _TRIES
    tries = (1 - fails) / whole
    packet_s = tries * (size * character_s + turn_s) + (tries - 1) * _REPAIR_S + rate * _LOST_ACK_S
    request_s = _REQUEST_OCTETS * (character_s + rate * _LOST_ACK_S / 2) + turn_s
    answer_s = count * packet_s + request_s
    arrives = (1 - fails) ** count
    lost_s = (1 / max(arrives, 1e-12) - 1) * (answer_s / 2 + _RECOVERY_S)
    return (answer_s + lost_s) / (count * (size - OVERHEAD) - _ANSWER_OVERHEAD)


def _character_s(baud: int) -> float:
    return 10 / (baud or _NETWORK_BAUD)


def _turn_s(baud: int, *, far: bool) -> float:
    return _TURN_OCTETS * _character_s(baud) + (_NETWORK_TURN_S if far or not baud else _TURN_S)
