"""Telephone numbers: one call at a time, a pause between two, and so many a day, as countries ask of machines. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

DAY = timedelta(days=1)


@dataclass(slots=True)
class Number:
    """One number. `calls`: when those of the last 24 hours began, oldest first."""

    calls: list[datetime] = field(default_factory=list)
    rests_until: datetime | None = None
    engaged: bool = False  # by a call of ours


class Numbers:
    """All numbers of one box. `gap` lies between the end of a call and the next; `most` calls begin in 24 hours."""

    def __init__(self, gap: timedelta, most: int) -> None:
        self._gap = gap
        self._most = most
        self._known: dict[str, Number] = {}

    def allow(self, gap: timedelta, most: int) -> None:
        """Go on by other limits; the calls that were made still count."""
        self._gap, self._most = gap, most

    def restore(self, number: str, calls: Iterable[datetime], now: datetime) -> None:
        """Take over calls that began before this program did; what is known here already goes before.

        When the last of them ended nobody knows any more, so the pause begins now.
        """
        if number not in self._known:
            self._known[number] = Number(sorted(calls), now + self._gap)

    def rebase(self, now: datetime) -> None:
        """Begin anew where the time was not known: all calls count as made now."""
        for known in self._known.values():
            known.calls = [now] * len(known.calls)
            known.rests_until = now + self._gap

    def calls(self, number: str) -> tuple[datetime, ...]:
        """Return when the calls of the last 24 hours began."""
        known = self._known.get(number)
        return tuple(known.calls) if known is not None else ()

    def engaged(self, number: str) -> bool:
        """Tell whether a call of ours is on it."""
        known = self._known.get(number)
        return known is not None and known.engaged

    def free_at(self, number: str, now: datetime) -> datetime:
        """Return from when on it may be called, as things stand; `now` or earlier if at once."""
        known = self._known.get(number)
        if known is None:
            return now
        known.calls = [call for call in known.calls if now - DAY < call <= now]
        used_up = known.calls[-self._most] + DAY if len(known.calls) >= self._most else now
        rests = known.rests_until
        return max(used_up, rests if rests is not None and rests <= now + DAY else now)

    def used_up(self, number: str) -> bool:
        """Tell whether no more calls are left for now."""
        known = self._known.get(number)
        return known is not None and len(known.calls) >= self._most

    def begin(self, number: str, now: datetime) -> None:
        """A call begins."""
        known = self._known.setdefault(number, Number())
        known.engaged = True
        known.calls.append(now)

    def end(self, number: str, now: datetime, *, called: bool) -> None:
        """It is over. `called` False: the number was never reached out to, for the line or modem failed."""
        known = self._known[number]
        known.engaged = False
        if not called:
            known.calls.pop()
            return
        known.rests_until = now + self._gap
