"""The van: which planned meters are heard, how well, where they are, and which were given up.

Meters are named in the body, by message and number: a number is a customer's, and part of no URL.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated

from msgspec import Meta
from starlette.requests import Request

from agent.console.api.bodies import there
from agent.console.api.endpoint import Endpoint, Given, Taken
from agent.console.api.routes import Limit, Offset
from agent.console.api.shapes import shaped
from agent.console.problem import Moment
from agent.console.request import person_of, world_of
from agent.listening.plan import Message
from agent.listening.van import Van
from agent.listening.van_view import Show, State, VanMeter, VanView, away
from drivers.data import Position

MOST_HITS = 50

MeterId = Annotated[str, Meta(min_length=1, max_length=64)]


class CountsNow(Given, frozen=True):
    """How many planned meters are how far; `foreign`: meters on the air that are in no plan."""

    total: int
    unheard: int
    heard: int
    unreachable: int
    unconfirmed: int
    confirmed: int
    delivered: int
    receptions: int
    foreign: int
    foreign_beyond: bool


class EarNow(Given, frozen=True):
    """One receiver. `trouble`: why it does not listen; empty while it does."""

    name: str
    cycle: Moment | None
    trouble: str
    advice: str


class FixNow(Given, frozen=True):
    """Where the van is, WGS 84 degrees."""

    latitude: Decimal
    longitude: Decimal
    at: Moment
    hdop: Decimal | None


class VanNow(Given, frozen=True):
    """All of it at one moment, without the meters. Another `epoch` means another list of meters."""

    epoch: str
    version: int
    at: Moment | None
    counts: CountsNow
    ears: tuple[EarNow, ...]
    position: FixNow | None


class SpotNow(Given, frozen=True):
    """Where a meter is. `surveyed`: the plan says so; else where the van heard it best."""

    latitude: Decimal
    longitude: Decimal
    surveyed: bool


class MeterNow(Given, frozen=True):
    """One planned meter in this cycle. A later picture of it has a higher `version`. `metres`, `bearing`: off the van.

    `suspicious`: several senders claim to be it, or it sends more than a meter does.
    """

    message: Message
    meter_id: str
    place: str | None
    service_delivery_point_id: str | None
    number: int
    version: int
    state: State
    heard: int
    heard_at: Moment | None
    rssi_db: Decimal | None
    snr_db: Decimal | None
    spot: SpotNow | None
    metres: int | None
    bearing: str | None
    suspicious: bool
    given_up_by: str | None
    given_up_at: Moment | None


class MetersPart(Given, frozen=True):
    """A part of a list of meters, from `offset` on; `total`: of the whole list."""

    total: int
    offset: int
    meters: tuple[MeterNow, ...]


class MetersAsked(Taken, frozen=True):
    """Which list of meters, and which part of it. `nearest`: those that are near the van first, else in plan order."""

    show: Show = "unheard"
    nearest: bool = True
    offset: Offset = 0
    limit: Limit = 100


class MeterSought(Taken, frozen=True):
    """Words that a meter has in its number, place or delivery point: each of them, whatever the case."""

    text: Annotated[str, Meta(min_length=1, max_length=200)]
    show: Show = "all"


class MeterNamed(Taken, frozen=True):
    """One planned meter."""

    message: Message
    meter_id: MeterId


async def show_van(request: Request) -> VanNow:
    """Return how many meters are heard, which receivers listen, and where the van is."""
    return van_now((await _van(request)).view())


async def list_meters(request: Request, query: MetersAsked) -> MetersPart:
    """Return a part of a list of meters."""
    van = await _van(request)
    found = van.meters(query.show, nearest=query.nearest)
    shown = found[query.offset : query.offset + query.limit]
    return MetersPart(total=len(found), offset=query.offset, meters=meters_now(shown, van.position))


async def search_meters(request: Request, body: MeterSought) -> MetersPart:
    """Return the first meters that have each word of a text."""
    van = await _van(request)
    found = van.meters(body.show, text=body.text)
    return MetersPart(total=len(found), offset=0, meters=meters_now(found[:MOST_HITS], van.position))


async def give_up_meter(request: Request, body: MeterNamed) -> MeterNow:
    """Mark a meter as unreachable for this cycle. 409 for one that was heard meanwhile."""
    van, person = await _van(request), person_of(request)
    row = await van.give_up(body.message, body.meter_id, person.name)
    await world_of(request).access.did(person, "gave up", "van meter", body.meter_id)
    return meters_now((row,), van.position)[0]


async def take_back_meter(request: Request, body: MeterNamed) -> MeterNow:
    """Undo that a meter was marked as unreachable."""
    van, person = await _van(request), person_of(request)
    row = await van.take_back(body.message, body.meter_id)
    await world_of(request).access.did(person, "took back", "van meter", body.meter_id)
    return meters_now((row,), van.position)[0]


def van_now(view: VanView) -> VanNow:
    """Return the picture without the meters."""
    return shaped(VanNow, view)


def meters_now(rows: Sequence[VanMeter], position: Position | None) -> tuple[MeterNow, ...]:
    """Return meters as they are seen from the van."""
    return tuple(_meter(row, position) for row in rows)


def _meter(row: VanMeter, position: Position | None) -> MeterNow:
    planned, mark = row.planned, row.mark
    metres, bearing = (None, None) if position is None or row.spot is None else away(position, row.spot)
    return shaped(
        MeterNow,
        row,
        message=planned.message,
        meter_id=planned.meter_id,
        place=planned.place,
        service_delivery_point_id=planned.service_delivery_point_id,
        metres=metres,
        bearing=bearing,
        given_up_by=None if mark is None else mark.by,
        given_up_at=None if mark is None else mark.at,
    )


async def _van(request: Request) -> Van:
    """Return the van, and set down that it was shown."""
    van = there(world_of(request).van)
    await world_of(request).access.saw(person_of(request), "van")
    return van


ENDPOINTS = (
    Endpoint(method="GET", path="/van", function=show_van, tag="van", background=True),
    Endpoint(method="GET", path="/van/meters", function=list_meters, tag="van", background=True),
    Endpoint(method="POST", path="/van/search", function=search_meters, tag="van"),
    Endpoint(method="POST", path="/van/unreachable", function=give_up_meter, tag="van"),
    Endpoint(method="POST", path="/van/reachable", function=take_back_meter, tag="van"),
)
