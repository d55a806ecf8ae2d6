"""When a meter's modem answers, and after how many rings: an answer window, the same on all its days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from typing import Final

from drivers.errors import UsageError

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class AnswerWindow:
    """From `begin` to `end` on `days` by the meter's clock, over midnight if `end` is not later. 0 rings: never."""

    begin: time = time(0)
    end: time = time(0)
    days: frozenset[int] = frozenset(range(7))  # Monday is 0
    rings_inside: int = 1
    rings_outside: int = 8

    def rings(self, at: datetime) -> int:
        """Return after how many rings a call at `at`, a time of the meter's, is answered; 0: never."""
        return self.rings_inside if self._inside(at) else self.rings_outside

    def _inside(self, at: datetime) -> bool:
        now = at.time()
        if self.begin < self.end:
            return at.weekday() in self.days and self.begin <= now < self.end
        yesterday = (at.weekday() - 1) % 7
        return (at.weekday() in self.days and now >= self.begin) or (yesterday in self.days and now < self.end)


def parse_window(text: str) -> AnswerWindow:
    """Return the window of `02:00-04:30[,mon-fri][,1][,8]`: times, days, rings inside and outside.

    Raises `UsageError`.
    """
    try:
        times, *rest = text.lower().split(",")
        begin, end = (time.fromisoformat(part) for part in times.split("-"))
        days = frozenset(range(7))
        if rest and not rest[0].isdigit():
            first, _, last = rest.pop(0).partition("-")
            start, stop = DAYS.index(first), DAYS.index(last or first)
            days = frozenset((start + count) % 7 for count in range((stop - start) % 7 + 1))
        inside, outside = (*map(int, rest), *(1, 8)[len(rest) :])
    except ValueError as error:
        advice = "write it as 02:00-04:30,mon-fri,1,8: times, days, rings inside and outside"
        raise UsageError(f"{text!r} is no answer window", advice=advice) from error
    return AnswerWindow(begin, end, days, inside, outside)
