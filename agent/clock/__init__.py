"""The agent's clock: measured against references, never set; what it is good for is decided in one place.

`prove()` asks the configured sources and gives a `ClockProof`; a `ProofKeeper` also remembers it, for when none
answers. `proof.permits(kind, read_instant(clock))` is the gate; `proof.utc_at(clock.boottime_ns())` stamps. What is
stamped while nobody knows the time (`read_boot_stamp`) is told by a later proof of the same boot (`resolve`). Offsets
are the system clock minus the reference: positive when we are fast.
"""

from agent.clock.boot import BootStamp, read_boot_stamp
from agent.clock.instant import Clock, Instant, read_instant
from agent.clock.keeper import ProofKeeper
from agent.clock.measure import prove
from agent.clock.proof import ClockProof, Kind, Permit, Policy
from agent.clock.repair import resolve
from agent.clock.samples import NoTime, TimeSample
from agent.clock.settings import ClockSettings
from agent.clock.system import SystemClock

__all__ = [
    "BootStamp",
    "Clock",
    "ClockProof",
    "ClockSettings",
    "Instant",
    "Kind",
    "NoTime",
    "Permit",
    "Policy",
    "ProofKeeper",
    "SystemClock",
    "TimeSample",
    "prove",
    "read_boot_stamp",
    "read_instant",
    "resolve",
]
