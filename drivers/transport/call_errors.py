"""Why a call did not come about or ended, and what that means for the next one: each cause is a class of its own.

`wait_s` is the least time before the same number is called again (60 s and more: rules for automatic redials), `about`
is what failed: the number (another line would fare no better), or the line or modem (another may be tried at once).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from drivers.errors import LineLost, TransportError

CallFailure = Literal[
    "busy",
    "no-answer",
    "no-carrier",
    "no-dial-tone",
    "ringing",
    "delayed",
    "barred",
    "carrier-lost",
    "too-long",
    "modem-refused",
    "modem-silent",
    "not-on-hook",
]
About = Literal["number", "line", "modem"]


class CallError(TransportError):
    """A call failed. `kind`, `wait_s` and `about` tell a plan of retries what to do; `retry` whether at all."""

    kind: ClassVar[CallFailure]
    about: ClassVar[About] = "number"
    wait_s: int = 300

    def __init__(self, message: str, *, advice: str = "", wait_s: int | None = None) -> None:
        super().__init__(message, advice=advice)
        if wait_s is not None:
            self.wait_s = wait_s


class LineBusy(CallError):
    """BUSY: the number is engaged."""

    kind = "busy"
    wait_s = 120


class NoAnswer(CallError):
    """NO ANSWER: it rang, and nothing picked up."""

    kind = "no-answer"
    wait_s = 900


class NoCarrier(CallError):
    """NO CARRIER: no modem answered in time, or the two could not agree."""

    kind = "no-carrier"
    wait_s = 300


class NoDialTone(CallError):
    """NO DIALTONE: the line is dead, unplugged, or in use by another telephone."""

    kind = "no-dial-tone"
    about = "line"
    wait_s = 600


class LineRinging(CallError):
    """Somebody is calling on the line that was to be used; it is left to them."""

    kind = "ringing"
    about = "line"
    wait_s = 60


class CallDelayed(CallError):
    """DELAYED: the modem's own redial guard wants more time between calls to one number."""

    kind = "delayed"
    wait_s = 300


class CallBarred(CallError):
    """BLACKLISTED: the modem's own redial guard blocks the number, after too many failures."""

    kind = "barred"
    wait_s = 7200


class CarrierLost(CallError, LineLost):
    """The call was up and the carrier went away: the far end hung up, or the line was cut."""

    kind = "carrier-lost"
    wait_s = 60


class CallTooLong(CallError, LineLost):
    """The call reached its upper limit and was ended by us."""

    kind = "too-long"
    wait_s = 300


class ModemRefused(CallError):
    """ERROR: the modem does not know a command of its settings. Trying again does not help."""

    kind = "modem-refused"
    about = "modem"
    retry = False
    wait_s = 0


class ModemSilent(CallError, TimeoutError):
    """The modem does not answer at all, or never came to a result."""

    kind = "modem-silent"
    about = "modem"
    wait_s = 60


class NotOnHook(CallError):
    """The modem did not confirm that it hung up: the call may go on, and cost. Somebody must look."""

    kind = "not-on-hook"
    about = "modem"
    wait_s = 60
