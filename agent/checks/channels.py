"""The interval data of a visit by channel: all blocks of one channel in order, with one index for every interval."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.checks.verdict import Measure, Verdict
from agent.reading import CheckResult
from drivers.data import IntervalBlock, MeterData

NO_INTERVALS = "no interval data was read"
_MOST_LISTED = 12  # things wrong of one kind that a person is told one by one


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel's blocks, oldest first. An interval's index counts on through all of them."""

    data_set: int
    number: int
    blocks: tuple[IntervalBlock, ...]

    def starts(self) -> Iterator[tuple[int, IntervalBlock]]:
        """Give each block with the index of its first interval."""
        index = 0
        for block in self.blocks:
            yield index, block
            index += len(block.counts)

    def flagged(self, word: str) -> tuple[int, ...]:
        """Return the indices of the intervals that carry the status `word`."""
        return tuple(
            first + k
            for first, block in self.starts()
            if any(block.status)
            for k, words in enumerate(block.status)
            if word in words
        )


def channels(data: MeterData) -> tuple[Channel, ...]:
    """Group the blocks of `data` by data set and channel, oldest first."""
    grouped: dict[tuple[int, int], list[IntervalBlock]] = {}
    for block in data.blocks:
        grouped.setdefault((block.data_set, block.channel), []).append(block)
    return tuple(
        Channel(*key, tuple(sorted(grouped[key], key=lambda block: block.first_interval_end)))
        for key in sorted(grouped)
    )


def end_of(block: IntervalBlock, k: int) -> datetime:
    """Return the end of interval `k` of `block`."""
    return block.first_interval_end + k * timedelta(seconds=block.interval_s)


def clear_of(
    found: tuple[Channel, ...], flagged: Callable[[Channel], tuple[int, ...]], verdict: Verdict, reason: str
) -> tuple[CheckResult, ...]:
    """Fail every channel with a flagged interval, for `reason` after the number of intervals; pass if there is none."""
    results: list[CheckResult] = []
    for channel in found:
        if intervals := flagged(channel):
            why = f"{several(len(intervals))} {reason}"
            measure = Measure(len(intervals), 0, "intervals")
            results.append(verdict.failed(measure, why, channel=channel.number, intervals=intervals))
    return tuple(results) or (verdict.passed(Measure(0, 0, "intervals")),)


def listed(texts: Sequence[str], most: int = _MOST_LISTED) -> str:
    """Write texts one after another; of a great many the first, and how many more there are."""
    more = len(texts) - most
    return "; ".join(texts if more <= 1 else [*texts[:most], f"and {more} more of the kind"])


def several(number: int, noun: str = "interval") -> str:
    """Write a number with its noun: `1 interval`, `3 intervals`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
