"""The agent's clock: measured against references, never set; what it is good for is decided in one place.

`prove()` asks the configured sources and gives a `ClockProof`; `proof.permits(kind, read_instant(clock))` is the gate;
`proof.utc_at(clock.boottime_ns())` stamps. Offsets are the system clock minus the reference: positive when we are fast.
"""

from agent.clock.instant import Clock, Instant, read_instant
from agent.clock.measure import prove
from agent.clock.proof import ClockProof, Kind, Permit, Policy
from agent.clock.samples import NoTime, TimeSample
from agent.clock.settings import ClockSettings
from agent.clock.system import SystemClock

__all__ = [
    "Clock",
    "ClockProof",
    "ClockSettings",
    "Instant",
    "Kind",
    "NoTime",
    "Permit",
    "Policy",
    "SystemClock",
    "TimeSample",
    "prove",
    "read_instant",
]
