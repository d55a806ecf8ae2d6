"""What can go wrong between the agent and a meter: one tree, each class with its exit status and whether to retry.

Every message says what was being done; `at()` adds to which meter; `advice` says what the operator can do next.
"""

from __future__ import annotations


def printable(text: str) -> str:
    """Return text with what a terminal obeys or hides written out, as `\\x1b`: a meter or a file may have put it in."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


class MrspError(Exception):
    """Root of every error that the agent reports to a person. `exit_code` is the status of `mrsp read`."""

    exit_code = 6
    retry = False  # may the scheduler try again by itself?

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = printable(message)
        self.advice = printable(advice)
        self.meter = ""

    def at(self, meter: str) -> MrspError:
        """Name the meter or line that this happened at (kept if already named); returns self for `raise … from`."""
        self.meter = self.meter or printable(meter)
        return self

    def __str__(self) -> str:
        where = f"{self.meter}: " if self.meter and self.meter not in self.message else ""
        return printable(f"{where}{self.message}" + (f" ({self.advice})" if self.advice else ""))


class UsageError(MrspError):
    """Wrong arguments, configuration or profile: nothing was tried."""

    exit_code = 2


class TransportError(MrspError):
    """The line could not be opened, was lost, or is silent."""

    exit_code = 3
    retry = True


class MeterSilent(TransportError, TimeoutError):
    """Nothing answered in the time that the protocol allows."""


class LineLost(TransportError):
    """The line was open and went away: unplugged probe, closed socket."""


class ProtocolError(MrspError):
    """The rules of the protocol were broken."""

    exit_code = 3


class LocalProtocolError(ProtocolError):
    """We broke the rules: a bug of ours, never retried, always reported."""


class MeterProtocolError(ProtocolError):
    """The meter (or a line too bad to tell) broke the rules."""

    retry = True


class LineTooBad(MeterProtocolError):
    """Retries are used up: bytes arrive damaged or not at all."""


class MeterRefused(MrspError):
    """The meter understood and said no. `code` is its response code."""

    exit_code = 4

    def __init__(self, message: str, *, code: int, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.code = code


class PasswordRefused(MeterRefused):
    """The meter does not take the password or key. It is not shown again by itself: many meters lock."""


class DataError(MrspError):
    """Bytes arrived whole but do not mean what the standard says: a table of the wrong size, a reserved format."""

    exit_code = 3
