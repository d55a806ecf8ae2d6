"""What programs are sent of routes and stops. Each shape names what it has: nothing else of the agent gets out.

What earlier readings showed is in none of them, nor in the order: who is to read a meter is not told what to expect.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, TypeVar

import msgspec

from agent.console.api.endpoint import Given
from agent.console.at_stop import AtStop
from agent.console.dials import faces_of
from agent.console.problem import Moment
from agent.console.walk import Row, Walk, title_of
from agent.order import Purpose
from agent.routes.codes import Code, Signal
from agent.routes.order import Method, Place, Position
from agent.routes.view import MethodUsed, State, Stop

ShapeT = TypeVar("ShapeT", bound=msgspec.Struct)


def shaped(shape: type[ShapeT], source: object, **more: Any) -> ShapeT:
    """Return the fields of `shape`: those in `more`, and of `source` all others."""
    given = {name: more[name] if name in more else getattr(source, name) for name in shape.__struct_fields__}
    return msgspec.convert(given, shape, from_attributes=True)


class HazardNow(Given, frozen=True):
    """What a person is warned of before they reach the meter; `signals`: how, so that it is noticed."""

    key: str
    text: str
    advice: str
    urgent: bool
    signals: tuple[Signal, ...]


class ProgressNow(Given, frozen=True):
    """How far a route is. `late`: the deadline has passed with something left; `at_risk`: at this pace it will."""

    total: int
    read: int
    unread: int
    skipped: int
    left: int
    out_of_route: int
    to_decide: int
    per_hour: int | None
    deadline: Moment | None
    seconds_left: int | None
    done_by: Moment | None
    late: bool
    at_risk: bool


class StopRow(Given, frozen=True):
    """One stop in a list. `title`: what a person knows it by. `claimed_by`: who is there now."""

    stop_id: str
    sequence: int
    title: str
    position: Position | None
    method: Method
    hazards: tuple[HazardNow, ...]
    state: State
    version: int
    method_used: MethodUsed | None
    by: str | None
    at: Moment | None
    claimed_by: str | None
    claimed_until: Moment | None
    to_decide: bool
    out_of_route: bool


class RouteRow(Given, frozen=True):
    """One route in a list."""

    route_id: str
    name: str
    day: date
    zone: str
    loaded_at: Moment
    loaded_by: str
    progress: ProgressNow


class Lists(Given, frozen=True):
    """How many stops are in each list. `decide`: a check failed, and nobody has accepted it."""

    open: int
    skipped: int
    decide: int
    all: int


class RouteNow(RouteRow, frozen=True):
    """One route at one moment, for the person who asks: `next` is the stop to go to from where they were last."""

    at: Moment
    lists: Lists
    next: StopRow | None
    codes: dict[str, Code]


class RegisterAsked(Given, frozen=True):
    """A value to be typed at a visual read. `dials` None: it is not known how many digits the display has."""

    number: int
    name: str
    quantity: str
    direction: str
    tier: int
    period: str
    dials: int | None
    decimals: int
    signed: bool


class NoteNow(Given, frozen=True):
    """What somebody added at a stop."""

    by: str
    at: Moment
    text: str
    photos: tuple[str, ...]
    position: Position | None


class StopNow(Given, frozen=True):
    """One stop at one moment: what was ordered, what became of it, and who is there.

    `expected_meter_id` is on record: it is to be read off the meter, not off the screen. `version` goes back with a
    change. `hazards_confirmed`: this person knows of all of them. `job_id`: a read of it that goes on, by `reader`.
    """

    stop_id: str
    route_id: str
    sequence: int
    title: str
    out_of_route: bool
    order_id: str | None
    purpose: Purpose
    expected_meter_id: str | None
    nameplate_id: str | None
    service_delivery_point_id: str | None
    account_id: str | None
    customer_name: str | None
    method: Method
    place: Place
    access: str | None
    ordered_notes: str | None
    hazards: tuple[HazardNow, ...]
    hazards_confirmed: bool
    registers: tuple[RegisterAsked, ...]
    state: State
    version: int
    by: str | None
    at: Moment | None
    claimed_by: str | None
    claimed_until: Moment | None
    job_id: str | None
    reader: str | None
    method_used: MethodUsed | None
    reading_id: str | None
    earlier_readings: tuple[str, ...]
    checks_failed: tuple[str, ...]
    to_decide: bool
    accepted_reason: str | None
    accepted_by: str | None
    codes: tuple[str, ...]
    remark: str | None
    position: Position | None
    photos: tuple[str, ...]
    notes: tuple[NoteNow, ...]


class StopPage(Given, frozen=True):
    """A part of a list of stops, from `offset` on; `total`: of the whole list."""

    total: int
    offset: int
    stops: tuple[StopRow, ...]


def rows_of(walk: Walk, stops: Sequence[Stop]) -> tuple[StopRow, ...]:
    """Return stops for a list."""
    return tuple(map(_row, walk.rows(stops)))


def route_now(walk: Walk) -> RouteNow:
    """Return a route as one person walks it."""
    view, following = walk.view, walk.next
    counts = Lists(**{str(show): count for show, count in walk.counts().items()})
    return shaped(
        RouteNow,
        view.summary,
        at=view.at,
        lists=counts,
        next=None if following is None else _row(following),
        codes=view.codes.codes,
    )


def stop_now(at: AtStop) -> StopNow:
    """Return a stop as one person finds it."""
    stop, order = at.stop, at.stop.ordered.order
    return shaped(
        StopNow,
        stop,
        title=title_of(stop),
        order_id=order.order_id,
        purpose=order.purpose,
        expected_meter_id=order.expected_meter_id,
        nameplate_id=order.nameplate_id,
        service_delivery_point_id=order.site.service_delivery_point_id,
        account_id=order.site.account_id,
        customer_name=order.site.customer_name,
        method=stop.ordered.method,
        place=stop.ordered.place,
        access=stop.ordered.access,
        ordered_notes=stop.ordered.notes,
        hazards=at.hazards,
        hazards_confirmed=at.warned,
        registers=_registers(stop),
        job_id=at.job_id or None,
        reader=at.reader or None,
    )


def _row(row: Row) -> StopRow:
    stop = row.stop
    ordered = stop.ordered
    return shaped(
        StopRow, stop, title=row.title, position=ordered.place.position, method=ordered.method, hazards=row.hazards
    )


def _registers(stop: Stop) -> tuple[RegisterAsked, ...]:
    return tuple(
        shaped(
            RegisterAsked,
            face.register,
            number=face.number,
            dials=face.dials,
            decimals=face.decimals,
            signed=face.signed,
        )
        for face in faces_of(stop.ordered)
    )
