"""What the link layer is told and what it tells: events, counters, and the manner of one message."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.psem.assembly import Discarded, Message, Part
from drivers.secret import Secret


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The peer has our whole message."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Retries are used up; our message is given up. `heard`: something came in since it was sent, if only noise."""

    heard: bool


@dataclass(frozen=True, slots=True)
class TrafficTimeout:
    """No valid packet came for the channel traffic time-out."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How one message is sent, where that differs from the options; `secret`: its octets must not be recorded.

    `hidden_answer`: what an answer that proves something must be, for the replay of a recording that masks it.
    """

    response_s: float | None = None
    retries: int | None = None
    secret: bool = False
    hidden_answer: Secret | None = None


PLAIN = Manner()

LinkEvent = Message | Part | Discarded | Acknowledged | Failed | TrafficTimeout


@dataclass(slots=True)
class LinkStatistics:
    """Counters since the link was made."""

    bytes_sent: int = 0
    bytes_received: int = 0
    packets_received: int = 0
    retries: int = 0
    naks_sent: int = 0
    naks_received: int = 0
    bad_packets: int = 0
    duplicates: int = 0
    echoes: int = 0
    noise: int = 0
    foreign: int | None = None  # identity octet of the last packet that was another meter's
    unchanged_toggles: int = 0  # answers whose toggle bit did not change, though they were no duplicates
