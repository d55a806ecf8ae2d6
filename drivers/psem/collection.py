"""What a visit has brought home so far: octets and decoded tables, and what went wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal

from drivers.c1219 import Context, Decoded
from drivers.c1219.clock import clock_of
from drivers.c1219.times import MeterTimes
from drivers.data import Problem
from drivers.errors import MrspError
from drivers.memory import LogMemory, MeterMemory


@dataclass(frozen=True, slots=True)
class ClockLook:
    """When the clock table was asked for and when it was in (nanoseconds), and its time on the wire (seconds)."""

    before_ns: int
    after_ns: int
    request_s: Decimal
    reply_s: Decimal


@dataclass(frozen=True, slots=True)
class News:
    """Of lists that grow only what is newer is wanted: than `since`, and than what `memory` says was read before."""

    since: datetime
    memory: MeterMemory | None = None  # None also where it is that of another meter
    site_zone: tzinfo | None = None


@dataclass(frozen=True, slots=True)
class SetRead:
    """What the blocks of one data set were read by: ST63 as it was then, and when the newest of them was in."""

    status: Decoded
    at_ns: int | None


@dataclass(slots=True)
class Collection:
    """What has been brought home so far.

    Blocks that were read in part have 00 in place of the octets that were not; `taken` says how many of their newest
    intervals are there, and `first_end` which interval is the first to report: those before it were for comparing.
    A meter goes on storing: ST63 as another set saw it may be a later one than the blocks of this set are of.
    """

    context: Context
    octets: dict[str, bytes] = field(default_factory=dict)  # of tables that were read whole
    blocks: dict[int, dict[int, bytes]] = field(default_factory=dict)  # data set → element → octets
    taken: dict[int, dict[int, int]] = field(default_factory=dict)  # data set → element → intervals
    first_end: dict[int, datetime] = field(default_factory=dict)  # data set → end of the first interval
    newest_entries: dict[str, LogMemory] = field(default_factory=dict)  # log → its newest entry
    complete: set[str] = field(default_factory=set)  # profile sets and logs of which everything wanted is here
    problems: list[Problem] = field(default_factory=list)
    failures: dict[str, MrspError] = field(default_factory=dict)  # by table: why it is not here
    clock: ClockLook | None = None
    profile: dict[int, SetRead] = field(default_factory=dict)  # by data set
    digits: int | None = None  # that the display shows, where the profile knows the place
    news: News | None = None

    def of_set(self, data_set: int) -> Context:
        """Return the tables with ST63 as it was when the blocks of this data set were read."""
        read = self.profile.get(data_set)
        return self.context if read is None else self.context.with_table(read.status)

    def meter_time(self, times: MeterTimes, at_ns: int | None) -> datetime | None:
        """Return what the meter's clock showed at a moment of the monotonic clock; None if it was not read."""
        shown = clock_of(self.context, times)
        if self.clock is None or shown is None or at_ns is None:
            return None
        return shown.utc + timedelta(microseconds=(at_ns - self.clock.after_ns) // 1000)
