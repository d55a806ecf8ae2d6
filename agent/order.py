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

    service_delivery_point_id: Text | None = None  # SDP, passed on unchanged
    account_id: Text | None = None  # passed on unchanged
    customer_name: Text | None = None  # passed on unchanged, and in no log
    customer_id: Text | None = None  # passed on unchanged
    energy_supplier_id: Text | None = None  # passed on unchanged
    first_cycle_until: date | None = None  # last day of the account's first billing cycle: service figures leave it out
    zone: Text | None = None  # IANA name, e.g. "America/Los_Angeles", where the meter does not say


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One visit to one meter. Absent records (`expected_meter_id`, `dials` …) make their checks `skipped`."""

    url: Text  # where the meter is: see the table of URLs
    order_id: Text | None = None  # passed on unchanged
    purpose: Purpose = "cycle"  # of the read, passed on; final reads are stricter in some rule sets
    requested_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None  # of a read out of the cycle
    expected_meter_id: Text | None = None  # internal, electronic identification on record
    nameplate_id: Text | None = None  # what the person at the meter read off the nameplate
    profile: Text | None = None  # its family by name; else it is recognised or read by the standard
    dials: Annotated[int, msgspec.Meta(ge=1, le=18)] | None = None  # digits of the register on record
    decimals: Annotated[int, msgspec.Meta(ge=0, le=9)] | None = None  # digits after the point on record
    last_read_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None  # time of the last good read
    registers_only: bool = False  # no load profile, no logs
    whole_profile: bool = False  # all stored intervals and log entries, not only those after the last good read
    set_clock: bool = False  # leave to correct the meter's clock, if it is off
    cumulative_without_clock: bool = False  # take cumulative registers if the clock proof forbids the rest
    clock_check: bool = True  # False on a bench only; recorded in the document
    user_id: Annotated[int, msgspec.Meta(ge=0, le=65_535)] | None = None  # C12.18 Logon, where the family names none
    user: Annotated[str, msgspec.Meta(max_length=10)] | None = None  # C12.18 Logon, up to 10 characters
    password_file: Text | None = None  # one line or 40 hexadecimal digits, 0600; or `credential:NAME`
    rule_set: Text = "ubp-2000"  # by which the reading is judged: `mrsp rules list`
    site: Site = Site()
    history: History | None = None  # for the checks that compare: previous registers, periods, what is usual here
