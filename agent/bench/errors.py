"""Why a test is not made, or was ended."""

from __future__ import annotations

from agent.errors import LocalTrouble, UsageError

LIVE = "TAKE THE BENCH FOR LIVE: switch the source off by hand"


class BenchRefused(UsageError):
    """The test is not made: nothing was energised."""


class BenchTrouble(LocalTrouble):
    """The test was ended by an instrument or by what it measured: the source is off, and nothing is reported."""


class SourceNotOff(BenchTrouble):
    """It could not be confirmed that the source is off: a person has to make sure of it."""
