"""Many interval messages of one meter put together: contiguous blocks, each interval as all messages tell it. Pure.

A message carries the newest intervals (47 of an IDM, 27 of a NetIDM), numbered modulo 256. How often the numbers went
round between two messages is told by the time between them: the end of the newest interval moves by whole intervals. A
message that does not fit into that (the meter began to count anew) starts a series of its own, as does one that was
heard so late that intervals between are lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from drivers.ert.message import INTERVAL_S, WIDTH, ErtMessage, Profile

NUMBERS = 256
OFFSETS_A_SECOND = 16
#: What two messages may disagree by on when an interval ended: blocks of samples, queues, and the meter's own crystal.
ASTRAY_S = 60
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class HeardMessage:
    """An interval message, and when it was heard."""

    message: ErtMessage
    at: datetime

    @property
    def ended_at(self) -> datetime:
        """When its newest interval ended, by this message."""
        offset = self.profile.offset * 1_000_000 // OFFSETS_A_SECOND
        return self.at - timedelta(microseconds=offset)

    @property
    def profile(self) -> Profile:
        if self.message.profile is None:
            raise ValueError("the message has no intervals")
        return self.message.profile


@dataclass(frozen=True, slots=True)
class Interval:
    """One interval. `count` is None where the messages contradict each other."""

    count: int | None
    outage: bool = False
    saturated: bool = False  # the count is the largest that fits: it may have been larger


@dataclass(frozen=True, slots=True)
class Before:
    """The newest interval that was delivered before: its number, when it ended, and the register then."""

    number: int
    ended_at: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Series:
    """Contiguous intervals, oldest first. `last_number` is that of the youngest, modulo 256.

    `start_count`: the register when the oldest one began, where a message told it; `stop_count`: when the youngest
    one ended. `remarks`: what contradicts what.
    """

    intervals: tuple[Interval, ...]
    last_ended_at: datetime
    last_number: int
    stop_count: int
    start_count: int | None = None
    remarks: tuple[str, ...] = ()


def series_of(heard: Sequence[HeardMessage], before: Before | None = None) -> tuple[Series, ...]:
    """Return the intervals of messages of one meter and kind, in the order of hearing; oldest series first.

    Those that were delivered before are left out. Repeated messages add nothing, whatever their number.
    """
    runs: list[_Run] = []
    for each in heard:
        if runs and runs[-1].joins(each):
            continue
        runs.append(_Run(each))
    if before is not None:
        for run in runs:
            run.begin_after(before)
    return tuple(series for run in runs for series in run.series())


@dataclass(slots=True)
class _Run:
    """Messages that count their intervals on from each other. Indices are those of the first message's newest, 0."""

    first: HeardMessage
    merged: dict[int, Interval] = field(default_factory=dict)
    registers: dict[int, int] = field(default_factory=dict)  # after interval k
    remarks: dict[str, None] = field(default_factory=dict)
    newest: int = 0
    ended_at: datetime = field(init=False)  # of interval 0, by the message that says the earliest: delays only add

    def __post_init__(self) -> None:
        self.ended_at = self.first.ended_at
        self._merge(self.first, 0)

    def joins(self, heard: HeardMessage) -> bool:
        """Take a message that goes on from this; return whether it does."""
        index = self._index(heard.ended_at, heard.profile.number)
        if index is None or index < self.newest:  # a meter that counts back has begun anew
            return False
        self.ended_at = min(self.ended_at, heard.ended_at - timedelta(seconds=index * INTERVAL_S))
        self._merge(heard, index)
        return True

    def begin_after(self, before: Before) -> None:
        """Leave out what was delivered before, if this goes on from there."""
        index = self._index(before.ended_at, before.number)
        if index is None or index > self.newest:
            return
        self.registers[index] = before.count
        self._compare(index, min((k for k in self.registers if k > index), default=index))
        for k in [k for k in self.merged if k <= index]:
            del self.merged[k]

    def series(self) -> list[Series]:
        """Return what is contiguous; a gap begins a series."""
        found: list[Series] = []
        order = sorted(self.merged)
        if not order:
            return found
        begins = [i for i, k in enumerate(order) if i == 0 or order[i - 1] != k - 1]
        for begin, end in zip(begins, [*begins[1:], len(order)], strict=True):
            found += self._series(order[begin:end])
        return found

    def _series(self, indices: list[int]) -> list[Series]:
        """Return one series: up to the youngest interval after which a message told the register."""
        last = max((k for k in indices if k in self.registers), default=None)
        if last is None:
            return []
        kept = [k for k in indices if k <= last]
        return [
            Series(
                intervals=tuple(self.merged[k] for k in kept),
                last_ended_at=self.ended_at + timedelta(seconds=last * INTERVAL_S),
                last_number=(self.first.profile.number + last) % NUMBERS,
                stop_count=self.registers[last],
                start_count=self.registers.get(kept[0] - 1),
                remarks=tuple(self.remarks),
            )
        ]

    def _index(self, ended_at: datetime, number: int) -> int | None:
        """Return which interval ended then and has this number; None if there is none."""
        us = (ended_at - self.ended_at) // _MICROSECOND
        length = INTERVAL_S * 1_000_000
        index = (us + length // 2) // length
        if (self.first.profile.number + index - number) % NUMBERS or abs(us - index * length) > ASTRAY_S * 1_000_000:
            return None
        return index

    def _merge(self, heard: HeardMessage, newest: int) -> None:
        profile = heard.profile
        for i, count in enumerate(profile.counts):
            outage = profile.outages is not None and bool(profile.outages >> 46 - i & 1)
            told = Interval(count, outage, saturated=count == profile.maximum)
            known = self.merged.setdefault(newest - i, told)
            if known.count != count:
                self.merged[newest - i] = Interval(None, known.outage or outage)
                self.remarks["messages contradict each other on what was counted in an interval"] = None
            elif outage and not known.outage:
                self.merged[newest - i] = told
        register = self.registers.setdefault(newest, heard.message.count)
        if register != heard.message.count:
            self.remarks["messages contradict each other on the register after the same interval"] = None
        earlier = max((k for k in self.registers if k < newest), default=newest)
        self.newest = max(self.newest, newest)
        self._compare(earlier, newest)

    def _compare(self, earlier: int, later: int) -> None:
        """Compare what the register rose by with the intervals between, if all of them are known."""
        between = [self.merged.get(k) for k in range(earlier + 1, later + 1)]
        if not between or any(each is None or each.count is None for each in between):
            return
        total = sum(each.count or 0 for each in between if each is not None)
        wrap = 1 << WIDTH[self.first.message.kind]
        rose = (self.registers[later] - self.registers[earlier]) % wrap
        saturated = any(each is not None and each.saturated for each in between)
        if rose != total and not (saturated and rose > total):
            self.remarks[f"the register rose by {rose} counts, while the intervals add up to {total}"] = None


def heard_messages(messages: Iterable[tuple[ErtMessage, datetime]]) -> tuple[HeardMessage, ...]:
    """Return those of the messages that have intervals."""
    return tuple(HeardMessage(message, at) for message, at in messages if message.profile is not None)
