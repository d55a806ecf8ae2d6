"""What the status of an interval says, in the words of the reading document, and whether its count stands.

| nibble | 0 | 1 overflow | 2 partial | 3 long | 4 skipped | 5 test mode | 6 configuration changed | 7 stopped |
|--------|---|------------|-----------|--------|-----------|-------------|-------------------------|-----------|
| count  | kept | kept    | kept      | kept   | none      | kept        | kept                    | none      |
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.c1219.blocks import Block
from drivers.c1219.number import Number

Words = tuple[str, ...]

_CHANNEL: tuple[Words, ...] = (
    (),
    ("overflow",),
    ("partial",),
    ("long",),
    ("skipped", "missing"),
    ("test_mode",),
    (),
    ("missing",),
    *((),) * 8,  # reserved, or a vendor's own
)
_COMMON = (("daylight_saving",), ("power_outage",), ("clock_adjusted",), ("clock_adjusted",))
_WITHOUT_VALUE = frozenset({4, 7})
_REMARKED = frozenset({6, *range(8, 16)})
DST_BIT = 1


def _words(octet: int) -> Words:
    common = [word for bit, words in enumerate(_COMMON) if octet >> 4 >> bit & 1 for word in words]
    return tuple(dict.fromkeys([*common, *_CHANNEL[octet & 15]]))


#: Words by common nibble (high) and channel nibble (low).
_TABLE = tuple(_words(octet) for octet in range(256))


@dataclass(frozen=True, slots=True)
class Column:
    """The intervals of one channel of one block, oldest first: a count, or None and a status that says why."""

    counts: tuple[Number | None, ...]
    status: tuple[Words, ...]
    remarked: tuple[int, ...] = ()  # status nibbles that have no word


def read_column(block: Block, channel: int, slots: range, *, maximum: int | None, inverted: bool = False) -> Column:
    """Return one channel's intervals at `slots` (in order of time) with their status.

    A clear simple bit takes the value from every channel; where there is an extended status, only from an interval
    that it says nothing of. Without either, only a count at the type's `maximum` is flagged.
    """
    source = block.counts[channel]
    counts = [source[slot] for slot in slots]
    clear = set() if block.simple is None else {slot for slot in slots if block.simple[slot] == inverted}
    remarked: set[int] = set()
    status: list[Words]
    if block.common is None or block.nibbles is None:
        flag_maximum = block.simple is None
        status = [("overflow",) if flag_maximum and count == maximum is not None else () for count in counts]
        lost = clear
    else:
        common, nibbles = block.common, block.nibbles[channel]
        status = [_TABLE[common[slot] << 4 | nibbles[slot]] for slot in slots]
        clear = {slot for slot in clear if not any(column[slot] for column in block.nibbles)}
        lost = clear | {slot for slot in slots if nibbles[slot] in _WITHOUT_VALUE}
        remarked = {nibbles[slot] for slot in slots} & _REMARKED
    if lost or None in counts:
        for index, slot in enumerate(slots):
            if slot in clear and counts[index] == maximum is not None:
                status[index] += ("overflow",)
            elif (slot in lost or counts[index] is None) and "missing" not in status[index]:
                status[index] += ("missing",)
            if slot in lost:
                counts[index] = None
    return Column(tuple(counts), tuple(status), tuple(sorted(remarked)))


def last_dst_bit(block: Block, slot: int) -> bool | None:
    """Return the DST bit of the interval in a slot; None where the block has no extended status."""
    return None if block.common is None else bool(block.common[slot] & DST_BIT)
