"""When a receiver that failed is started again, and when that is given up. Pure: moments go in, in seconds."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How much is put up with. A run that went well for `well_s` begins the waits anew."""

    most_an_hour: int = 30  # failures; with waits of up to a minute that is half an hour of them
    most_at_start: int = 30  # failures before it ever worked
    well_s: float = 60.0
    silence_s: float = 10.0  # without a sign of life, which is due every second: it is dead


class Supervision:
    """Counts the failures of one receiver."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._failures: deque[float] = deque()
        self._in_a_row = 0
        self._worked = False

    def failed(self, now_s: float, *, ran_s: float, worked: bool) -> float | None:
        """Note that a run ended at `now_s` after `ran_s`; return how long to wait, None to give up.

        `worked`: it received samples.
        """
        self._worked |= worked
        if worked and ran_s >= self._patience.well_s:
            self._in_a_row = 0
        self._failures.append(now_s)
        while self._failures and now_s - self._failures[0] >= HOUR_S:
            self._failures.popleft()
        self._in_a_row += 1
        most = self._patience.most_an_hour if self._worked else self._patience.most_at_start
        if len(self._failures) >= most:
            return None
        return float(min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(self._in_a_row - 1, 10)))

    @property
    def failures(self) -> int:
        """How often it failed within the last hour."""
        return len(self._failures)
