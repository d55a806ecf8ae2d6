"""How far the meter's clock is off, and how well that is known. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal

from agent.clock.proof import ClockProof
from drivers.data import ClockSample

MILLISECOND = Decimal("0.001")
NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class MeterOffset:
    """Seconds, to the millisecond; `offset_s` is meter minus true time."""

    offset_s: Decimal
    latency_s: Decimal  # half the round trip
    uncertainty_s: Decimal | None  # None without a reference for the agent's own clock


def meter_offset(sample: ClockSample, proof: ClockProof) -> MeterOffset:
    """Compare one look at the meter's clock with the agent's proven time.

    The meter looks at its clock after it has the request and before it sends the reply: the middle of the round trip,
    moved by half of what request and reply take on the wire at this baud rate. The uncertainty adds half the round
    trip, the agent's own, and one step of a clock that shows whole seconds (or minutes).
    """
    round_trip_s = Decimal(sample.after_ns - sample.before_ns) / NS
    middle_ns = (sample.before_ns + sample.after_ns) // 2
    shift_ns = int((sample.request_s - sample.reply_s) / 2 * NS)
    true_time = proof.utc_at(middle_ns + shift_ns)
    offset = _seconds(sample.meter_time - true_time)
    latency = (round_trip_s / 2).quantize(MILLISECOND, ROUND_CEILING)
    own = proof.uncertainty_at(middle_ns)
    return MeterOffset(
        offset_s=offset.quantize(MILLISECOND, ROUND_HALF_EVEN),
        latency_s=latency,
        uncertainty_s=None
        if own is None
        else (latency + own + sample.resolution_s).quantize(MILLISECOND, ROUND_CEILING),
    )


def _seconds(duration: timedelta) -> Decimal:
    """Return a duration in seconds, exactly."""
    return Decimal(duration // timedelta(microseconds=1)) / 1_000_000
