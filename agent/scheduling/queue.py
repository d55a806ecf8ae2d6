"""Reads that could begin now: the best first, and every fourth turn the one that waits longest, so that none starves.

Pure. Everything is logarithmic in the number of reads: five thousand wait here when a whole town falls due.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

FAIR_TURN = 4

T = TypeVar("T")


class Queue(Generic[T]):
    """Members, each with a rank (smaller is better) and the ticket (a unique number) that it drew when it came."""

    def __init__(self) -> None:
        self._tickets: dict[T, tuple[tuple[int, float], int]] = {}
        self._best: list[tuple[tuple[int, float], int, T]] = []
        self._oldest: list[tuple[int, T]] = []
        self._turn = 1

    def __len__(self) -> int:
        return len(self._tickets)

    def __contains__(self, member: T) -> bool:
        return member in self._tickets

    def add(self, member: T, rank: tuple[int, float], ticket: int) -> None:
        """Let `member` wait; it must not be waiting here already."""
        self._tickets[member] = rank, ticket
        heappush(self._best, (rank, ticket, member))
        heappush(self._oldest, (ticket, member))

    def discard(self, member: T) -> None:
        """Let `member` wait no longer, if it does."""
        if self._tickets.pop(member, None) is not None and len(self._oldest) > 2 * len(self._tickets) + 64:
            self._best = [(rank, ticket, one) for one, (rank, ticket) in self._tickets.items()]
            self._oldest = [(ticket, one) for one, (_rank, ticket) in self._tickets.items()]
            heapify(self._best)
            heapify(self._oldest)

    def take(self, member: T) -> None:
        """Let `member` go, whose turn it was."""
        self._turn += 1
        self.discard(member)

    def first(self) -> T | None:
        """Return whose turn it is; None if nobody waits."""
        if self._turn % FAIR_TURN == 0:
            while self._oldest and not self._waits(self._oldest[0][1], self._oldest[0][0]):
                heappop(self._oldest)
            return self._oldest[0][1] if self._oldest else None
        while self._best and not self._waits(self._best[0][2], self._best[0][1]):
            heappop(self._best)
        return self._best[0][2] if self._best else None

    def _waits(self, member: T, ticket: int) -> bool:
        known = self._tickets.get(member)
        return known is not None and known[1] == ticket
