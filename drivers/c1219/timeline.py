"""Where stored blocks lie in UTC: each block end is converted once, neighbours settle what is ambiguous."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from drivers.c1219.blocks import Block
from drivers.c1219.interval_status import last_dst_bit
from drivers.c1219.times import Instant, MeterTimes
from drivers.data import Problem

_CLOCK_SLACK = timedelta(seconds=2)  # the meter's clock is read in whole seconds


@dataclass(slots=True)
class Stored:
    """One stored block on its way to a place in time. `valid` slots are used, the newest `taken` of them were read."""

    element: int
    sequence: int
    block: Block
    valid: int
    newest: bool
    taken: int = 0
    end: datetime | None = None  # UTC, of the last valid interval
    ambiguous: bool = False
    planned_end: bool = False  # BLK_END_TIME is that of the whole block, which is not full yet


def slots_of(valid: int, taken: int, *, descending: bool) -> range:
    """Return the slots of the newest `taken` of `valid` intervals, oldest first (INTERVAL_ORDER of ST63)."""
    return range(taken - 1, -1, -1) if descending else range(valid - taken, valid)


@dataclass(frozen=True, slots=True)
class Grid:
    """How the blocks of one set are made."""

    name: str  # "ST64"
    intervals: int
    length: timedelta
    descending: bool  # INTERVAL_ORDER
    open_block_end: str  # quirk

    def slots(self, valid: int, taken: int | None = None) -> range:
        """Return the slots in use, oldest first; of these the newest `taken`, if it is given."""
        return slots_of(valid, valid if taken is None else taken, descending=self.descending)


def place(
    blocks: list[Stored], grid: Grid, times: MeterTimes, *, dst_flag: bool | None, now: datetime | None
) -> tuple[list[Stored], list[Problem]]:
    """Return the blocks that have a place in time, oldest first, and what is odd about the others and about these.

    `blocks` come in the meter's order, oldest first. A block without an end time, or with the end time of another, is
    left out with a problem; overlap, wrong order, and an end off the interval grid are remarked. Nothing is invented.
    """
    if times.problem:
        return [], [Problem(grid.name, times.problem)]
    problems: list[Problem] = []
    use_bits = _bits_agree(blocks, grid, times, dst_flag)
    if not use_bits:
        reason = "its DST bits contradict the clock's DST_FLAG and are not used"
        problems.append(Problem(grid.name, reason, lost=False))
    forward = range(len(blocks))
    for order in (forward, reversed(forward), forward):  # the repeated hour is settled from either side
        for index in order:
            if blocks[index].end is None or blocks[index].ambiguous:
                _settle(blocks, index, grid, times, use_bits=use_bits, now=now)
    _follow(blocks, grid, times)
    placed = _kept(blocks, grid, problems)
    ordered = sorted(placed, key=lambda stored: stored.end or _NEVER)
    if ordered != placed:
        problems.append(Problem(grid.name, "blocks are not in the order that ST63 says; sorted by time", lost=False))
    return _joined(ordered, grid, times, problems), problems


_NEVER = datetime.max.replace(tzinfo=UTC)


def _bits_agree(blocks: list[Stored], grid: Grid, times: MeterTimes, dst_flag: bool | None) -> bool:
    """Whether the DST bit of the newest interval can be true: false when rule and DST_FLAG both say otherwise."""
    newest = next((stored for stored in reversed(blocks) if stored.valid and stored.block.end_time), None)
    if newest is None or newest.block.end_time is None or dst_flag is None or not times.amount:
        return True
    bit = last_dst_bit(newest.block, grid.slots(newest.valid)[-1])
    instant = times.to_utc(newest.block.end_time)
    if bit is None or instant is None:
        return True
    states = {times.rule(instant.utc), times.rule(instant.utc - grid.length)}
    return bit == dst_flag or states != {dst_flag}


def _settle(
    blocks: list[Stored], index: int, grid: Grid, times: MeterTimes, *, use_bits: bool, now: datetime | None
) -> None:
    """Find the place of one block."""
    stored = blocks[index]
    wall = stored.block.end_time
    if wall is None:
        return
    before = _settled(blocks[index - 1]) if index else None
    expected = {before + stored.valid * grid.length} if before is not None else set()
    if index + 1 < len(blocks):
        after = _settled(blocks[index + 1])
        expected |= {after - blocks[index + 1].valid * grid.length} if after is not None else set()
    bit = last_dst_bit(stored.block, grid.slots(stored.valid)[-1]) if use_bits else None
    instant = times.to_utc(wall, last_bit=bit, expected=expected)
    if instant is None:
        return
    if stored.newest and stored.valid < grid.intervals:
        planned = times.to_utc(wall) or instant
        instant, stored.planned_end = _open_end(instant, planned, stored.valid, grid, before, now)
    stored.end, stored.ambiguous = instant.utc, instant.ambiguous


def _settled(stored: Stored) -> datetime | None:
    """Return the end of a block whose place is certain."""
    return None if stored.ambiguous else stored.end


def _follow(blocks: list[Stored], grid: Grid, times: MeterTimes) -> None:
    """Keep blocks together that lie in the repeated hour with nothing certain beside them; they stay ambiguous."""
    for before, stored in pairwise(blocks):
        wall = stored.block.end_time
        unsure = stored.ambiguous and before.ambiguous and not stored.planned_end
        if unsure and before.end is not None and wall is not None:
            joined = times.to_utc(wall, expected={before.end + stored.valid * grid.length})
            stored.end = joined.utc if joined is not None else stored.end


def _open_end(
    last: Instant, planned: Instant, valid: int, grid: Grid, before: datetime | None, now: datetime | None
) -> tuple[Instant, bool]:
    """Return the end of the last valid interval of the unfilled block, and whether its end time is the planned one.

    Judged by the quirk, then by which of both joins the block before, then by the clock: an end in the future is
    planned, if the interval after the last valid one is then in progress. Where one interval is missing to a full block
    a clock read too early would look the same, so that is marked, as is an end in the future that fits neither.
    """
    missing = grid.intervals - valid
    moved = planned._replace(utc=planned.utc - missing * grid.length)
    if grid.open_block_end == "block_grid":
        return moved, True
    start = None if before is None else before + valid * grid.length
    if start is not None and (last.utc == start) != (moved.utc == start):
        return (moved, True) if moved.utc == start else (last, False)
    if now is None or last.utc <= now + _CLOCK_SLACK:
        return last, False
    if moved.utc <= now + _CLOCK_SLACK and now < moved.utc + grid.length:
        return moved._replace(ambiguous=moved.ambiguous or missing == 1), True
    return last._replace(ambiguous=True), False


def _kept(blocks: list[Stored], grid: Grid, problems: list[Problem]) -> list[Stored]:
    """Return the blocks with a place; report those without, and those off the grid."""
    kept = []
    minutes = grid.length // timedelta(minutes=1)
    for stored in blocks:
        what = f"{grid.name} block {stored.element}"
        wall = stored.block.end_time
        if stored.end is None or wall is None:
            reason = stored.block.remark or "it has no end time"
            problems.append(Problem(what, f"{reason}: its intervals cannot be placed in time"))
            continue
        if wall.second or (wall.hour * 60 + wall.minute) % minutes:
            reason = f"it ends at {wall:%Y-%m-%d %H:%M:%S}, off the {minutes}-minute grid: it was cut short"
            problems.append(Problem(what, reason, lost=False))
        if stored.ambiguous:
            problems.append(Problem(what, f"its end time {wall:%Y-%m-%d %H:%M} is ambiguous", lost=False))
        kept.append(stored)
    return kept


def _joined(ordered: list[Stored], grid: Grid, times: MeterTimes, problems: list[Problem]) -> list[Stored]:
    """Return the blocks without duplicates; report overlaps, and misses by just the daylight-saving shift."""
    kept: list[Stored] = []
    for stored in ordered:
        last = kept[-1] if kept else None
        if last is None or last.end is None or stored.end is None:
            kept.append(stored)
            continue
        what = f"{grid.name} block {stored.element}"
        if stored.end == last.end:
            problems.append(Problem(what, f"it ends when block {last.element} does: left out as a duplicate"))
            continue
        miss = stored.end - stored.valid * grid.length - last.end
        if times.amount and abs(miss) == times.amount:
            reason = f"it misses block {last.element} by just the daylight-saving shift: the rule may be wrong here"
            problems.append(Problem(what, reason, lost=False))
        elif miss < timedelta():
            problems.append(Problem(what, f"it overlaps block {last.element} by {-miss}", lost=False))
        kept.append(stored)
    return kept
