"""The newest intervals of a profile data set: which octets hold them, and whether what came proves to be them.

Pointers are claims. What they lead to is believed only if it joins up in time, reaches back to what was read before,
and holds there what was there before. Pure functions; who reads the octets is no matter here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import gcd

from drivers.c1219.blocks import BlockLayout
from drivers.c1219.context import Context
from drivers.c1219.decade6 import ProfileSetStatus
from drivers.c1219.timeline import slots_of
from drivers.data import IntervalBlock, Slots
from drivers.decimal_text import plain
from drivers.memory import SetMemory

Octets = tuple[int, int]  # from, to (exclusive), in the data table


@dataclass(frozen=True, slots=True)
class Stretch:
    """The newest `taken` of the `valid` intervals of one block."""

    element: int
    valid: int
    taken: int

    def octets(self, layout: BlockLayout, *, descending: bool) -> list[Octets]:
        """Return where they lie: the block's head, with end time and end readings, and their slots."""
        start = self.element * layout.size
        slots = slots_of(self.valid, self.taken, descending=descending)
        first, last = min(slots), max(slots)
        area = start + layout.intervals_offset
        return [(start, area), (area + first * layout.stride, area + (last + 1) * layout.stride)]


@dataclass(frozen=True, slots=True)
class Stretches:
    """The newest `count` intervals of a set, newest block first. `all`: there are no older ones."""

    blocks: tuple[Stretch, ...]
    all: bool

    @property
    def count(self) -> int:
        """How many intervals."""
        return sum(block.taken for block in self.blocks)


