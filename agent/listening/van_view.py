"""What a person in the van is shown: each planned meter, how many are heard, where the van is. Values, pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from agent.listening.board import Key, Standing
from agent.listening.plan import Message, PlannedMeter, key_of
from drivers.data import Position

State = Literal["unheard", "unreachable", "unconfirmed", "confirmed", "delivered"]
Show = Literal["unheard", "heard", "unreachable", "all"]
EARTH_M = 6_371_008.8  # mean radius
_POINTS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A person gave a meter up for the cycle that began at `cycle`. Times are UTC."""

    message: Message
    meter_id: str
    cycle: datetime
    at: datetime
    by: str

    @property
    def key(self) -> Key:
        return self.message, key_of(self.meter_id)


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a meter is, WGS 84 degrees. `surveyed`: the plan says so; else where the van heard it best."""

    latitude: Decimal
    longitude: Decimal
    surveyed: bool


@dataclass(frozen=True, slots=True)
class VanMeter:
    """One planned meter in this cycle. A later picture of it has a higher `version`."""

    planned: PlannedMeter
    number: int  # its place in the plan, from 1
    version: int
    standing: Standing = "unheard"
    heard: int = 0  # receptions
    heard_at: datetime | None = None  # the newest; None of a meter that was delivered before a restart, too
    rssi_db: Decimal | None = None  # of the best reception
    snr_db: Decimal | None = None
    spot: Spot | None = None
    suspicious: bool = False  # several senders claim to be it, or it sends more than a meter does
    mark: Mark | None = None

    @property
    def key(self) -> Key:
        return self.planned.key

    @property
    def state(self) -> State:
        """How far it is; a meter that is heard after all is not unreachable."""
        if self.mark is not None and self.standing in {"unheard", "unconfirmed"}:
            return "unreachable"
        return self.standing

    def shows(self, show: Show) -> bool:
        """Whether it belongs into a list."""
        if show == "heard":
            return self.state in {"unconfirmed", "confirmed", "delivered"}
        return show in {"all", self.state}

    def has(self, words: list[str]) -> bool:
        """Whether each word, case folded, is in what a person knows the meter by."""
        planned = self.planned
        text = f"{planned.meter_id} {planned.place or ''} {planned.service_delivery_point_id or ''}".casefold()
        return all(word in text for word in words)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many planned meters are how far, and what else is on the air."""

    total: int = 0
    unheard: int = 0
    unreachable: int = 0
    unconfirmed: int = 0
    confirmed: int = 0
    delivered: int = 0
    receptions: int = 0
    foreign: int = 0  # meters that are not in the plan
    foreign_beyond: bool = False  # more than that

    @property
    def heard(self) -> int:
        return self.unconfirmed + self.confirmed + self.delivered

    def of(self, show: Show) -> int:
        """Return how long a list is."""
        return {"unheard": self.unheard, "heard": self.heard, "unreachable": self.unreachable, "all": self.total}[show]


@dataclass(frozen=True, slots=True)
class EarView:
    """One receiver. `trouble`: why it does not listen, in words; empty while it does."""

    name: str
    cycle: datetime | None = None  # when the cycle began, UTC
    trouble: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True)
class VanView:
    """All of it at one moment; the meters are asked for by themselves.

    `epoch`: another one means another list of meters. `position`: of the van; None without a fresh fix.
    """

    epoch: str
    version: int
    at: datetime | None  # UTC as the box knows it; None before anything listens
    counts: Counts
    ears: tuple[EarView, ...]
    position: Position | None


@dataclass(frozen=True, slots=True)
class VanChange:
    """What is new since the picture before: the meters that changed, as they are now, and the rest as it is."""

    view: VanView
    version: int  # up to which `meters` go
    meters: tuple[VanMeter, ...]


def away(van: Position, spot: Spot) -> tuple[int, str]:
    """Return how far off a place is, in metres along the great circle, and in which direction of the compass."""
    here_lat, here_lon = math.radians(van.latitude), math.radians(van.longitude)
    there_lat, there_lon = math.radians(spot.latitude), math.radians(spot.longitude)
    east = there_lon - here_lon
    chord = (
        math.sin((there_lat - here_lat) / 2) ** 2 + math.cos(here_lat) * math.cos(there_lat) * math.sin(east / 2) ** 2
    )
    metres = 2 * EARTH_M * math.asin(math.sqrt(min(1.0, chord)))
    bearing = math.atan2(
        math.sin(east) * math.cos(there_lat),
        math.cos(here_lat) * math.sin(there_lat) - math.sin(here_lat) * math.cos(there_lat) * math.cos(east),
    )
    return round(metres), _POINTS[round(math.degrees(bearing) / 45) % 8]
