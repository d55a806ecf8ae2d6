"""What lies between this box and a meter, as far as the protocol cares (C12.21 §1, §5, §7)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class LineKind(Enum):
    """How a line treats octets and time."""

    PROBE = "probe"  # a serial line of its own: evenly paced, prompt, and its speed can be negotiated
    MODEM = "modem"  # a call: error correction delivers bursts, the speed is the modems'
    NETWORK = "network"  # a serial server or cellular router: bursts, and up to seconds for a turn

    @classmethod
    def of_speed(cls, baud: int) -> LineKind:
        """Return what a line most likely is that has this speed; 0: speed means nothing to it."""
        return cls.PROBE if baud else cls.NETWORK


@dataclass(frozen=True, slots=True)
class Wiring:
    """One meter's place on its line.

    `addressed`: several meters share the line, and the identity octet chooses one: answers must carry it too. `stay`:
    leave the call up at the end, another meter on it is to be read; without it a call ends with Disconnect.
    """

    kind: LineKind = LineKind.PROBE
    addressed: bool = False
    stay: bool = False

    @property
    def hangs_up(self) -> bool:
        """Whether the meter is to be told to hang up when we leave it."""
        return self.kind is LineKind.MODEM and not self.stay
