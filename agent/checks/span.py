"""The intervals of a channel between two reads: their sum, and how the reads lie between the boundaries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from agent.checks.channels import Channel
from drivers.data import IntervalBlock

#: Intervals that must be estimated: what they hold is not the usage of the whole interval.
INCOMPLETE = frozenset({"missing", "skipped", "partial", "overflow", "test_mode", "parity_error"})
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Span:
    """Intervals that end after the start and up to the stop, in the unit of the channel."""

    total: Fraction  # of all that have a value
    good_total: Fraction
    good: int
    expected: int  # by the meter's own boundaries
    first: Fraction | None  # usage of the oldest good interval
    last: Fraction | None  # usage of the newest
    elapsed_before: Fraction  # part of the interval that had gone by at the start
    elapsed_after: Fraction  # part of the next interval that had gone by at the stop

    @property
    def complete(self) -> bool:
        """Tell whether every expected interval is there and good."""
        return self.good >= self.expected


def span_of(channel: Channel, start: datetime, stop: datetime) -> Span | None:
    """Return the intervals of a channel of one length between two times; None if none was due. Each counts once.

    Boundaries are those of the newest block. A read at a boundary belongs to the interval that it ends.
    """
    newest = channel.blocks[-1]
    length = timedelta(seconds=newest.interval_s)
    boundary = newest.first_interval_end
    due_at_start, due_at_stop = (start - boundary) // length, (stop - boundary) // length
    expected = due_at_stop - due_at_start
    if expected <= 0:
        return None
    counted = _Counted()
    ended = start
    for block in channel.blocks:
        first = max(0, (ended - block.first_interval_end) // length + 1)
        behind = min(len(block.counts), (stop - block.first_interval_end) // length + 1)
        if first < behind:
            counted.take(block, first, behind)
            ended = block.first_interval_end + (behind - 1) * length
    return Span(
        total=counted.value(newest, counted.total, counted.valued),
        good_total=counted.value(newest, counted.good_total, counted.good),
        good=counted.good,
        expected=expected,
        first=None if counted.first is None else counted.value(newest, counted.first, 1),
        last=None if counted.last is None else counted.value(newest, counted.last, 1),
        elapsed_before=Fraction((start - boundary - due_at_start * length) // _INSTANT, length // _INSTANT),
        elapsed_after=Fraction((stop - boundary - due_at_stop * length) // _INSTANT, length // _INSTANT),
    )


class _Counted:
    """Sums of counts, as recorded."""

    def __init__(self) -> None:
        self.total: Decimal | int = 0
        self.good_total: Decimal | int = 0
        self.valued = 0
        self.good = 0
        self.first: Decimal | int | None = None
        self.last: Decimal | int | None = None

    def take(self, block: IntervalBlock, first: int, behind: int) -> None:
        """Count the intervals of a block from `first` to before `behind`."""
        counts, status = block.counts[first:behind], block.status[first:behind]
        valued = [count for count in counts if count is not None]
        good = valued
        if any(status):
            good = [
                count
                for count, words in zip(counts, status, strict=False)
                if count is not None and INCOMPLETE.isdisjoint(words)
            ]
        self.total += sum(valued)
        self.valued += len(valued)
        if good:
            self.good_total += sum(good)
            self.good += len(good)
            self.first = good[0] if self.first is None else self.first
            self.last = good[-1]

    def value(self, block: IntervalBlock, counts: Decimal | int, number: int) -> Fraction:
        """Return what so many counts of so many intervals are in the unit of the channel."""
        value = Fraction(counts) * Fraction(block.multiplier)
        return value + number * Fraction(block.offset) if block.offset else value
