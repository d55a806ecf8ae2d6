"""What the client offers in Negotiate, less and less on a line that gets worse (C12.18 §9.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from drivers.psem.bauds import CODE_OF_BAUD
from drivers.psem.options import PsemOptions
from drivers.psem.packet import OVERHEAD
from drivers.psem.services import MOST_BAUDS, Negotiate

LADDER: Final = (1024, 512, 256, 128, 64)
SMALLEST_SIZE: Final = 32  # an answer below that makes no sense


@dataclass(frozen=True, slots=True)
class Terms:
    """What is agreed on: octets of a whole packet, packets of a message, bits per second (0: the line has no speed)."""

    packet_size: int
    packets: int
    baud: int


class Offer:
    """What to ask for, until something is agreed."""

    def __init__(self, options: PsemOptions) -> None:
        self.size = options.packet_size  # octets of a whole packet
        self._packets = options.packets
        self._bauds = options.bauds
        self._overhead = OVERHEAD if options.size_excludes_overhead else 0

    def requests(self, baud: int) -> list[Negotiate]:
        """Return what to try one after the other on a line that runs at `baud`.

        Without a wish for another speed none is named; a meter that refuses that is told the present one.
        """
        present = (CODE_OF_BAUD[baud],) if baud in CODE_OF_BAUD else ()
        wanted = tuple(CODE_OF_BAUD[wish] for wish in self._bauds if wish in CODE_OF_BAUD)
        offers: list[tuple[int, ...]] = [(), present] if present else [()]
        if wanted and present:
            offers = [tuple(dict.fromkeys(wanted + present))[:MOST_BAUDS], ()]
        return [Negotiate(self.size - self._overhead, self._packets, codes) for codes in offers]

    def go_easier(self, size: int | None) -> None:
        """After a failure: no other speed any more, and packets one step smaller than `size` if it is given."""
        self._bauds = ()
        if size is not None:
            most = min(self.size, size)
            self.size = next((step for step in LADDER if step < most), LADDER[-1])
