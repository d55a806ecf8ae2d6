"""Which offset do the sources agree on? Pure.

After Marzullo: every sample is an interval that holds the true offset unless its source lies. A point that more than
half of the samples allow may be the truth; one that fewer allow cannot be, unless most of them lie. The answer is the
smallest interval around all such points, not around the points that the most agree on: a liar that overlaps the honest
ones at their edge could pull us to that edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from agent.clock.samples import TimeSample


@dataclass(frozen=True, slots=True)
class Agreement:
    """What more than half of the samples allow: holds the true offset if more than half of the sources are right."""

    low_s: Decimal
    high_s: Decimal
    agreeing: tuple[TimeSample, ...]
    falsetickers: tuple[TimeSample, ...]


def intersect(samples: Sequence[TimeSample]) -> Agreement | None:
    """Intersect the samples' intervals; None if no offset is allowed by more than half of them (or there are none)."""
    needed = len(samples) // 2 + 1
    regions: list[tuple[Decimal, Decimal]] = []
    depth = 0
    begin = Decimal(0)
    # At the same point intervals open (-1) before others close (+1): touching is agreeing.
    edges = sorted([(s.low_s, -1) for s in samples] + [(s.high_s, 1) for s in samples])
    for at, edge in edges:
        depth -= edge
        if edge < 0 and depth == needed:
            begin = at
        elif edge > 0 and depth == needed - 1:
            regions.append((begin, at))
    if not regions:
        return None
    agreeing = tuple(s for s in samples if any(s.low_s <= high and s.high_s >= low for low, high in regions))
    falsetickers = tuple(s for s in samples if s not in agreeing)
    return Agreement(regions[0][0], regions[-1][1], agreeing, falsetickers)
