"""`+++`: three escape characters with silence before and after them, and nothing between (S2, S12)."""

from __future__ import annotations

_WANTED = 3


class EscapeWatch:
    """Watches what the terminal sends while data flows. Seconds of the caller's clock."""

    def __init__(self, now: float) -> None:
        self._last = now  # when something came last
        self._count = 0
        self._quiet_before = False

    def sent(self, chunk: bytes, now: float, *, character: int, guard_s: float) -> None:
        """Note what came from the terminal."""
        silence = now - self._last >= guard_s
        for octet in chunk:
            if silence:
                self._count = 0
            if octet != character or character > 127:
                self._count, self._quiet_before = _WANTED + 1, False
            elif silence:
                self._count, self._quiet_before = 1, True
            else:
                self._count += 1
            silence = False
        self._last = now

    def due(self, guard_s: float) -> float | None:
        """When the modem goes back to commands, unless something comes before; None: it does not."""
        return self._last + guard_s if self._quiet_before and self._count == _WANTED else None
