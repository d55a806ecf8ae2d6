"""Writes to a meter: what is about to be sent, and where it is set down before and after. Reading needs none of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol

# "unknown": the octets left, and no answer came back that says what the meter made of them.
WriteOutcome = Literal["done", "refused", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class MeterWrite:
    """One write, as it is about to leave."""

    url: str
    meter_id: str  # "" before the meter has said it
    what: str  # "SP10 set date and time"
    table: str  # "ST07"
    octets: bytes  # without any password
    summary: str  # in words: parameters, and why


class Journal(Protocol):
    """Where every write is set down. A write that cannot be set down is not sent."""

    def before(self, write: MeterWrite) -> None:
        """Set down durably that `write` is about to be sent. Whatever this raises keeps it from being sent."""
        ...

    def after(self, write: MeterWrite, outcome: WriteOutcome, detail: str) -> None:
        """Set down what became of it."""
        ...


@dataclass(frozen=True, slots=True)
class ClockOrder:
    """The order's leave to correct the meter's clock during a visit."""

    utc_at: Callable[[int], datetime]  # proven UTC at a reading of `Task.monotonic_ns`
    journal: Journal
    over_s: Decimal  # a smaller error is left alone
    most_s: Decimal  # a larger one is not corrected: a person has to look
