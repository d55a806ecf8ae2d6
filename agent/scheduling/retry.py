"""How long to wait after a failure before a meter is tried again. Pure.

What fails on the line is often over soon, so the first waits are short; after the plan's waits it goes on at the last
of them until the deadline. A call that failed says itself how long its number is to be left alone (BUSY shorter, NO
ANSWER longer); that grows threefold with each failure. A share of chance keeps meters that failed together apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol

LINE_WAITS_S = (30.0, 120.0, 600.0, 1_800.0)  # a line that is silent, lost or bad
BOX_WAITS_S = (60.0, 300.0, 900.0, 3_600.0)  # its clock is not proven yet, its disk is full: not the meter's fault
CALL_FACTOR = 3
CALL_MOST_S = 7_200.0
ELSEWHERE_S = 2.0  # where another line of the bank can be tried at once
JITTER = 0.25  # of the wait, on top

About = Literal["number", "line", "modem", "meter", "box"]


class Dice(Protocol):
    """Where chance comes from; `random.Random` is one."""

    def random(self) -> float:
        """Return a number from 0 up to, not including, 1."""
        ...


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt brought no reading, or none that is whole."""

    reason: str  # one word, of the ledger
    detail: str  # for a person
    retry: bool
    about: About = "meter"
    wait_s: float | None = None  # at least, before the same number is called again


def wait_after(failure: Failure, attempts: int, dice: Dice, *, other_lines: bool = False) -> timedelta:
    """Return the wait after the `attempts`-th failure. `other_lines`: the bank has more than the one that failed."""
    if failure.about in {"line", "modem"} and other_lines:
        wait_s = ELSEWHERE_S
    elif failure.wait_s is not None:
        grown = failure.wait_s * CALL_FACTOR ** min(attempts - 1, 10)
        wait_s = max(min(grown, CALL_MOST_S), failure.wait_s)
    else:
        waits = BOX_WAITS_S if failure.about == "box" else LINE_WAITS_S
        wait_s = waits[min(attempts, len(waits)) - 1]
    return timedelta(seconds=round(wait_s * (1 + JITTER * dice.random()), 3))
