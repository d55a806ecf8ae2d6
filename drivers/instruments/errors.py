"""What can go wrong with an instrument. Each error names the instrument, what was sent to it and what came back."""

from __future__ import annotations

from drivers.errors import MrspError


class InstrumentError(MrspError):
    """An instrument did not do, or did not answer, what the bench needs. Whether its output is on is not known."""

    exit_code = 3


class InstrumentSilent(InstrumentError, TimeoutError):
    """No answer, or only a part of one, in the time of the profile; the connection was closed for it."""

    retry = True


class InstrumentLost(InstrumentError):
    """The connection could not be opened, or it was lost."""

    retry = True


class BadAnswer(InstrumentError):
    """An answer that is not what the profile says: no number, another unit, too long, no text."""


class Overrange(BadAnswer):
    """The instrument says that it cannot measure this: infinite (9.9E37) or not a number (9.91E37)."""


class WrongInstrument(InstrumentError):
    """What answers at this address is not the kind of instrument that the profile is for. Nothing was set."""

    exit_code = 2


class OutOfRange(InstrumentError):
    """A setting that the instrument cannot have. Nothing was sent."""

    exit_code = 2


class InstrumentRefused(InstrumentError):
    """The instrument put an error into its queue. `codes` are the SCPI numbers, the oldest first."""

    exit_code = 4

    def __init__(self, message: str, *, codes: tuple[int, ...], advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.codes = codes


class OutputStillOn(InstrumentError):
    """The source was told to go off and says that it is on, or does not say: the bench must be taken for live."""


class OutputNotOn(InstrumentError):
    """The source was told to go on and says that it is off: interlock, protection or lockout."""
