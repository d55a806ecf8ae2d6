"""How good a line is: the share of octets that arrive damaged, from what became of each packet.

A packet of n octets arrives whole with the chance e^(−rate·n). One that does not has suffered at least one damage, on
average rate·n ÷ (1 − e^(−rate·n)); summed over all packets and divided by their octets that gives the rate again, which
the sums approach as packets come in. Old packets count less and less, so that a line may get better.
"""

from __future__ import annotations

import math
from typing import Final

GOOD_RATE: Final = 2e-5  # of a line that nothing is known about: damage is rare
_PRIOR_OCTETS: Final = 3_000  # of packets that such an assumption counts for
_MEMORY_OCTETS: Final = 12_000  # after so many, what came before counts for 1/e
_SHORTEST: Final = 1


class LineQuality:
    """Counts packets in both directions. Deterministic: no clock, no chance."""

    __slots__ = ("_damages", "_octets", "damaged_packets", "whole_octets", "whole_packets")

    def __init__(self, rate: float = GOOD_RATE) -> None:
        self._octets = float(_PRIOR_OCTETS)
        self._damages = rate * _PRIOR_OCTETS
        self.whole_packets = 0
        self.whole_octets = 0
        self.damaged_packets = 0

    @property
    def rate(self) -> float:
        """Damages per octet, as far as is known."""
        return self._damages / self._octets

    def whole(self, octets: int) -> None:
        """A packet of so many octets arrived as it was sent."""
        self.whole_packets += 1
        self.whole_octets += octets
        self._add(octets, 0.0)

    def damaged(self, octets: int) -> None:
        """A packet of so many octets, as far as is known, did not."""
        self.damaged_packets += 1
        expected = self.rate * max(_SHORTEST, octets)
        self._add(max(_SHORTEST, octets), expected / -math.expm1(-expected) if expected > 1e-9 else 1.0)

    def _add(self, octets: int, damages: float) -> None:
        kept = math.exp(-octets / _MEMORY_OCTETS)
        self._octets = self._octets * kept + octets
        self._damages = self._damages * kept + damages
