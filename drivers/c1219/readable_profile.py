"""ST64–ST67 for people: each valid block with its end, its readings and its intervals, slot by slot as stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from drivers.c1219.blocks import Block, BlockLayout
from drivers.c1219.context import Context, Span
from drivers.c1219.decade6 import ProfileSetStatus
from drivers.c1219.dst import never
from drivers.c1219.number import Number
from drivers.c1219.profile import elements, interval_blocks
from drivers.c1219.profile_data import TABLES, block_layout
from drivers.c1219.row import Row, instant_text
from drivers.c1219.times import MeterTimes
from drivers.data import IntervalBlock
from drivers.decimal_text import plain
from drivers.errors import DataError

#: Times as the meter shows them, where their zone is not known.
_AS_SHOWN = MeterTimes(timedelta(), timedelta(), never)
NO_NUMBER = "(none)"
NOT_VALID = "not valid"


def profile_rows(number: int, pieces: Mapping[int, bytes], context: Context, times: MeterTimes | None) -> Iterator[Row]:
    """Yield the rows of a data table of which some or all blocks are at hand, by element.

    Blocks that ST63 does not call valid are named, not shown; without ST63 all are shown. Values, units and ends are
    noted where the tables that tell them were read: ends in UTC, or by the meter's clock where `times` cannot tell
    what that means. Raises `DataError` where ST61 and ST62 do not fit.
    """
    data_set = TABLES[number]
    limits, length = context.st61, len(next(iter(pieces.values()), b""))
    layout = block_layout(context, data_set, total=limits.of_set(data_set, "nbr_blks") * length)
    order, problem = _order(context, data_set)
    if problem:
        yield Row("blocks", "(not explained)", note=problem)
    known = times is not None and not times.problem
    placed = _placed(data_set, pieces, context, times if times is not None and known else _AS_SHOWN)
    first = 1 + sum(limits.of_set(other, "nbr_chns") for other in range(1, data_set))
    status = context.st63.sets[data_set - 1] if 63 in context else None
    descending = status is not None and bool(status.interval_order)
    for element, octets in sorted(pieces.items()):
        channels = {one.channel - first: one for one in placed.get(element, ())}
        start = element * layout.size
        view = _View(f"blocks[{element}]", start, layout, layout.decode(octets), channels, descending, known)
        note = _age(order, element)
        yield view.headline(note)
        if note != NOT_VALID:
            yield from view.rows(status if order is not None and element == order[-1] else None)


def _age(order: tuple[int, ...] | None, element: int) -> str:
    """Say which block the one at an element is."""
    if order is None:
        return ""
    if element not in order:
        return NOT_VALID
    age = len(order) - 1 - order.index(element)
    return f"{age} before the newest" if age else "the newest"


def _order(context: Context, data_set: int) -> tuple[tuple[int, ...] | None, str]:
    """Return the valid elements, oldest first, or None and why they are not known."""
    if 63 not in context:
        return None, ""
    try:
        return elements(context, data_set), ""
    except DataError as error:
        return None, str(error)


def _placed(
    data_set: int, pieces: Mapping[int, bytes], context: Context, times: MeterTimes
) -> Mapping[int, Sequence[IntervalBlock]]:
    """Return what each block means, channel by channel, by element; nothing where tables for that are missing."""
    try:
        blocks, _problems = interval_blocks(context, times, data_set, pieces)
    except DataError:
        return {}
    found: dict[int, list[IntervalBlock]] = {}
    for block in blocks:
        if block.source is not None and block.source.length:
            found.setdefault(block.source.offset // block.source.length, []).append(block)
    return found


@dataclass(frozen=True, slots=True)
class _View:
    """One stored block at its place in the table. `channels`: what it means, by channel, as far as that is known."""

    path: str
    start: int
    layout: BlockLayout
    block: Block
    channels: Mapping[int, IntervalBlock]
    descending: bool  # INTERVAL_ORDER
    in_utc: bool  # ends can be told in UTC

    def headline(self, note: str) -> Row:
        """Return the row of the whole block."""
        return Row(self.path, f"{self.layout.intervals} intervals", note=note, span=Span(self.start, self.layout.size))

    def rows(self, status: ProfileSetStatus | None) -> Iterator[Row]:
        """Yield the fields in the order of the octets; `status` of the newest block says how many slots are used."""
        block, layout = self.block, self.layout
        one = next(iter(self.channels.values()), None)
        shown = block.end_time.isoformat(" ") if block.end_time is not None else NO_NUMBER
        note = block.remark if one is None or not self.in_utc else instant_text(_end(one, len(one.counts) - 1))
        yield self._row("end_time", shown, note, 0, layout.time_width)
        yield from self._readings()
        if block.simple is not None:
            width = (layout.intervals + 7) // 8
            yield self._row("simple", f"{sum(block.simple)} bits set", "", layout.intervals_offset - width, width)
        used = layout.intervals if status is None else min(layout.intervals, status.nbr_valid_int)
        for slot in range(used):
            yield self._interval(slot)

    def _readings(self) -> Iterator[Row]:
        at, layout, block = self.layout.time_width, self.layout, self.block
        for channel in range(layout.channels):
            if block.end_reads is not None and layout.reading is not None:
                text, width = _number(block.end_reads[channel]), layout.reading.width
                yield self._row(f"end_reads[{channel}]", text, self._register(channel), at, width)
                at += width
            if block.end_pulses is not None:
                yield self._row(f"end_pulses[{channel}]", str(block.end_pulses[channel]), "", at, 4)
                at += 4
        for channel, closure in enumerate(block.closures or ()):
            text = f"{closure.valid} intervals valid, status {closure.status}"
            yield self._row(f"closures[{channel}]", text, "", at, 2)
            at += 2

    def _register(self, channel: int) -> str:
        """Return the reading at the end of the block in its unit."""
        one = self.channels.get(channel)
        return "" if one is None or one.stop_register is None else f"{plain(one.stop_register)} {one.unit}"

    def _interval(self, slot: int) -> Row:
        layout = self.layout
        counts = ", ".join(_number(column[slot]) for column in self.block.counts)
        said = [self._status(slot)]
        for one in self.channels.values():
            at = len(one.counts) - 1 - slot if self.descending else slot
            if 0 <= at < len(one.counts):
                said += [f"to {self._end_text(one, at)}"] * (len(said) == 1)
                said.append(_value(one, at))
        offset = layout.intervals_offset + slot * layout.stride
        return self._row(f"intervals[{slot}]", counts, "; ".join(filter(None, said)), offset, layout.stride)

    def _end_text(self, one: IntervalBlock, at: int) -> str:
        end = _end(one, at)
        return instant_text(end) if self.in_utc else end.strftime("%Y-%m-%d %H:%M:%S")

    def _status(self, slot: int) -> str:
        """Return the status nibbles of a slot, where any is set."""
        block = self.block
        if block.common is None or block.nibbles is None:
            return ""
        nibbles = [column[slot] for column in block.nibbles]
        if not block.common[slot] and not any(nibbles):
            return ""
        return f"status {block.common[slot]:X}:{','.join(f'{nibble:X}' for nibble in nibbles)}"

    def _row(self, name: str, text: str, note: str, offset: int, length: int) -> Row:
        return Row(f"{self.path}.{name}", text, "", note, Span(self.start + offset, length))


def _number(value: Number | None) -> str:
    return NO_NUMBER if value is None else plain(value)


def _end(one: IntervalBlock, at: int) -> datetime:
    return one.first_interval_end + at * timedelta(seconds=one.interval_s)


def _value(one: IntervalBlock, at: int) -> str:
    value = one.values[at]
    words = f" {' '.join(one.status[at])}" if one.status[at] else ""
    return f"{'no value' if value is None else plain(value)} {one.unit}{words}"
