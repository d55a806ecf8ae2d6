"""One inspection of one site: who looked at what, when, and what was found there. As a draft, and as filed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from agent.order import Order, Site, Text
from agent.routes.order import Position

SCHEMA = "mrsp.inspection/1"

Answer = Literal["ok", "found", "corrected", "not_seen", "not_applicable"]
RestAnswer = Literal["ok", "not_seen", "not_applicable"]
Party = Literal["customer", "utility", "supplier", "authority"]
Remark = Annotated[str, Meta(min_length=1, max_length=500)]  # may have line ends (LF)
Photos = Annotated[tuple[Text, ...], Meta(max_length=16)]  # references, each with its SHA-256


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a person says of one item. `found`: it is there; `corrected`: it was, and was put right at the site."""

    answer: Answer
    immediate: bool = False  # of what is found: the person calls it an immediate threat, by its nature or not
    remark: Remark | None = None
    photos: Photos = ()


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The site that is inspected: a stop of a route, a meter on record, or both."""

    stop_id: Text | None = None
    meter_id: Text | None = None
    order_id: Text | None = None
    site: Site = Site()
    hazards: tuple[Text, ...] = ()  # codes that the order has: what they say is known

    @property
    def place(self) -> str | None:
        """What an earlier inspection of the same place is known by."""
        if self.site.service_delivery_point_id is not None:
            return f"sdp {self.site.service_delivery_point_id}"
        return None if self.meter_id is None else f"id {self.meter_id}"


class Changes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one save changes; what is left out stays as it is."""

    marks: Mapping[str, Mark | None] = {}  # by the items' codes; None takes an answer back
    rest: Mapping[str, RestAnswer] = {}  # by the lists' names: for items that are not answered, after `marks`
    told: Annotated[tuple[Party, ...], Meta(max_length=4)] | UnsetType = UNSET
    remark: Remark | UnsetType | None = UNSET
    photos: Photos | UnsetType = UNSET
    position: Position | UnsetType | None = UNSET


class MadeSafe(msgspec.Struct, frozen=True):
    """That an immediate threat is gone: who says so, when, and how it was made safe."""

    by: str
    at: datetime
    remark: str


class Inspection(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An inspection, whole. `filed_at` None: a draft. Once filed it never changes; `made_safe` is kept beside it."""

    schema: str = SCHEMA
    inspection_id: str  # UUID version 7
    agent_id: str
    subject: Subject
    by: str
    started_at: datetime
    changed_at: datetime
    version: int  # goes up by one with each save
    marks: dict[str, Mark] = {}  # by the items' codes
    since: dict[str, datetime] = {}  # of each mark: when this answer was given first
    told: tuple[Party, ...] = ()  # whom the person told at the site
    remark: str | None = None  # of the whole
    photos: tuple[str, ...] = ()  # of the whole
    position: Position | None = None  # where the person was
    threat: bool = False  # an immediate threat is there: the site is not left unattended until it is made safe
    filed_at: datetime | None = None
    texts: dict[str, str] = {}  # once filed: of the items that are answered, as they were worded
    unanswered: tuple[str, ...] = ()  # once filed: codes
    anomalies: tuple[str, ...] = ()  # once filed: ids of its anomaly reports, most urgent first
    made_safe: MadeSafe | None = None


def subject_of(order: Order, stop_id: str | None = None, hazards: tuple[str, ...] = ()) -> Subject:
    """Return the site of an order."""
    meter_id = order.expected_meter_id or order.nameplate_id
    return Subject(stop_id=stop_id, meter_id=meter_id, order_id=order.order_id, site=order.site, hazards=hazards)
