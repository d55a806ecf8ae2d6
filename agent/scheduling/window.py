"""Call windows: when a meter may be called. Nothing is begun outside, nor what may not be over before the end. Pure.

The window of a day begins on that day; one whose end is not after its begin goes on into the next. On days on which the
clocks are changed a window is rather too short than too long: where its begin comes twice the second pass counts, where
its end does the first, so that at no moment in it the clock on the wall shows a time outside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from agent.scheduling.local_time import moment_of, parse_time, weekdays_text

DAY = timedelta(days=1)
FARTHEST = 15  # days that are looked ahead: any rule of days of the week comes round twice


@dataclass(frozen=True, slots=True)
class Span:
    """From `begin` up to, not including, `end`; UTC."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class CallWindow:
    """From `begin` to `end` on the clock of `zone`, on days of the week on which it begins (Monday 0)."""

    begin: time
    end: time
    days: frozenset[int]
    zone: tzinfo

    def spans(self, moment: datetime) -> Iterator[Span]:
        """Yield the windows that end after `moment`, in order, of about two weeks."""
        day = moment.astimezone(self.zone).date() - 2 * DAY
        for number in range(FARTHEST + 2):
            span = self._span(day + number * DAY)
            if span is not None and span.end > moment:
                yield span

    def room(self, moment: datetime, need: timedelta) -> Span | None:
        """Return the first stretch from `moment` on in which a call of `need` can begin and end; None in two weeks."""
        for span in self.spans(moment):
            begin = max(span.begin, moment)
            if begin + need <= span.end:
                return Span(begin, span.end)
        return None

    def words(self) -> str:
        """Say when, for a person."""
        end = "24:00" if self.begin == self.end else f"{self.end:%H:%M}"
        return f"{self.begin:%H:%M}-{end} {weekdays_text(self.days)} ({self.zone})"

    def _span(self, day: date) -> Span | None:
        if day.weekday() not in self.days:
            return None
        last = day if self.end > self.begin else day + DAY
        begin, end = moment_of(day, self.begin, self.zone, second_pass=True), moment_of(last, self.end, self.zone)
        if begin >= end:  # both in the hour that comes twice: its first pass
            begin = moment_of(day, self.begin, self.zone)
        return Span(begin, end) if begin < end else None


def parse_window(text: str, days: frozenset[int], zone: tzinfo) -> CallWindow:
    """Return `22:00-05:00` as a window. Raises `ValueError` saying what is accepted."""
    found = re.fullmatch(r"\s*([0-9:]+)\s*-\s*([0-9:]+)\s*", text)
    if not found:
        msg = f"{text!r} is not a call window; write for example 22:00-05:00"
        raise ValueError(msg)
    begin, whole = parse_time(found[1]), found[2] == "24:00"
    end = time(0) if whole else parse_time(found[2])
    if begin == end and not whole:
        msg = f"{text!r} begins and ends at the same time; write 00:00-24:00 for whole days, or leave it out"
        raise ValueError(msg)
    return CallWindow(begin, end, days, zone)