def newest_intervals(
    elements: Sequence[int],
    status: ProfileSetStatus,
    layout: BlockLayout,
    count: int,
    *,
    valid_of: Callable[[int], int | None],
    neighbour: bool,
) -> Stretches:
    """Return the blocks that hold the newest `count` intervals.

    `elements`: of the valid blocks, oldest first. `valid_of`: the valid intervals of a closed block, None if that is
    not known (yet): a full block then. Where one more interval, from the block before, can tell about the oldest of
    these, it is taken too: for the register at the start of a block that is taken whole, and, with `neighbour`, for
    what the end time of an unfilled block means.
    """
    registers = layout.reading is not None or layout.pulses
    found: list[Stretch] = []
    left, beyond = count, False
    for age, element in enumerate(reversed(elements)):
        known = valid_of(element) if age else status.nbr_valid_int
        valid = layout.intervals if known is None else min(known, layout.intervals)
        if not valid:
            continue
        unsure = neighbour and age == 0 and valid < layout.intervals
        taken = valid if unsure else min(valid, left)
        found.append(Stretch(element, valid, taken))
        left -= taken
        if left > 0:
            continue
        if beyond or not (unsure or (registers and taken == valid)):
            return Stretches(tuple(found), all=len(found) == len(elements) and taken == valid)
        left, beyond = 1, True
    return Stretches(tuple(found), all=True)


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted of one set: the intervals that end after `since`, and one before them to compare."""

    since: datetime
    memory: SetMemory | None = None
    now: datetime | None = None  # of the meter's clock

    @property
    def back_to(self) -> datetime:
        """The end of the newest interval that is known already, or a later time."""
        return self.since if self.memory is None else min(self.since, self.memory.interval_end)

    def estimate(self, length: timedelta, most: int) -> int:
        """Return how many intervals of a length these are, if none is missing."""
        if self.now is None:
            return 1
        last = self.now - (self.now - _ON_THE_GRID) % length
        return min(most, max(0, -((self.back_to - last) // length)) + 1)


def same_interval(first: datetime | None, last: datetime | None, length: timedelta) -> bool:
    """Whether two times of the meter's clock lie in one interval, clear of its ends; False if either is not known."""
    if first is None or last is None:
        return False
    step = timedelta(minutes=gcd(length // timedelta(minutes=1), _ZONE_STEP_MIN))
    return (first - _MARGIN - _ON_THE_GRID) // step == (last + _MARGIN - _ON_THE_GRID) // step


_STORING = timedelta(minutes=1)  # that a meter may take to store an interval that has ended
_MARGIN = timedelta(seconds=5)  # the clock is read in whole seconds, and a meter may be a little late
_ZONE_STEP_MIN = 15  # zones lie whole quarters of an hour from UTC
_ON_THE_GRID = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Proven:
    """The intervals are what they should be; the first to report ends at `first_end`. `gap`: what is lost before."""

    first_end: datetime
    gap: str = ""
    lost: bool = True


@dataclass(frozen=True, slots=True)
class More:
    """They do not reach back far enough: `count` older ones are needed."""

    count: int


@dataclass(frozen=True, slots=True)
class Doubtful:
    """They are not what they should be; `reason` completes the sentence "read in full, because …"."""

    reason: str


def configuration_digest(context: Context) -> str:
    """Return the SHA-256 of ST61 and ST62 as read. Raises `NotRead`."""
    return hashlib.sha256(context.decoded(61).octets + context.decoded(62).octets).hexdigest()


def doubt_pointers(goal: Goal, status: ProfileSetStatus, digest: str) -> Doubtful | None:
    """Return why ST63 cannot be about the blocks that the visit before saw; None if it can."""
    memory = goal.memory
    if memory is None:
        return None
    if memory.configuration != digest:
        return Doubtful("ST61 or ST62 is not what it was at the visit before")
    if status.last_block_seq_nbr < memory.sequence:
        return Doubtful(
            f"ST63 counts {status.last_block_seq_nbr} blocks where it counted {memory.sequence} at the visit before"
        )
    return None


def judge(goal: Goal, blocks: Sequence[IntervalBlock], wanted: Stretches, *, full: bool) -> Proven | More | Doubtful:
    """Judge the blocks that were made of the stretches `wanted`. `full`: the meter's list of blocks is full."""
    first = [block for block in blocks if block.channel == min(each.channel for each in blocks)]
    if not first or [len(block.counts) for block in first] != [stretch.taken for stretch in reversed(wanted.blocks)]:
        return Doubtful("not every block that ST63 counts has a place in time")
    doubt = _doubt_times(goal, blocks, first)
    if doubt:
        return Doubtful(doubt)
    length = timedelta(seconds=first[0].interval_s)
    oldest, newest = first[0].first_interval_end, _last_end(first[-1])
    if oldest > goal.back_to and not wanted.all:
        return More(-((goal.back_to - oldest) // length))
    doubt = _doubt_memory(goal, blocks, reached=oldest <= goal.back_to)
    if doubt:
        return Doubtful(doubt)
    if oldest <= goal.back_to:
        return Proven(min(newest, oldest + (goal.back_to - oldest) // length * length))
    return _without_overlap(goal, oldest - length, oldest, full=full)


def _doubt_times(goal: Goal, blocks: Sequence[IntervalBlock], first: Sequence[IntervalBlock]) -> str:
    """Return what is wrong with the times of the blocks; `first` are those of the first channel."""
    if any(block.ambiguous_time for block in first):
        return "the times of its newest blocks are ambiguous"
    for before, block in pairwise(first):
        if _last_end(before) + timedelta(seconds=block.interval_s) != block.first_interval_end:
            return f"its blocks do not join up at {_last_end(before):%Y-%m-%d %H:%M} UTC"
        if (before.sequence or 0) > (block.sequence or 0):
            return "its blocks are not in the order that ST63 says"
    return _doubt_clock(goal, blocks, _last_end(first[-1]), timedelta(seconds=first[0].interval_s))


def _doubt_clock(goal: Goal, blocks: Sequence[IntervalBlock], last: datetime, length: timedelta) -> str:
    """Return how the meter's clock contradicts that the newest interval ended at `last`, or the last read."""
    now = goal.now
    if now is not None and now - last > length + _STORING:
        return f"the newest interval that ST63 leads to ended at {last:%Y-%m-%d %H:%M} UTC, and it is {now:%H:%M} there"
    if goal.memory is not None:
        return ""
    if now is not None and now + length < goal.since:
        return f"the meter's clock shows {now:%Y-%m-%d %H:%M:%S} UTC, before the time of the last read"
    if any("clock_adjusted" in words for block in blocks for words in block.status):
        return "the meter's clock was set meanwhile"
    return ""


def _doubt_memory(goal: Goal, blocks: Sequence[IntervalBlock], *, reached: bool) -> str:
    """Return what is not as the visit before saw it."""
    memory = goal.memory
    if memory is None or not reached:
        return ""
    when = f"{memory.interval_end:%Y-%m-%d %H:%M} UTC"
    found = [(block, count) for block in blocks for end, count in _intervals(block) if end == memory.interval_end]
    if not found or any(block.sequence != memory.sequence for block, _count in found):
        return f"the interval of {when} is not where it was at the visit before"
    if tuple(count for _block, count in found) != memory.counts:
        return f"the interval of {when} does not hold what it held at the visit before"
    return ""


def _without_overlap(goal: Goal, begin: datetime, oldest: datetime, *, full: bool) -> Proven:
    """Say what is lost where everything was read and does not reach back."""
    back_to = goal.back_to
    if begin <= back_to and goal.memory is None:
        return Proven(oldest)
    span = f"intervals from {back_to:%Y-%m-%d %H:%M:%S} to {begin:%Y-%m-%d %H:%M:%S} UTC"
    if goal.memory is not None or full:
        return Proven(oldest, f"{span} are gone: the meter has overwritten or cleared them since the last read")
    return Proven(oldest, f"{span} are not there: the meter's data begin only then", lost=False)


def cut(blocks: Sequence[IntervalBlock], first_end: datetime) -> list[IntervalBlock]:
    """Return the blocks without the intervals that end before `first_end`."""
    kept = []
    for block in blocks:
        away = max(0, -((block.first_interval_end - first_end) // timedelta(seconds=block.interval_s)))
        if away == 0:
            kept.append(block)
        elif away < len(block.counts):
            kept.append(
                replace(
                    block,
                    first_interval_end=block.first_interval_end + away * timedelta(seconds=block.interval_s),
                    counts=block.counts[away:],
                    values=block.values[away:],
                    status=block.status[away:],
                    start_register=None,
                    slots=_later(block.slots, away),
                )
            )
    return kept


def remembered(blocks: Sequence[IntervalBlock], digest: str) -> SetMemory | None:
    """Return the newest interval of one set's blocks for the next visit; None where its time is not certain."""
    if not blocks:
        return None
    end = max(_last_end(block) for block in blocks)
    newest = [block for block in blocks if _last_end(block) == end]
    sequence = newest[0].sequence
    if sequence is None or any(block.ambiguous_time for block in newest):
        return None
    counts = tuple(_text(block.counts[-1]) for block in newest)
    return SetMemory(newest[0].data_set, sequence, end, counts, digest)


def _intervals(block: IntervalBlock) -> list[tuple[datetime, str | None]]:
    length = timedelta(seconds=block.interval_s)
    return [(block.first_interval_end + k * length, _text(count)) for k, count in enumerate(block.counts)]


def _last_end(block: IntervalBlock) -> datetime:
    return block.first_interval_end + (len(block.counts) - 1) * timedelta(seconds=block.interval_s)


def _text(count: Decimal | int | None) -> str | None:
    return plain(count) if isinstance(count, Decimal) else None if count is None else str(count)


def _later(slots: Slots | None, away: int) -> Slots | None:
    return None if slots is None else replace(slots, first=slots.first + away * slots.step)
