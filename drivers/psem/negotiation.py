"""What the client offers in Negotiate: the most that worked last time, less on a line that gets worse, and more again
on one that gets better (C12.18 §9.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from drivers.memory import LineMemory
from drivers.psem.adaptive import Shape, best_shape, remembered_size, sizes_from
from drivers.psem.bauds import BAUD_OF_CODE, CODE_OF_BAUD
from drivers.psem.options import PsemOptions
from drivers.psem.packet import DEFAULT_SIZE, OVERHEAD
from drivers.psem.services import MOST_BAUDS, Negotiate

SMALLEST_SIZE: Final = 32  # an answer below that makes no sense
_SLOWEST: Final = 1200  # a line that needs less is no line
_MODEST_SIZE: Final = 256
_MODEST_PACKETS: Final = 32
_HOPELESS: Final = 0.01  # damages per octet at which even the smallest packets hardly get through
_RISK_S: Final = 60.0  # a meter that is lost at another speed costs 20 s, and most that failed once fail again
_STANDING: Final = 16_000  # octets that a size which failed is left alone for, doubled with each failure


@dataclass(frozen=True, slots=True)
class Terms:
    """What is agreed on: octets of a whole packet, packets of a message, bits per second (0: the line has no speed)."""

    packet_size: int
    packets: int
    baud: int


class Offer:
    """What to ask for. Speeds and sizes that failed are left alone for a while."""

    def __init__(
        self, options: PsemOptions, remembered: LineMemory, *, base_baud: int, fastest: int = 0, far: bool = False
    ) -> None:
        """`fastest`: the speed that the probe is known to carry; it is offered even if the options name none.

        `far`: a call or a network. No speed is ever named there (C12.21 §1), unless the far end is known to follow.
        """
        self.size = remembered_size(remembered, options.packet_size)  # octets of a whole packet
        self._packets = options.packets
        self._sizes = sizes_from(options.packet_size)
        self._base_baud = base_baud
        self._far = far
        self._fixed = far and not fastest
        self._faster = () if self._fixed else _faster(options.bauds, base_baud, fastest)
        self._wanted = self._faster  # speeds to ask for now, preferred first
        if remembered.baud and self._faster:  # what failed last time is tried again when it would save much
            self._wanted = tuple(baud for baud in self._faster if baud <= remembered.baud)
        self._overhead = OVERHEAD if options.size_excludes_overhead else 0
        self._failed: dict[int, int] = {}  # size → how often it failed
        self._not_before: dict[int, int] = {}  # size → octets received until which it is left alone
        self._given_up: list[int] = []
        self._most = options.packet_size  # that the meter has ever agreed to

    def requests(self, baud: int) -> list[Negotiate]:
        """Return what to try one after the other on a line that runs at `baud`.

        Without a wish for another speed none is named; a meter that refuses that is told the present one, and at last
        asked for little.
        """
        present = (CODE_OF_BAUD[baud],) if baud in CODE_OF_BAUD and not self._fixed else ()
        wanted = tuple(CODE_OF_BAUD[wish] for wish in self._wanted if wish in CODE_OF_BAUD)
        offers: list[tuple[int, ...]] = [(), present] if present else [()]
        if wanted and present:
            offers = [tuple(dict.fromkeys(wanted + present))[:MOST_BAUDS], ()]
        asked = [Negotiate(self.size - self._overhead, self._packets, codes) for codes in offers]
        modest = Negotiate(min(self.size, _MODEST_SIZE) - self._overhead, min(self._packets, _MODEST_PACKETS))
        return asked if modest in asked else [*asked, modest]

    def agreed(self, terms: Terms) -> None:
        """The meter answered: larger packets than these need not be asked for again."""
        if terms.packet_size < self.size:
            self._most = min(self._most, terms.packet_size)

    # -- a line that fails

    def line_failed(self, terms: Terms, rate: float, received: int) -> None:
        """After octets came in that were of no use: smaller packets, at least one step; at the end a lower speed."""
        used = terms.packet_size
        if used > self._sizes[-1]:
            self._failed[used] = failed = self._failed.get(used, 0) + 1
            self._not_before[used] = received + _STANDING * 2**failed
        elif not self._fixed and (terms.baud > self._base_baud or (self.size <= used and rate > _HOPELESS)):
            self._slow_down(terms.baud)
        smaller = [size for size in self._sizes if size < used] or [size for size in self._sizes if size <= self.size]
        self.size = min(self.size, self._best(rate, smaller, terms).size)

    def speed_failed(self, baud: int, *, ever_worked: bool) -> None:
        """After silence at a speed that was agreed on: do without it, and without any other if not one octet came."""
        if baud > self._base_baud:
            self._give_up(baud if ever_worked else 0)
        if baud != self._base_baud:
            self._wanted = self._faster

    def _slow_down(self, baud: int) -> None:
        if baud > self._base_baud:
            self._give_up(baud)
            self._wanted = self._faster
        elif baud > _SLOWEST:  # below what every session starts with: the last resort
            self._wanted = (max(speed for speed in BAUD_OF_CODE.values() if speed < baud),)

    def _give_up(self, above: int) -> None:
        """Keep only speeds below `above`."""
        self._given_up += [speed for speed in self._faster if speed >= above]
        self._faster = tuple(speed for speed in self._faster if speed < above)

    def remarks(self) -> list[str]:
        """Say which speeds did not work."""
        return [f"{speed} baud did not work and was given up" for speed in self._given_up]

    # -- a line that could do better

    def best(self, terms: Terms, rate: float, received: int) -> Shape:
        """Return the best shape that could be had now by negotiating again."""
        sizes = [size for size in self._sizes if size <= self._most and self._not_before.get(size, 0) <= received]
        return self._best(rate, sizes or [DEFAULT_SIZE], terms)

    def _best(self, rate: float, sizes: list[int], terms: Terms) -> Shape:
        return best_shape(rate, sizes, packets=self._packets, baud=terms.baud, far=self._far)

    def faster(self, baud: int, shape: Shape, octets: int) -> bool:
        """Whether a speed that was given up before this visit should be tried again to read so many octets."""
        if self._fixed or not baud or self._wanted == self._faster:
            return False
        gain_s = max((octets * shape.octet_s * (1 - baud / speed) for speed in self._faster if speed > baud), default=0)
        return gain_s > _RISK_S

    def ask_for(self, size: int, *, faster: bool = False) -> None:
        """Offer packets of `size` next, and with `faster` all speeds that have not failed."""
        self.size = size
        if faster:
            self._wanted = self._faster


def _faster(bauds: tuple[int, ...], base: int, fastest: int) -> tuple[int, ...]:
    """Return the speeds to offer besides the present one: the profile's, else all that the probe is known to carry."""
    wanted = bauds or tuple(sorted((baud for baud in CODE_OF_BAUD if base < baud <= fastest), reverse=True))
    return tuple(baud for baud in wanted if not fastest or baud <= fastest)
