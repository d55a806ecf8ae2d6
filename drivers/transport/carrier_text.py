r"""`NO CARRIER` among the octets of a call, for ports without a DCD line. It looks on; no octet is taken or changed.

The words count only when they are the last that came in, as a line of their own, and nothing follows them for a while:
in the middle of a packet there is never such a silence, and a meter that lives goes on when it is acknowledged.
"""

from __future__ import annotations

import re
from typing import Final

_TAIL: Final = 64
_ENDED: Final = re.compile(rb"[\r\n]NO CARRIER\r\n?(?:[\r\n]*RING\r\n?)*\Z")  # the next caller may ring already


class CarrierText:
    """Watches the input of one call."""

    def __init__(self, quiet_s: float) -> None:
        self._quiet_s = quiet_s
        self._tail = b""
        self._since = 0.0

    @property
    def due(self) -> float | None:
        """When the carrier is to be taken for lost, unless more comes in; None while there is no sign of it."""
        return self._since + self._quiet_s if _ENDED.search(self._tail) else None

    def feed(self, chunk: bytes, now: float) -> None:
        """Take note of input."""
        self._tail = (self._tail + chunk)[-_TAIL:]
        self._since = now
