"""Load profile memory: which intervals a data set holds, what happened in each, and how they lie in blocks.

Intervals are cut by the meter's clock on the standard-time grid. Everything is derived from the loads, so the sum of a
channel's pulses is the advance of the register over the same time, flagged intervals included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from typing import Literal

from metersim.meter.calendar import Calendar
from metersim.meter.clock import MICROSECONDS, MeterClock
from metersim.meter.load import Flow, Supply
from metersim.meter.quantity import Scaling
from metersim.meter.scenario import Channel, ProfileSet

MAXIMUM = {"UINT8": 0xFF, "UINT16": 0xFFFF, "UINT32": 0xFFFF_FFFF, "INT8": 0x7F, "INT16": 0x7FFF, "INT32": 0x7FFF_FFFF}


@dataclass(frozen=True, slots=True)
class Interval:
    """One interval: its end by the meter, the pulses of each channel, and what happened in it."""

    end: int
    pulses: tuple[int, ...]
    outage: bool = False
    skipped: bool = False  # nothing was recorded
    partial: bool = False
    long: bool = False
    forward: bool = False  # the clock was set
    backward: bool = False
    test: bool = False
    dst: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """One stored block. `number` counts from the first block that was ever recorded."""

    number: int
    begin: int  # meter time at which its first interval begins
    intervals: tuple[Interval, ...]

    @property
    def end(self) -> int:
        return self.intervals[-1].end


@dataclass(frozen=True)
class Counting:
    """How one channel turns pulses into the counts that it records."""

    scaling: Scaling
    channel: Channel
    maximum: int | None  # of the item; None for non-integer items
    undone: Literal["undo", "multiply", "none"] = "undo"  # quirk: what a reader does with SCALAR and DIVISOR of ST62

    @cached_property
    def _recorded(self) -> tuple[int, int]:
        """By what a pulse is multiplied and divided before it is recorded."""
        match self.undone:
            case "undo":
                return self.channel.scalar, self.channel.divisor
            case "multiply":
                return self.channel.divisor, self.channel.scalar
            case "none":
                return 1, 1

    @cached_property
    def per_pulse(self) -> Decimal:
        """Counts of one pulse."""
        scalar, divisor = self._recorded
        return self.scaling.interval_raw_per_pulse * scalar / divisor

    @cached_property
    def value_per_count(self) -> Decimal:
        """What a reader multiplies a count with."""
        scalar, divisor = self._recorded
        return self.scaling.interval_multiplier * divisor / scalar

    def count(self, pulses: int) -> Decimal | int:
        """The count that is recorded; clipped where the item overflows."""
        if self.maximum is None:
            return self.per_pulse * pulses
        return min(int(self._counts * pulses), self.maximum)

    def overflows(self, pulses: int) -> bool:
        return self.maximum is not None and self._counts * pulses > self.maximum

    @cached_property
    def _counts(self) -> Decimal | int:
        """Counts of one pulse; a whole number wherever it is one, for speed."""
        return int(self.per_pulse) if self.per_pulse == int(self.per_pulse) else self.per_pulse


@dataclass(frozen=True, slots=True)
class Happenings:
    """What besides the load marks intervals, in true microseconds or meter seconds as named."""

    supply: Supply
    missing: frozenset[int] = frozenset()  # interval numbers
    test_since_us: int | None = None
    tested: tuple[tuple[int, int], ...] = ()  # earlier times in test mode


@dataclass
class Memory:
    """One data set."""

    layout: ProfileSet
    calendar: Calendar
    flows: Mapping[str, Flow]
    countings: tuple[Counting, ...]
    happenings: Happenings
    start: int  # meter time at which the first interval ever began: a midnight, standard time
    _cache: tuple[object, list[Block]] | None = field(default=None)

    def __post_init__(self) -> None:
        self.length = self.layout.interval_min * 60

    def completed(self, at: int) -> int:
        """How many intervals have ended by this meter time."""
        return max(0, (at - self.start) // self.length)

    def happen(self, happenings: Happenings) -> None:
        """Take other happenings from now on."""
        self.happenings = happenings
        self._cache = None

    def begin_anew(self, at: int) -> None:
        """Forget every interval that has ended by this meter time; the one in progress becomes the first."""
        done = self.completed(at)
        self.start += done * self.length
        missing = frozenset(number - done for number in self.happenings.missing if number >= done)
        self.happen(replace(self.happenings, missing=missing))

    def blocks(self, at: int, clock: MeterClock) -> list[Block]:
        """The blocks in memory, oldest first; the last one may be unfilled."""
        done = self.completed(at)
        key = (done, clock)
        if self._cache is None or self._cache[0] != key:
            self._cache = key, self._build(done, clock)
        return self._cache[1]

    def newest(self, at: int) -> int:
        """Number of the newest block; -1 while there is none."""
        return (self.completed(at) - 1) // self.layout.block_intervals

    def _build(self, done: int, clock: MeterClock) -> list[Block]:
        per_block = self.layout.block_intervals
        newest = (done - 1) // per_block
        oldest = max(0, newest - self.layout.blocks + 1)
        intervals = self.intervals(oldest * per_block, done, clock)
        return [
            Block(
                number=number,
                begin=self.start + number * per_block * self.length,
                intervals=tuple(intervals[(number - oldest) * per_block : (number - oldest + 1) * per_block]),
            )
            for number in range(oldest, newest + 1)
        ]

    def intervals(self, first: int, until: int, clock: MeterClock) -> list[Interval]:
        """Intervals number `first` to `until` - 1."""
        if until <= first:
            return []
        grid = [self.start + number * self.length for number in range(first, until + 1)]
        true = clock.reaches_all([time * MICROSECONDS for time in grid])
        totals = [self.flows[counting.scaling.source.load].all_until(true) for counting in self.countings]
        return [
            self._interval(
                first + k, grid[k + 1], (true[k], true[k + 1]), tuple(t[k + 1] - t[k] for t in totals), clock
            )
            for k in range(until - first)
        ]

    def _interval(
        self, number: int, end: int, true: tuple[int, int], pulses: tuple[int, ...], clock: MeterClock
    ) -> Interval:
        begin_us, end_us = true
        off = self.happenings.supply.off_us(begin_us, end_us) if self.happenings.supply.outages else 0
        steps = [step for at, step in clock.steps if begin_us < at <= end_us]
        test_since = self.happenings.test_since_us
        return Interval(
            end=end,
            pulses=pulses,
            outage=off > 0,
            skipped=end_us == begin_us or off == end_us - begin_us or number in self.happenings.missing,
            partial=off > 0 or any(step > 0 for step in steps),
            long=any(step < 0 for step in steps),
            forward=any(step > 0 for step in steps),
            backward=any(step < 0 for step in steps),
            test=(test_since is not None and end_us > test_since)
            or any(begin_us < to and end_us > since for since, to in self.happenings.tested),
            dst=self.calendar.dst_at(end - 1),
        )


def simply_valid(interval: Interval, countings: Sequence[Counting], *, alone: bool) -> bool:
    """Simple status: the interval has a value. Where there is no other status it also tells of an overflow."""
    over = alone and any(c.overflows(pulses) for c, pulses in zip(countings, interval.pulses, strict=True))
    return not interval.skipped and not over


def nibble(interval: Interval, counting: Counting, pulses: int) -> int:
    """Extended status of one channel (C12.19 ST64): the gravest thing that happened."""
    if interval.skipped:
        return 4
    if interval.test:
        return 5
    if counting.overflows(pulses):
        return 1
    if interval.long:
        return 3
    return 2 if interval.partial else 0


def common_bits(interval: Interval) -> int:
    """Common extended status: 1 daylight saving, 2 power failure, 4 clock set forward, 8 backward."""
    return interval.dst | interval.outage << 1 | interval.forward << 2 | interval.backward << 3
