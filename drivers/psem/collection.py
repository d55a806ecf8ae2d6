"""What a visit has brought home so far: octets and decoded tables, and what went wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from drivers.c1219 import Context
from drivers.data import Problem
from drivers.errors import MrspError


@dataclass(frozen=True, slots=True)
class ClockLook:
    """When the clock table was asked for and when it was in (nanoseconds), and its time on the wire (seconds)."""

    before_ns: int
    after_ns: int
    request_s: Decimal
    reply_s: Decimal


@dataclass(slots=True)
class Collection:
    """What has been brought home so far."""

    context: Context
    octets: dict[str, bytes] = field(default_factory=dict)
    blocks: dict[int, dict[int, bytes]] = field(default_factory=dict)  # data set → element → octets
    problems: list[Problem] = field(default_factory=list)
    failures: dict[str, MrspError] = field(default_factory=dict)  # by table: why it is not here
    clock: ClockLook | None = None
    profile_ns: int | None = None  # when the newest block was in
    digits: int | None = None  # that the display shows, where the profile knows the place
