"""A route as the person sees it: each stop with what became of it, progress, search, what comes next. Pure, immutable.

All moments are aware, UTC. Nothing here reads a clock: a view is of the moment `at`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from agent.routes.codes import Code, CodeSet
from agent.routes.order import Position, RouteOrder

State = Literal["pending", "claimed", "read", "unread", "skipped"]
MethodUsed = Literal["keyed", "interrogated", "radio"]


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody added at a stop; photos by reference."""

    by: str
    at: datetime
    text: str = ""
    photos: tuple[str, ...] = ()
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """One meter of a route, and what became of it."""

    stop_id: str  # opaque, random: safe in a URL
    route_id: str
    sequence: int  # from 1, in walking order; out-of-route meters after all others
    ordered: RouteOrder
    state: State
    version: int  # goes up with each change; what is changed names the one that was seen
    method_used: MethodUsed | None = None
    by: str | None = None  # who brought it to this state (claimed: who has it)
    at: datetime | None = None  # when
    claimed_until: datetime | None = None  # also of a stop that is read, while somebody reads it again
    claimed_by: str | None = None
    reading_id: str | None = None  # the newest reading
    earlier_readings: tuple[str, ...] = ()  # reading_ids, where it was read again
    checks_failed: tuple[str, ...] = ()  # of the newest reading
    accepted_reason: str | None = None  # why it is taken although a check failed
    accepted_by: str | None = None
    codes: tuple[str, ...] = ()
    remark: str | None = None
    position: Position | None = None  # where the person was
    photos: tuple[str, ...] = ()  # references, those of the notes among them
    notes: tuple[Note, ...] = ()
    out_of_route: bool = False  # added in the field

    @property
    def settled(self) -> bool:
        """Whether there is nothing left to do: it is read, or there is a reason why not."""
        return self.state in {"read", "unread"}

    @property
    def to_decide(self) -> bool:
        """Whether somebody must read again or accept with a reason: a check failed."""
        return self.state == "read" and bool(self.checks_failed) and self.accepted_reason is None


@dataclass(frozen=True, slots=True)
class HazardWarning:
    """What a person must know before they reach a meter."""

    key: str
    code: Code


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a route is."""

    total: int
    read: int
    unread: int
    skipped: int
    left: int  # neither read nor unread: the skipped among them
    out_of_route: int
    to_decide: int
    per_hour: int | None = None  # stops settled, at the pace of the last hour of work
    deadline: datetime | None = None
    seconds_left: int | None = None  # to the deadline; negative: it has passed
    done_by: datetime | None = None  # expected at this pace
    late: bool = False  # the deadline has passed with something left
    at_risk: bool = False  # at this pace it will

    @property
    def done(self) -> int:
        return self.read + self.unread


@dataclass(frozen=True, slots=True)
class RouteSummary:
    """A route in a list."""

    route_id: str
    name: str
    day: date
    zone: str
    loaded_at: datetime
    loaded_by: str
    digest: str  # of what was loaded: another route under this route_id has another
    progress: Progress


@dataclass(frozen=True, slots=True)
class RouteView:
    """A route with all its stops, in walking order, as it was at `at`."""

    summary: RouteSummary
    codes: CodeSet
    stops: tuple[Stop, ...]
    at: datetime

    @property
    def progress(self) -> Progress:
        return self.summary.progress

    def walking(self, *, backwards: bool = False) -> tuple[Stop, ...]:
        """Return the stops in walking order, or in the reverse of it; out-of-route meters last in both."""
        ordered = [stop for stop in self.stops if not stop.out_of_route]
        added = [stop for stop in self.stops if stop.out_of_route]
        return (*(reversed(ordered) if backwards else ordered), *added)

    def search(self, text: str) -> tuple[Stop, ...]:
        """Return the stops whose address, hint or identifications contain each word of `text`, whatever the case."""
        words = text.casefold().split()
        return tuple(stop for stop in self.stops if words and all(word in _haystack(stop) for word in words))

    def next_stop(self, after: str | None = None, *, by: str | None = None, backwards: bool = False) -> Stop | None:
        """Return the next stop to go to: ahead of `after` (a stop_id) first, then those behind it that were left out.

        Skipped ones, settled ones and those that somebody else than `by` has claimed are passed over; None: none left.
        """
        walking = self.walking(backwards=backwards)
        here = next((place for place, stop in enumerate(walking, start=1) if stop.stop_id == after), 0)
        for stop in (*walking[here:], *walking[:here]):
            mine = stop.state == "claimed" and stop.claimed_by == by and stop.stop_id != after
            if stop.state == "pending" or mine:
                return stop
        return None

    def skipped(self) -> tuple[Stop, ...]:
        """Return the stops that are still to be come back to, in walking order."""
        return tuple(stop for stop in self.stops if stop.state == "skipped")

    def hazards(self, stop: Stop) -> tuple[HazardWarning, ...]:
        """Return what to warn of before `stop` is reached, most urgent first; hazards found at the stop among them."""
        found = self.codes.sorted((*stop.ordered.hazards, *stop.codes))
        return tuple(HazardWarning(key, code) for key, code in found if code.kind == "hazard")


def _haystack(stop: Stop) -> str:
    order, place = stop.ordered.order, stop.ordered.place
    texts = (
        place.address,
        place.hint,
        order.expected_meter_id,
        order.nameplate_id,
        order.order_id,
        order.site.service_delivery_point_id,
        order.site.account_id,
        order.site.customer_name,
    )
    return "\n".join(filter(None, texts)).casefold()
