"""Problems as a person can read them: of a great many of one table the first, and how many more there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from drivers.data import Problem

#: Of one table that are told one by one. A log of thousands of impossible dates is one trouble, not thousands.
MOST = 24


def condensed(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return the problems in their order; beyond `MOST` of one table they are counted, lost data and remarks apart."""
    seen: Counter[tuple[str, bool]] = Counter()
    kept: list[Problem] = []
    for problem in problems:
        kind = (problem.what.partition(" ")[0], problem.lost)
        seen[kind] += 1
        if seen[kind] <= MOST:
            kept.append(problem)
    more = ((what, count - MOST, lost) for (what, lost), count in seen.items() if count > MOST)
    return (*kept, *(Problem(what, f"and {count} more like these", lost=lost) for what, count, lost in more))
