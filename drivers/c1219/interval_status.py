"""What the status of an interval says, in the words of the reading document, and whether its count stands.

| nibble | 0 | 1 overflow | 2 partial | 3 long | 4 skipped | 5 test mode | 6 configuration changed | 7 stopped |
|--------|---|------------|-----------|--------|-----------|-------------|-------------------------|-----------|
| count  | kept | kept    | kept      | kept   | none      | kept        | kept                    | none      |
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from drivers.c1219.blocks import Block
from drivers.c1219.number import Number
from drivers.data import Problem

Words = tuple[str, ...]

_CHANNEL: dict[int, Words] = {
    1: ("overflow",),
    2: ("partial",),
    3: ("long",),
    4: ("skipped", "missing"),
    5: ("test_mode",),
    7: ("missing",),
}  # 8 and above: reserved, or a vendor's own
_COMMON = (("daylight_saving",), ("power_outage",), ("clock_adjusted",), ("clock_adjusted",))
_CONFIGURATION_CHANGED = 6
_REMARKED = frozenset({_CONFIGURATION_CHANGED, *range(8, 16)})
_WITHOUT_VALUE = "missing"  # the word
DST_BIT = 1
#: What a profile may call a status nibble (`[c1219.channel_status]`), in the words of the reading document.
STATUS_WORDS: dict[str, Words] = {
    "none": (),
    "skipped": ("skipped", "missing"),
    **{
        word: (word,)
        for word in ("overflow", "partial", "long", "short", "test_mode", "missing", "power_outage", "clock_adjusted")
    },
}


@dataclass(frozen=True, slots=True)
class Meanings:
    """What each status nibble of a channel means in one family."""

    words: tuple[Words, ...]  # by common nibble (high) and channel nibble (low)
    without_value: frozenset[int]  # nibbles
    remarked: frozenset[int]  # nibbles that have no word


@lru_cache(maxsize=16)
def meanings_of(own: tuple[tuple[int, str], ...] = ()) -> Meanings:
    """Return the meanings of the standard, with a family's `own` (nibble, word of `STATUS_WORDS`) in their place."""
    channel = {**_CHANNEL, **{nibble: STATUS_WORDS[word] for nibble, word in own}}

    def words(octet: int) -> Words:
        common = [word for bit, said in enumerate(_COMMON) if octet >> 4 >> bit & 1 for word in said]
        return tuple(dict.fromkeys([*common, *channel.get(octet & 15, ())]))

    return Meanings(
        tuple(words(octet) for octet in range(256)),
        frozenset(nibble for nibble, said in channel.items() if _WITHOUT_VALUE in said),
        _REMARKED - {nibble for nibble, _word in own},
    )


@dataclass(frozen=True, slots=True)
class Column:
    """The intervals of one channel of one block, oldest first: a count, or None and a status that says why."""

    counts: tuple[Number | None, ...]
    status: tuple[Words, ...]
    remarked: tuple[int, ...] = ()  # status nibbles that have no word


def read_column(
    block: Block,
    channel: int,
    slots: range,
    *,
    maximum: int | None,
    inverted: bool = False,
    meanings: Meanings | None = None,
) -> Column:
    """Return one channel's intervals at `slots` (in order of time) with their status.

    A clear simple bit takes the value from every channel; where there is an extended status, only from an interval
    that it says nothing of. Without either, only a count at the type's `maximum` is flagged.
    """
    meanings = meanings or meanings_of()
    cut = slice(slots.start, slots.stop if slots.stop >= 0 else None, slots.step)
    counts = list(block.counts[channel][cut])
    clear = set() if block.simple is None else {slot for slot in slots if block.simple[slot] == inverted}
    remarked: set[int] = set()
    status: list[Words]
    if block.common is None or block.nibbles is None:
        flag_maximum = block.simple is None
        status = [("overflow",) if flag_maximum and count == maximum is not None else () for count in counts]
        lost = clear
    else:
        common, nibbles = block.common[cut], block.nibbles[channel][cut]
        status = [meanings.words[both << 4 | one] for both, one in zip(common, nibbles, strict=True)]
        clear = {slot for slot in clear if not any(column[slot] for column in block.nibbles)}
        said = set(nibbles)
        lost = clear
        if said & meanings.without_value:
            lost = clear | {
                slot for slot, nibble in zip(slots, nibbles, strict=True) if nibble in meanings.without_value
            }
        remarked = said & meanings.remarked
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


@dataclass(slots=True)
class Oddities:
    """Status nibbles that have no word, gathered so that a channel gets one remark for each and not one a block."""

    elements: dict[tuple[int, int], list[int]] = field(default_factory=dict)  # (channel, nibble) → blocks

    def note(self, channel: int, element: int, nibbles: Iterable[int]) -> None:
        """Remember which of them a channel has in the block at an array element."""
        for nibble in nibbles:
            self.elements.setdefault((channel, nibble), []).append(element)

    def problems(self, name: str) -> list[Problem]:
        """Return the remarks, in the order of the channels. `name` is the table's."""
        found = []
        for (channel, nibble), elements in sorted(self.elements.items()):
            meaning = "configuration changed" if nibble == _CONFIGURATION_CHANGED else "the vendor's own"
            others = f" and {len(elements) - 1} more" if len(elements) > 1 else ""
            reason = f"channel {channel} has the status {nibble} ({meaning}) in block {elements[0]}{others}"
            found.append(Problem(name, reason, lost=False))
        return found
