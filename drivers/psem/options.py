"""How to speak PSEM to one meter: timers, retries, identity, padding. Each is a key of `[psem]` in a profile."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds, and a count. Defaults are those of C12.18 §8."""

    inter_character_s: float = 0.5
    response_s: float = 2.0
    channel_traffic_s: float = 6.0
    turnaround_s: float = 0.001  # at least this and two character times after the peer's last byte
    retries: int = 3  # repeats after the first try
    settle_s: float = 0.05  # silence that ends damage, where the line has a speed of its own; a network needs more


C12_21_TIMING = Timing(inter_character_s=1.0, response_s=4.0, channel_traffic_s=30.0)  # what C12.21 §1 begins with


@dataclass(frozen=True, slots=True)
class PsemOptions:
    """Both roles read this; the defaults suit a meter that follows the standard."""

    timing: Timing = field(default_factory=Timing)
    identity: int = 0
    toggles: bool = True  # False: the meter does not toggle properly, so a repeated toggle is no duplicate
    password_padding: Literal["nul", "space"] = "nul"  # noqa: S105 - not a password
    user_padding: Literal["space", "nul"] = "space"
    user_id: int = 0
    user: str = ""
    negotiate: bool = True
    packet_size: int = 1024  # offered; the meter may answer less
    packets: int = 255
    bauds: tuple[int, ...] = ()  # offered besides the present one, preferred first; empty: no change of speed
    size_excludes_overhead: bool = False  # packet size as negotiated counts data only
    wake_up: bool = False  # send 55H and wait 50 ms first
    busy_retries: int = 20
    busy_wait_s: float = 1.0
    recoveries: int = 5  # sessions opened afresh without one whole answer in between, before the line is given up
    logoff: bool = True  # False: Terminate only
    # Authenticate in place of Security: where the meter gives a ticket, not at all, or nothing else will do (C12.21).
    authenticate: Literal["auto", "never", "required"] = "auto"
    key_id: int = 0
    timing_setup: bool = True  # propose other timers to a C12.21 meter where a line needs them
