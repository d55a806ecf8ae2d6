"""What a CMEP line says: records with their times as aware UTC and their numbers as `Decimal`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

Quality = Literal["", "R", "E", "A", "N"]  # validated, raw, estimated, adjusted, no value
Purpose = Literal["OK", "RESEND", "SUMMARY", "HISTORY", "PROFILE", "TEMPLATE", "REJECT"]
PURPOSES: tuple[Purpose, ...] = ("OK", "RESEND", "SUMMARY", "HISTORY", "PROFILE", "TEMPLATE", "REJECT")
LABELS = ("ON-PEAK", "OFF-PEAK", "PART-PEAK", "PEAK-2", "PEAK-3", "PEAK-4", "TOTAL")
MOST_TRIPLES = 48
MOST_PERIODS = 6


@dataclass(frozen=True, slots=True)
class Head:
    """Fields 1 to 11 of both records, without the type."""

    version: str
    sender_id: str
    sender_customer_id: str
    receiver_id: str
    receiver_customer_id: str
    made_at: datetime | None
    meter_id: str
    purpose: Purpose
    commodity: str
    units: str


@dataclass(frozen=True, slots=True)
class Point:
    """One triple: a value and the end of its interval, or the time of a register reading. `value` is None for `N`."""

    at: datetime
    quality: str
    value: Decimal | None


@dataclass(frozen=True, slots=True)
class IntervalRecord:
    """MEPMD01. `interval` is None where it is not given (registers); `constant` turns values into `units`."""

    head: Head
    constant: Decimal
    interval: timedelta | None
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class TouValue:
    """One triple of MEPMD02."""

    label: str
    quality: str
    value: Decimal | None


@dataclass(frozen=True, slots=True)
class TouRecord:
    """MEPMD02: the periods of a tariff between two times; the start may be undefined."""

    head: Head
    season: str
    constant: Decimal
    start: datetime | None
    end: datetime | None
    values: tuple[TouValue, ...]


Record = IntervalRecord | TouRecord
