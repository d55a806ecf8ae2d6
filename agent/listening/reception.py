"""What every technology of one-way telemetry comes down to: receptions, and an ear that gives them.

An ear knows its receiver and its messages; plan, confirmation and delivery know only what stands here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from agent.clock.boot import BootStamp
from agent.listening.plan import Message, PlannedMeter
from drivers.data import MeterData
from drivers.memory import MeterMemory


@dataclass(frozen=True, slots=True)
class Reception:
    """One message of one meter, as it was heard."""

    message: Message
    meter_id: str  # as the message has it, without leading zeros
    count: Decimal  # what the register stands at, exact, before any multiplier
    at: BootStamp  # when it was heard, by this box
    moment_ns: int  # the same on the source's own time line: spacing and order are judged by it (a file runs faster)
    line: bytes  # what the receiver printed, without its line feed: the evidence
    wrap: Decimal | None = None  # the count starts again at 0 here by its width in the message; None: it does not
    step: Decimal = Decimal(1)  # the finest difference between two counts
    rssi_db: Decimal | None = None
    snr_db: Decimal | None = None
    content: object = None  # the decoded message, for the ear that made it


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that is no reception. `reason` is one of a small fixed set: refusals are counted by it."""

    reason: str
    line: bytes = b""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Receptions of one planned meter that agree with each other, oldest first, and what they come to."""

    planned: PlannedMeter
    newest: Reception
    receptions: tuple[Reception, ...]  # bounded: the first, the best and the newest ones; `newest` is the last of them
    heard_utc: datetime  # of `newest`; `utc_of` gives that of any other
    memory: MeterMemory | None = None  # what the delivery before left, None without one

    def utc_of(self, reception: Reception) -> datetime:
        """Return when a reception was heard, by its distance from the newest."""
        return self.heard_utc - timedelta(microseconds=(self.newest.moment_ns - reception.moment_ns) // 1_000)


class Ear(Protocol):
    """A receiver with its decoder, or a recording of one."""

    name: str  # for messages and recordings, e.g. "rtl_433 -d 0"

    def receptions(self) -> AsyncGenerator[Reception | Refused, None]:
        """Yield what is heard, in order, until a recording ends; for ever from a receiver, restarted as it takes.

        Raises `UsageError` where it can never start (program, file or key is missing), `TransportError` when the
        receiver fails again and again. Closing the generator, or cancelling who waits for it, ends the receiver.
        """
        ...

    def data(self, confirmed: Confirmed) -> MeterData:
        """Return what the receptions say of the meter: `authenticated=False`, `method`, registers, blocks, `memory`.

        Values are multiplied as the plan says. `heard` and the recording are filled in by who delivers. Pure.
        """
        ...


def best_of(receptions: Sequence[Reception]) -> Reception:
    """Return the reception that came in best: by its distance from the noise, else by its strength."""
    return max(receptions, key=lambda one: (_known(one.snr_db), _known(one.rssi_db)))


def _known(decibel: Decimal | None) -> Decimal:
    return Decimal("-Infinity") if decibel is None else decibel
