"""Look at the meter's clock alone, as sharply as the line allows, without touching what a visit has collected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Final

from drivers.c1219 import Context, decode
from drivers.c1219.clock import clock_of
from drivers.c1219.decade5 import Clock, ClockState
from drivers.c1219.times import MeterTimes
from drivers.data import ClockSample
from drivers.psem.client import PsemClient

NS: Final = 1_000_000_000
_READ_REQUEST: Final = 3  # octets of layer 7
_TABLE_REPLY: Final = 4  # beside the table
_OVERHEAD: Final = 8  # of a packet around its data
_LOOKS: Final = 3
_SHARP_S: Final = Decimal("0.25")  # of latency; above that another look may do better


@dataclass(frozen=True, slots=True)
class Look:
    """One look: the sample, and the context with the clock table as it was then."""

    sample: ClockSample
    context: Context

    @property
    def latency_s(self) -> Decimal:
        """Half of what the round trip took beyond the octets' own time on the wire."""
        sample = self.sample
        round_trip = Decimal(sample.after_ns - sample.before_ns) / NS
        return max(Decimal(0), (round_trip - sample.request_s - sample.reply_s) / 2)

    @property
    def uncertainty_s(self) -> Decimal:
        """How far an offset by this look may be wrong: half the round trip, and one step of the clock."""
        return Decimal(self.sample.after_ns - self.sample.before_ns) / NS / 2 + self.sample.resolution_s

    def error(self, utc_at: Callable[[int], datetime]) -> timedelta:
        """Return meter minus true time at the moment at which the meter looked at its clock."""
        sample = self.sample
        shift_ns = int((sample.request_s - sample.reply_s) / 2 * NS)
        return sample.meter_time - utc_at((sample.before_ns + sample.after_ns) // 2 + shift_ns)


async def look_at_clock(
    client: PsemClient, context: Context, site_zone: tzinfo | None, monotonic_ns: Callable[[], int]
) -> Look | None:
    """Return the sharpest of up to three looks; None where the clock table holds no time that can be converted.

    Reads the clock table that `context` has (ST52, else ST55). Raises `DataError`, `MeterRefused`, line errors.
    """
    number = clock_table(context)
    size = len(context.decoded(number).octets) or None  # as it came before: an answer of that size is not asked twice
    best: Look | None = None
    for _ in range(_LOOKS):
        before_ns = monotonic_ns()
        octets = await client.read_table(number, size=size)
        after_ns = monotonic_ns()
        seen = context.with_table(decode(number, octets, context))
        shown = clock_of(seen, MeterTimes.of(seen, site_zone))
        if shown is None:
            return best
        baud = client.statistics.baud
        look = Look(
            ClockSample(
                shown.utc,
                before_ns,
                after_ns,
                wire_s(_READ_REQUEST, baud),
                wire_s(_TABLE_REPLY + len(octets), baud),
                shown.resolution_s,
                shown.ambiguous,
                shown.note,
            ),
            seen,
        )
        best = look if best is None or look.uncertainty_s < best.uncertainty_s else best
        if best.latency_s <= _SHARP_S:
            break
    return best


def clock_table(context: Context) -> int:
    """Return the number of the clock table in use."""
    return Clock.number if context.find(Clock) is not None else ClockState.number


def wire_s(octets: int, baud: int) -> Decimal:
    """Return how long a packet with `octets` of data takes on the wire; 0 on a line without a speed of its own."""
    return Decimal(10 * (octets + _OVERHEAD)) / baud if baud else Decimal(0)
