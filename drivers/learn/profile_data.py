"""What the stored blocks of a load profile show: their layout, their order, and how their status is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Final

from drivers.c1219 import Block, BlockLayout, block_layout
from drivers.c1219.profile import elements
from drivers.c1219.profile_data import TABLES
from drivers.errors import DataError
from drivers.learn.lesson import Lesson, Sureness
from drivers.psem.retold import Retold

_VENDORS: Final = frozenset(range(8, 16))
_HALF: Final = 0.5
_FAR_DAYS: Final = 40  # between blocks that follow each other


def of_profile(retold: Retold) -> list[Lesson]:
    """Return what the first profile set with blocks shows; sets of one meter are written alike."""
    for table, data_set in TABLES.items():
        if table in retold.pieces and {61, 62, 63} <= retold.context.tables.keys():
            try:
                return list(_of_set(retold, table, data_set))
            except DataError as error:
                return [Lesson("c1219.closure_field", f"ST{table} could not be judged: {error.message}", "open")]
    return []


def _of_set(retold: Retold, table: int, data_set: int) -> Iterator[Lesson]:
    context = retold.context
    both = [BlockLayout.of(context, data_set, closure=closure) for closure in (False, True)]
    sample = retold.octets(table, 0, 2 * both[1].size) or retold.octets(table, 0, 2 * both[0].size) or b""
    layout = block_layout(context, data_set, sample=sample)
    yield from _closure(retold, both, layout, sample)
    found = [retold.octets(table, element * layout.size, layout.size) for element in elements(context, data_set)]
    octets = [one for one in found if one is not None]
    ends = [end for end in (layout.end_time(one)[0] for one in octets) if end is not None]
    yield from _order(ends, descending=bool(_status(retold, data_set)))
    blocks = [layout.decode(one) for one in octets]
    if layout.extended:
        yield from _nibbles(octets, layout)
    if layout.simple:
        yield from _simple(blocks)


def _status(retold: Retold, data_set: int) -> int:
    status = retold.context.st63.sets[data_set - 1]
    return status.block_order if status is not None else 0


def _closure(retold: Retold, both: list[BlockLayout], layout: BlockLayout, sample: bytes) -> Iterator[Lesson]:
    if not retold.context.st61.bit_12:
        yield Lesson("c1219.closure_field", "bit 12 of LP_FLAGS is clear: no closure field")
        return
    plausible = [one for one in both if _plausible(one, sample)]
    if not plausible or layout in plausible:
        words = "has a" if layout.closure else "has no"
        why = "only so its blocks end at plausible times" if len(plausible) == 1 else "its end times do not tell"
        sure: Sureness = "sure" if len(plausible) == 1 else "open"
        yield Lesson("c1219.closure_field", f"the block {words} closure field: {why}", sure)
    else:
        word = "present" if plausible[0].closure else "absent"
        yield Lesson("c1219.closure_field", "only so the first blocks end at plausible times", "likely", word)


def _plausible(layout: BlockLayout, sample: bytes) -> bool:
    """Whether two blocks from the begin of the table end at times near each other."""
    if len(sample) < layout.size + layout.time_width:
        return False
    ends = [layout.end_time(sample[at:])[0] for at in (0, layout.size)]
    return ends[0] is not None and ends[1] is not None and abs((ends[1] - ends[0]).days) < _FAR_DAYS


def _order(ends: list[datetime], *, descending: bool) -> Iterator[Lesson]:
    steps = [later > earlier for earlier, later in pairwise(ends)]
    flag = "descending" if descending else "ascending"
    if not steps:
        yield Lesson("c1219.block_order", "fewer than two blocks: not to be told", "open")
    elif sum(steps) < _HALF * len(steps):
        other = "ascending" if descending else "descending"
        yield Lesson("c1219.block_order", f"ST63 says {flag}, the block end times say {other}", "likely", other)
    else:
        yield Lesson("c1219.block_order", f"the block end times agree with ST63: {flag}")


def _nibbles(octets: list[bytes], layout: BlockLayout) -> Iterator[Lesson]:
    odd, said = {}, {}
    for high_first in (True, False):
        one = replace(layout, high_first=high_first)
        nibbles = {nibble for piece in octets for column in one.decode(piece).nibbles or () for nibble in column}
        odd[high_first], said[high_first] = sorted(nibbles & _VENDORS), nibbles - {0}
    if not said[True] and not said[False]:
        yield Lesson("c1219.status_nibbles", "all status nibbles are zero: their order is not to be told", "open")
    elif odd[True] and not odd[False]:
        words = ", ".join(map(str, odd[True]))
        seen = f"high nibble first gives the reserved status {words}, low nibble first none"
        yield Lesson("c1219.status_nibbles", seen, "likely", "low_first")
    elif odd[True]:
        words = ", ".join(map(str, odd[True]))
        yield Lesson("c1219.channel_status", f"the status nibbles {words} are the vendor's own: name them here", "open")
    else:
        yield Lesson("c1219.status_nibbles", "high nibble first gives only status words of the standard")


def _simple(blocks: list[Block]) -> Iterator[Lesson]:
    """Judge by the intervals that hold a count: a bit that says `no value` there says the contrary."""
    with_count = [
        block.simple[slot]
        for block in blocks[:-1]
        if block.simple is not None
        for slot in range(len(block.simple))
        if any(column[slot] for column in block.counts)
    ]
    if not with_count:
        yield Lesson("c1219.simple_status", "no full block with counts: not to be told", "open")
    elif sum(with_count) < _HALF * len(with_count):
        seen = f"the bit is clear in {len(with_count) - sum(with_count)} of {len(with_count)} intervals with a count"
        yield Lesson("c1219.simple_status", seen, "likely", "inverted")
    else:
        seen = f"the bit is set in {sum(with_count)} of {len(with_count)} intervals with a count"
        yield Lesson("c1219.simple_status", seen)
