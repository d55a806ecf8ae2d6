"""A route as a person walks it: the stops that are listed, the next one, and what of each is shown in a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from agent.routes.view import HazardWarning, Progress, RouteView, Stop

Show = Literal["open", "skipped", "decide", "all"]
SHOWS: tuple[Show, ...] = get_args(Show)
ROWS = 40  # of one page
MOST_HITS = 50

_ICONS = {"vicious_dog": "dog", "dog_kept": "dog", "dog": "dog", "life_support": "heart", "locked": "lock"}
URGENT = 1  # the priority of a hazard that is said in the strongest way


@dataclass(frozen=True, slots=True)
class Hazard:
    """A hazard as it is shown."""

    key: str
    text: str
    advice: str
    urgent: bool
    icon: str
    signals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One stop in a list. `taken_by`: somebody else, who is there now; `here`: the person who looks at the list is."""

    stop: Stop
    title: str
    hazards: tuple[Hazard, ...]
    taken_by: str = ""
    here: bool = False


@dataclass(frozen=True)
class Walk:
    """One route for one person at one moment."""

    view: RouteView
    by: str
    backwards: bool = False

    @property
    def progress(self) -> Progress:
        return self.view.progress

    @property
    def next(self) -> Row | None:
        """The stop to go to now, seen from where this person was last."""
        mine = [(stop.at, stop.stop_id) for stop in self.view.stops if stop.by == self.by and _left(stop)]
        after = max(mine)[1] if mine else None
        found = self.view.next_stop(after, by=self.by, backwards=self.backwards)
        return None if found is None else self.row(found)

    @property
    def time_left(self) -> timedelta | None:
        """The time to the deadline, or since it."""
        seconds = self.progress.seconds_left
        return None if seconds is None else timedelta(seconds=abs(seconds))

    def after(self, stop: Stop) -> Row | None:
        """Return the stop to go to from this one."""
        found = self.view.next_stop(stop.stop_id, by=self.by, backwards=self.backwards)
        return None if found is None or found.stop_id == stop.stop_id else self.row(found)

    def listed(self, show: Show) -> tuple[Stop, ...]:
        """Return the stops of one list, in the order in which they are walked."""
        stops = self.view.walking(backwards=self.backwards)
        if show == "open":
            return tuple(stop for stop in stops if not stop.settled)
        if show == "skipped":
            return tuple(stop for stop in stops if stop.state == "skipped")
        if show == "decide":
            return tuple(stop for stop in stops if stop.to_decide)
        return stops

    def counts(self) -> dict[Show, int]:
        """Return how long each list is."""
        return {show: len(self.listed(show)) for show in SHOWS}

    def rows(self, stops: Sequence[Stop]) -> tuple[Row, ...]:
        return tuple(map(self.row, stops))

    def row(self, stop: Stop) -> Row:
        """Return one stop for a list."""
        holder = stop.claimed_by or ""
        here = stop.stop_id == self._here
        return Row(stop, title_of(stop), self.hazards(stop), "" if holder == self.by else holder, here)

    @cached_property
    def _here(self) -> str | None:
        """The stop that this person came to last: who came to several has gone on from the others."""
        mine = [(stop.claimed_until, stop.stop_id) for stop in self.view.stops if stop.claimed_by == self.by]
        return max(((until, stop_id) for until, stop_id in mine if until is not None), default=(None, None))[1]

    def hazards(self, stop: Stop) -> tuple[Hazard, ...]:
        """Return what to warn of, most urgent first."""
        return tuple(map(_hazard, self.view.hazards(stop)))

    def local(self, at: datetime) -> str:
        """Return a time of the route's day as a clock there shows it; with the date if that is another."""
        there = at.astimezone(ZoneInfo(self.view.summary.zone))
        return f"{there:%H:%M}" if there.date() == self.view.summary.day else f"{there:%Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page of a list; pages count from 1."""

    rows: tuple[Row, ...]
    number: int
    of: int
    show: Show


def sheet(walk: Walk, show: Show, number: int) -> Sheet:
    """Return one page of a list; the nearest for a number that there is none of."""
    stops = walk.listed(show)
    of = max(1, -(-len(stops) // ROWS))
    number = min(max(number, 1), of)
    return Sheet(walk.rows(stops[(number - 1) * ROWS : number * ROWS]), number, of, show)


def title_of(stop: Stop) -> str:
    """Return what a person knows a stop by. The meter's number stands for it only where there is nothing else:
    it is to be read off the meter, not off the screen.
    """
    place, order = stop.ordered.place, stop.ordered.order
    return place.address or place.hint or order.expected_meter_id or order.nameplate_id or f"{stop.sequence}"


def _left(stop: Stop) -> bool:
    """Whether whoever brought the stop to its state has gone on from it."""
    return stop.at is not None and (stop.settled or stop.state == "skipped")


def _hazard(warning: HazardWarning) -> Hazard:
    code = warning.code
    urgent = code.priority <= URGENT
    icon = _ICONS.get(warning.key, "danger" if urgent else "warning")
    return Hazard(warning.key, code.text, code.advice or "", urgent, icon, tuple(code.signals))
