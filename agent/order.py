"""A work order: what to read, where, for whom, and what is on record about the meter. Immutable, validated on load."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec

from agent.history import History

Purpose = Literal["cycle", "off_cycle", "final", "special", "bench"]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where the meter serves; opaque identifiers, passed on unchanged."""

    service_delivery_point_id: Text | None = None
    account_id: Text | None = None
    customer_name: Text | None = None
    customer_id: Text | None = None
    energy_supplier_id: Text | None = None
    first_cycle_until: date | None = None  # last day of the account's first billing cycle: service figures leave it out
    zone: Text | None = None  # IANA name, e.g. "America/Los_Angeles", where the meter does not say


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One visit to one meter. Absent records (`expected_meter_id`, `dials` …) make their checks `skipped`."""

    url: Text
    order_id: Text | None = None
    purpose: Purpose = "cycle"
    requested_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None  # of a read out of the cycle
    expected_meter_id: Text | None = None  # internal, electronic identification on record
    nameplate_id: Text | None = None  # what the person at the meter read off the nameplate
    profile: Text | None = None
    dials: Annotated[int, msgspec.Meta(ge=1, le=18)] | None = None
    decimals: Annotated[int, msgspec.Meta(ge=0, le=9)] | None = None
    last_read_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None  # time of the last good read
    registers_only: bool = False
    whole_profile: bool = False  # all stored intervals and log entries, not only those after the last good read
    set_clock: bool = False  # leave to correct the meter's clock, if it is off
    cumulative_without_clock: bool = False  # take cumulative registers if the clock proof forbids the rest
    clock_check: bool = True  # False on a bench only; recorded in the document
    user_id: Annotated[int, msgspec.Meta(ge=0, le=65_535)] | None = None
    user: Annotated[str, msgspec.Meta(max_length=10)] | None = None
    password_file: Text | None = None
    rule_set: Text = "ubp-2000"
    site: Site = Site()
    history: History | None = None  # for the checks that compare: previous registers, periods, what is usual here
