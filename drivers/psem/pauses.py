"""How long a line pauses inside a packet: the sooner a packet is known to be cut short, the sooner it comes again.

C12.18 §8 lets a sender pause 500 ms between two octets (C12.21: 1 s), and so long a lost octet holds the line up. Most
lines never pause longer than their adapter takes to hand octets over. Once enough has come in to know that, a packet
is taken for cut short after eight times the longest pause that was seen inside a whole one. If that was too soon, it
costs one repeat: for a packet that is repeated the standard's time-out holds.
"""

from __future__ import annotations

from typing import Final

from drivers.psem.wiring import LineKind

_ENOUGH: Final = 500  # octets in whole packets
_TIMES: Final = 8
_LEAST_S: Final = {
    LineKind.PROBE: 0.12,  # what a busy gateway may take to look at its input
    LineKind.NETWORK: 0.4,
    LineKind.MODEM: 1.0,  # error correction repeats a block whenever it has to, however smooth the call was so far
}
_SETTLE_PART: Final = {LineKind.NETWORK: 4, LineKind.MODEM: 2}  # of the inter-character time-out: they pause anywhere
_SETTLE_CHARACTERS: Final = 12


class Pauses:
    """Of one line. No clock: pauses go in, in seconds."""

    __slots__ = ("_inside_s", "_kind", "_least_s", "_longest_s", "_octets", "standard_s")

    def __init__(self, standard_s: float, kind: LineKind) -> None:
        self.standard_s = standard_s
        self._kind = kind
        self._least_s = _LEAST_S[kind]
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

    def settle_s(self, settle_s: float, character_s: float) -> float:
        """Silence after which a damaged packet is over, on a line with or without a speed of its own.

        Must be longer than a pause inside a packet.
        """
        if part := _SETTLE_PART.get(self._kind):
            return self.standard_s / part
        return min(self.standard_s, max(settle_s, _SETTLE_CHARACTERS * character_s))

    @property
    def gap_s(self) -> float:
        """Silence after which a packet that came in for the first time is taken for cut short."""
        if self._octets < _ENOUGH:
            return self.standard_s
        return min(self.standard_s, max(self._least_s, _TIMES * self._longest_s))
