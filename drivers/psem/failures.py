"""When to open a session again, when to give one request up, and when the line (C12.18 §8, §9.4)."""

from __future__ import annotations

from typing import Final

from drivers.errors import LineTooBad, MeterRefused, MeterSilent, MrspError
from drivers.psem.replies import AnswerUnusable

_RELOGONS: Final = 2  # after ISSS, without one whole answer in between
_UNUSABLE: Final = 3  # answers to one request, each in a session that was opened without trouble
_LEFT_OUT: Final = "it is left out and the rest is read; a recording of the session shows what the meter says instead"


class GivenUp(MeterSilent):
    """No answer, and opening the session again cannot help."""


class Failures:
    """What failed since the last whole answer."""

    def __init__(self, recoveries: int) -> None:
        """`recoveries`: sessions that may be opened afresh without one whole answer in between."""
        self._most = recoveries
        self._sessions = 0
        self._relogons = 0

    def worked(self) -> None:
        """Something was read or done: begin to count anew."""
        self._sessions = self._relogons = 0

    def open_again(self, problem: MrspError, *, known: bool) -> None:
        """Agree to opening the session again, or raise `problem`. `known`: the meter has identified itself before.

        Noise from the very beginning is more likely a wrong speed than a bad line: one more try will do.
        """
        self._sessions += 1
        self._relogons += isinstance(problem, MeterRefused)
        if self._sessions > (self._most if known else 1) or self._relogons > _RELOGONS:
            raise problem

    def ask_again(self, problem: MrspError, tries: int) -> None:
        """Agree to one more try of a request that failed `tries` times, or raise `AnswerUnusable`.

        Called when a session is open again, so that something else was answered meanwhile. Damage is a matter of
        chance and of packet sizes, and gets more tries than silence or nonsense.
        """
        if tries >= (max(_UNUSABLE, self._most) if isinstance(problem, LineTooBad) else _UNUSABLE):
            msg = f"{problem.message}; asked in {tries} sessions, in which other requests were answered"
            raise AnswerUnusable(msg, advice=_LEFT_OUT) from problem
