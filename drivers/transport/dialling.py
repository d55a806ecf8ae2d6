"""What to dial and how: telephone numbers as a modem takes them, checked, and the terms of one call."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from drivers.errors import UsageError

MAX_NUMBER: Final = 60  # many modems take 40 to 60 characters on one command line, and drop the rest in silence
DEFAULT_WAIT_S: Final = 60  # meters that answer after four to eight rings of 6 s
DEFAULT_SETTLE_MS: Final = 1_000  # meter modems may still be shaking hands for about a second
DEFAULT_MAX_CALL_S: Final = 1_800

_IGNORED: Final = " -()./"
_DIALLED: Final = re.compile(r"\+?[0-9A-D*#,W@!]+", re.ASCII)
_PAUSE_S: Final = {",": 2.0, "W": 10.0, "@": 15.0, "!": 0.5}  # S8; how long a dial tone or five seconds of silence take
_DIGIT_S: Final = {"tone": 0.2, "pulse": 1.6}  # S11 twice; a pulse-dialled 0 with the pause after it

Dialling = Literal["tone", "pulse"]


@dataclass(frozen=True, slots=True)
class Call:
    """One call to be made: `number` as given; the rest has defaults that suit meters."""

    number: str
    tone: Dialling = "tone"
    wait_s: int = DEFAULT_WAIT_S  # for the carrier of the far modem, counted from the end of dialling (S7)
    settle_ms: int = DEFAULT_SETTLE_MS  # after CONNECT; what comes in meanwhile is dropped
    max_call_s: int = DEFAULT_MAX_CALL_S  # then the call is ended, whatever it was doing
    init: tuple[str, ...] = ()  # commands that this call needs besides the modem's own, e.g. to force V.22bis

    def __post_init__(self) -> None:
        dial_string(self.number)

    @property
    def digits(self) -> str:
        """The number as it is sent to the modem."""
        return dial_string(self.number)

    @property
    def dialling_s(self) -> float:
        """How long sending the digits may take, pauses included."""
        return sum(_PAUSE_S.get(sign, _DIGIT_S[self.tone]) for sign in self.digits)


def dial_string(number: str) -> str:
    """Return `number` without the separators that people write; raise `UsageError` for what a modem must not be sent.

    Allowed: digits, A–D, `*`, `#`, a leading `+`, `,` (pause), `W` (dial tone), `@` (silence) and `!` (flash).
    """
    digits = "".join(sign for sign in number.upper() if sign not in _IGNORED)
    if not _DIALLED.fullmatch(digits) or not any(sign.isdigit() for sign in digits) or len(digits) > MAX_NUMBER:
        advice = "use digits * # , W @ ! (spaces, hyphens, dots, slashes and brackets are ignored)"
        if ";" in number:
            advice = "';' would leave the line off the hook in command state; " + advice
        raise UsageError(f"{number!r} is not a telephone number of at most {MAX_NUMBER} signs", advice=advice)
    return digits
