"""How long a line pauses inside a packet: the sooner a packet is known to be cut short, the sooner it comes again.

C12.18 §8 lets a sender pause 500 ms between two octets (C12.21: 1 s), and so long a lost octet holds the line up. Most
lines never pause longer than their adapter takes to hand octets over. Once enough has come in to know that, a packet
is taken for cut short after eight times the longest pause that was seen inside a whole one. If that was too soon, it
costs one repeat: for a packet that is repeated the standard's time-out holds.
"""

from __future__ import annotations

from typing import Final

_ENOUGH: Final = 500  # octets in whole packets
_TIMES: Final = 8
_LEAST_S: Final = 0.12  # what a busy gateway may take to look at its input
_LEAST_NETWORK_S: Final = 0.4


class Pauses:
    """Of one line. No clock: pauses go in, in seconds."""

    __slots__ = ("_inside_s", "_least_s", "_longest_s", "_octets", "_standard_s")

    def __init__(self, standard_s: float, *, network: bool) -> None:
        self._standard_s = standard_s
        self._least_s = _LEAST_NETWORK_S if network else _LEAST_S
        self._longest_s = 0.0
        self._inside_s = 0.0
        self._octets = 0

    def inside(self, seconds: float) -> None:
        """Between two pieces of a packet so much time passed."""
        self._inside_s = max(self._inside_s, seconds)

    def whole(self, octets: int) -> None:
        """The packet is whole: what paused inside it was no damage."""
        self._longest_s = max(self._longest_s, self._inside_s)
        self._inside_s = 0.0
        self._octets += octets

    def broken(self) -> None:
        """The packet was damaged: its pauses say nothing."""
        self._inside_s = 0.0

    @property
    def gap_s(self) -> float:
        """Silence after which a packet that came in for the first time is taken for cut short."""
        if self._octets < _ENOUGH:
            return self._standard_s
        return min(self._standard_s, max(self._least_s, _TIMES * self._longest_s))
