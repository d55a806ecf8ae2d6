"""Whether the peer toggles at all (C12.18 §6): some meters send every packet with the same toggle bit.

Then a new answer looks like a lost packet, and one with the content of the answer before looks like a duplicate. It is
safe to conclude that the bit means nothing only where nothing else can explain it: on a line without any trace of
damage, two answers one after the other, each to a request that the meter has acknowledged, bring the toggle of the
packet before, and the first of them brings other content, so that it is no repeat.
"""

from __future__ import annotations

from typing import Final

_PROOF: Final = 2


class ToggleWatch:
    """What the toggle bit of one peer is worth."""

    __slots__ = ("_in_a_row", "_spotless", "learnt", "matter")

    def __init__(self, toggles: bool) -> None:
        self.matter = toggles  # False: the bit says nothing
        self.learnt = False  # … and we found that out ourselves
        self._spotless = True
        self._in_a_row = 0

    def new_session(self) -> None:
        """Judge afresh; what was concluded stays."""
        self._spotless = True
        self._in_a_row = 0

    def line_is_bad(self) -> None:
        """Draw no conclusions in this session any more: lost packets explain everything."""
        self._spotless = False

    def answer(self, *, unchanged: bool, repeated: bool) -> None:
        """An answer has begun. `repeated`: it could be the packet before once more, CRC and all."""
        if not unchanged or not self._spotless or (repeated and not self._in_a_row):
            self._in_a_row = 0
            return
        self._in_a_row += 1
        if self._in_a_row >= _PROOF and self.matter:
            self.matter = False
            self.learnt = True
