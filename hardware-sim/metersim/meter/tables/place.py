"""Where the entries of a list lie in its array (C12.19: ORDER and LIST_TYPE of ST26, ST63, ST74, ST76)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Arranged(Generic[T]):
    """An array of `capacity` elements, None where nothing is stored, and the element of the newest entry."""

    elements: tuple[T | None, ...]
    last: int
    valid: int


def arrange(entries: Sequence[tuple[int, T]], capacity: int, *, descending: bool, circular: bool) -> Arranged[T]:
    """Lay out the newest `capacity` of these (number, entry), given oldest first and numbered without gaps.

    Circular: an entry keeps its element until it is overwritten. FIFO: the array shifts; it begins with the oldest
    entry, or with the newest where the order is descending.
    """
    kept = entries[-capacity:] if capacity else []
    elements: list[T | None] = [None] * capacity
    last = 0
    for index, (number, entry) in enumerate(kept):
        if circular:
            last = (-number if descending else number) % capacity
        else:
            last = len(kept) - 1 - index if descending else index
        elements[last] = entry
    return Arranged(tuple(elements), last, len(kept))
