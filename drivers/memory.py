"""What one visit may remember for the next: hints, each of them checked against the meter before it is relied on.

Values only; the agent keeps them, bounded, and loses nothing but time if they are gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class LineMemory:
    """The terms on which the last whole visit ended, after any falling back. 0 and None: not known."""

    packet_size: int = 0  # octets of a whole packet
    packets: int = 0
    baud: int = 0
    slowest_answer_s: Decimal | None = None  # the longest wait for the first octet of an answer
    negotiates: bool | None = None


@dataclass(frozen=True, slots=True)
class SetMemory:
    """The newest complete interval that was read of profile data set 1–4: the next visit overlaps it and compares."""

    data_set: int
    sequence: int  # LAST_BLOCK_SEQ_NBR (ST63) of its block
    interval_end: datetime
    counts: tuple[str | None, ...]  # of each channel, as decimal text
    configuration: str  # SHA-256 of ST61 and ST62 as read: another layout makes the pointers mean something else


@dataclass(frozen=True, slots=True)
class LogMemory:
    """The newest entry that was read of a log (`ST74`, `ST76`): the next visit overlaps it and compares."""

    table: str
    sequence: int  # LAST_ENTRY_SEQ_NBR
    octets: bytes  # of the entry


@dataclass(frozen=True, slots=True)
class MeterMemory:
    """All of it, for one meter. Of no use for any other: `meter_id` is compared first."""

    meter_id: str
    line: LineMemory = LineMemory()
    sets: tuple[SetMemory, ...] = ()
    logs: tuple[LogMemory, ...] = ()
