"""How long to wait for the first octet of an answer: what the standard lets a meter take, and what this line adds.

A meter that follows C12.18 §8 may take the whole response time-out (2 s, C12.21: 4 s) and be in order, so that is never
cut short, however fast it was so far. What comes on top is measured: the smoothed wait and its spread, as TCP does it
(RFC 6298), a wait that ended only after a repeat counted as unsure and answered by more patience (Karn's rule).

    serial line       max(response, smoothed + 4 × spread)
    network, modem    response + smoothed + 4 × spread; until something is measured, 3 s in place of the last two
"""

from __future__ import annotations

from typing import Final

NETWORK_S: Final = 3.0  # cellular and satellite links take up to 3 s a turn (C12.21 practice)
LONGEST_S: Final = 20.0
_SMOOTHING: Final = 1 / 8
_SPREADING: Final = 1 / 4
_SPREADS: Final = 4
_LEAST_NETWORK_S: Final = 0.5  # a network that was quick so far still jitters
_MORE: Final = 1.5  # after an answer that came too late
_MOST_MORE: Final = 4.0
_REMEMBERED: Final = 2  # times the slowest answer of the last visit
_LEAST_REMEMBERED_S: Final = 1.5


class Patience:
    """The response time-out of one line. Waits go in, in seconds; it reads no clock."""

    __slots__ = ("_late", "_meter_s", "_network", "_remembered_s", "_smooth", "_spread", "slowest_s")

    def __init__(self, meter_s: float, *, network: bool, remembered_s: float = 0.0) -> None:
        """`meter_s`: what the meter itself may take; `remembered_s`: the slowest answer of the last visit or 0."""
        self._meter_s = meter_s
        self._network = network
        self._remembered_s = remembered_s
        self._smooth: float | None = None
        self._spread = 0.0
        self._late = 1.0
        self.slowest_s = 0.0

    def meter_takes(self, seconds: float) -> None:
        """Take note that this meter may take so long, because of its standard."""
        self._meter_s = max(self._meter_s, seconds)

    def meter_agreed(self, seconds: float) -> None:
        """The meter says how long it may take: no more and no less than this from now on."""
        self._meter_s = seconds

    def heard(self, waited_s: float, *, sure: bool) -> None:
        """An answer began after so long. Not `sure`: a repeat went out meanwhile, and it may be the answer to that."""
        if not sure:
            self._late = min(_MOST_MORE, self._late * _MORE)
            return
        self._late = 1.0
        self.slowest_s = max(self.slowest_s, waited_s)
        if self._smooth is None:
            self._smooth, self._spread = waited_s, waited_s / 2
            return
        self._spread += _SPREADING * (abs(waited_s - self._smooth) - self._spread)
        self._smooth += _SMOOTHING * (waited_s - self._smooth)

    @property
    def response_s(self) -> float:
        """The time-out to be used now."""
        seconds = self._meter_s + self._network_s if self._network else max(self._meter_s, self._measured_s)
        return max(self._meter_s, min(LONGEST_S, seconds * self._late))

    @property
    def _measured_s(self) -> float:
        return 0.0 if self._smooth is None else self._smooth + _SPREADS * self._spread

    @property
    def _network_s(self) -> float:
        if self._smooth is not None:
            return max(_LEAST_NETWORK_S, self._measured_s)
        if self._remembered_s:
            return max(_LEAST_REMEMBERED_S, _REMEMBERED * self._remembered_s)
        return NETWORK_S
