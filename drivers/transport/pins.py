"""The two control lines of a port that matter to a modem: DTR, which hangs up, and DCD, which follows the carrier."""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class Carrier(Enum):
    """What DCD says."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"  # the port has no such line, or cannot read it


class Pins(Protocol):
    """DTR and DCD of one port. Both raise `drivers.errors.LineLost` once the port is gone."""

    async def set_dtr(self, on: bool) -> None:
        """Raise or lower DTR."""
        ...

    async def carrier(self) -> Carrier:
        """Return what DCD says now."""
        ...
