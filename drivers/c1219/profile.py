"""ST61–ST67 as interval blocks: one for each stored block and channel, oldest first, nothing invented."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from drivers.c1219.blocks import BlockLayout
from drivers.c1219.context import Context
from drivers.c1219.decade5 import Clock, ClockState
from drivers.c1219.decade6 import ProfileSet, ProfileSetControl, ProfileSetStatus
from drivers.c1219.exact import Linear
from drivers.c1219.extent import check_profile
from drivers.c1219.interval_status import Oddities, meanings_of, read_column
from drivers.c1219.logs import oldest_first
from drivers.c1219.number import Number
from drivers.c1219.profile_data import block_layout, block_size
from drivers.c1219.scaling import UNUSED, Scale, scale_of
from drivers.c1219.timeline import Grid, Stored, place
from drivers.c1219.times import MeterTimes
from drivers.data import IntervalBlock, Problem, Slots, Source
from drivers.errors import DataError


def elements(context: Context, data_set: int) -> tuple[int, ...]:
    """Return the array elements of the valid blocks, oldest first; octets of one start at element × block size.

    LAST_BLOCK_ELEMENT is the newest in either order. Raises `NotRead`, `DataError` when ST63 contradicts ST61, or both
    say what cannot be.
    """
    limits, _control, status = _set_tables(context, data_set)
    check_profile(f"ST{63 + data_set}", limits, status, block_size(context, data_set))
    order = context.quirks.block_order
    descending = bool(status.block_order) if order == "flag" else order == "descending"
    return oldest_first(
        f"ST63 of set {data_set}",
        limits.nbr_blks,
        status.nbr_valid_blocks,
        status.last_block_element,
        descending=descending,
    )


def interval_blocks(
    context: Context,
    times: MeterTimes,
    data_set: int,
    octets: bytes | Mapping[int, bytes],
    *,
    now: datetime | None = None,
    taken: Mapping[int, int] | None = None,
) -> tuple[list[IntervalBlock], list[Problem]]:
    """Return the intervals of ST64 (set 1) to ST67 (set 4), oldest block first, its channels together.

    `octets`: the whole table, or the octets of single blocks by array element (partial reads; others are not
    reported). `now`: the meter's clock in UTC when the newest block was read: an end time beyond it is a planned one.
    `taken`: of the blocks at these elements only so many of the newest intervals have been read, the other slots hold
    anything; such a block is reported without a register at its start.
    Raises `NotRead` when a table is missing, `DataError` when the size contradicts ST61.
    """
    limits, control, status = _set_tables(context, data_set)
    order = elements(context, data_set)
    layout, pieces, problems = _pieces(context, data_set, octets)
    grid = Grid(
        f"ST{63 + data_set}",
        limits.nbr_blk_ints,
        timedelta(minutes=limits.max_int_time),
        bool(status.interval_order),
        context.quirks.open_block_end,
    )
    stored = _stored(grid.name, order, pieces, layout, status, problems)
    for one in stored:
        one.taken = min(one.valid, (taken or {}).get(one.element, one.valid))
    clock = context.find(Clock) or context.find(ClockState)
    placed, odd = place(stored, grid, times, dst_flag=clock.dst_flag if clock else None, now=now)
    first = 1 + sum(context.st61.of_set(number, "nbr_chns") for number in range(1, data_set))
    channels = [_channel(context, control, index, number=first + index) for index in range(limits.nbr_chns)]
    problems += odd
    problems += [problem for channel in channels for problem in channel.problems()]
    reader = _Reader(context, data_set, layout, grid, channels)
    blocks = [block for at in range(len(placed)) for block in reader.read(placed, at)]
    return blocks, [*problems, *reader.oddities.problems(grid.name)]


def _set_tables(context: Context, data_set: int) -> tuple[ProfileSet, ProfileSetControl, ProfileSetStatus]:
    index = data_set - 1
    limits, control, status = context.st61.sets[index], context.st62.sets[index], context.st63.sets[index]
    if limits is None or control is None or status is None:
        raise DataError(
            f"ST61, ST62 and ST63 do not all describe profile set {data_set}",
            advice="read them again; the set's octets are kept",
        )
    return limits, control, status


def _pieces(
    context: Context, data_set: int, octets: bytes | Mapping[int, bytes]
) -> tuple[BlockLayout, Mapping[int, bytes], list[Problem]]:
    """Return the layout, the octets of each whole block by element, and what is odd about their number."""
    count = context.st61.of_set(data_set, "nbr_blks")
    name = f"ST{63 + data_set}"
    if isinstance(octets, Mapping):
        length = len(next(iter(octets.values()), b""))
        layout = block_layout(context, data_set, total=length * count)
        if any(len(piece) != layout.size for piece in octets.values()):
            raise DataError(
                f"{name} was read in blocks of {length} octets where ST61 says {layout.size}",
                advice="read ST61 and ST62 again; if it stays so, this family needs the quirk `closure_field`",
            )
        return layout, octets, []
    layout = block_layout(context, data_set, total=len(octets), sample=octets)
    size = layout.size
    whole = len(octets) // size if size else 0
    if not whole or whole > count or (whole == count and len(octets) != count * size):
        raise DataError(
            f"{name} has {len(octets)} octets where ST61 says {count} blocks of {size}",
            advice="read ST61, ST62 and the table again; if it stays so, this family needs the quirk `closure_field`",
        )
    problems = []
    if len(octets) != count * size:
        problems.append(Problem(name, f"{len(octets)} octets came, {count * size} expected: {whole} whole blocks"))
    return layout, {element: octets[element * size : (element + 1) * size] for element in range(whole)}, problems


def _stored(
    name: str,
    order: tuple[int, ...],
    pieces: Mapping[int, bytes],
    layout: BlockLayout,
    status: ProfileSetStatus,
    problems: list[Problem],
) -> list[Stored]:
    """Return the valid blocks that were read, oldest first, with the number of slots that are used."""
    found = []
    for age, element in enumerate(reversed(order)):
        if element not in pieces:
            continue
        block = layout.decode(bytes(pieces[element]))
        valid = status.nbr_valid_int if age == 0 else layout.intervals
        if age and block.closures:
            valid = max(closure.valid for closure in block.closures)
        if valid > layout.intervals:
            reason = f"it says {valid} valid intervals in a block of {layout.intervals}"
            problems.append(Problem(f"{name} block {element}", reason))
        elif valid:
            sequence = max(status.last_block_seq_nbr - age, 0)
            found.append(Stored(element, sequence, block, valid, newest=age == 0))
        elif age:
            problems.append(Problem(f"{name} block {element}", "it was closed without a valid interval", lost=False))
    return found[::-1]


@dataclass(frozen=True, slots=True)
class _Channel:
    """How the numbers of one channel read."""

    index: int  # in its set
    number: int  # in the document: from 1, the channels of one set after those of the set before
    scale: Scale  # of the recorded intervals
    pulses: Linear  # of the block-end pulse counters
    reading: Linear | None  # of the block-end readings, in the unit of the intervals
    used: bool
    values: _Values

    def problems(self) -> list[Problem]:
        """Return what stands in the way of its values."""
        what = f"profile channel {self.number}"
        if not self.used:
            return [Problem(what, "no source is selected for it: left out", lost=False)]
        if self.scale.problem:
            return [Problem(what, f"{self.scale.problem}: left out")]
        found = []
        if not self.scale.measure.known:
            found.append(Problem(what, f"its unit is not known ({self.scale.measure.unit})", lost=False))
        if not self.scale.linear.is_finite:
            found.append(Problem(what, "its multiplier has no finite decimal form: values are rounded", lost=False))
        return found


def _channel(context: Context, control: ProfileSetControl, index: int, *, number: int) -> _Channel:
    """Return how one channel reads: ST62's divisor is undone first, then the constants of its source follow."""
    channel = control.channels[index]
    source = scale_of(context, channel.lp_source_select)
    factor = Fraction(1)
    if control.scalars is not None and control.divisors is not None and context.quirks.scaling != "none":
        scalar, divisor = control.scalars[index] or 1, control.divisors[index] or 1
        factor = Fraction(divisor, scalar) if context.quirks.scaling == "undo" else Fraction(scalar, divisor)
    reading = None
    if channel.end_rdg_flag:
        selected = channel.end_blk_rdg_source_select
        end = (source if selected == UNUSED else scale_of(context, selected)).times(context.quirks.register_scale)
        if not end.problem and end.measure.word == source.measure.word:
            reading = end.linear.times(Fraction(10) ** (end.measure.prefix_power - source.measure.prefix_power))
    pulses = source.times(context.quirks.interval_scale).linear
    scale = Scale(source.measure, pulses.after(factor), source.problem)
    return _Channel(
        index, number, scale, pulses, reading, used=channel.lp_source_select != UNUSED, values=_Values(scale.linear)
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Makes interval blocks of blocks that have a place in time."""

    context: Context
    data_set: int
    layout: BlockLayout
    grid: Grid
    channels: list[_Channel]
    oddities: Oddities = field(default_factory=Oddities)

    def read(self, placed: list[Stored], at: int) -> list[IntervalBlock]:
        """Return the channels of one block."""
        readable = [channel for channel in self.channels if channel.used and not channel.scale.problem]
        return [self._block(placed, at, channel) for channel in readable]

    def _block(self, placed: list[Stored], at: int, channel: _Channel) -> IntervalBlock:
        stored = placed[at]
        assert stored.end is not None  # noqa: S101 - `place` keeps only blocks with an end
        maximum = self.layout.item.maximum
        inverted = self.context.quirks.simple_status == "inverted"
        used = self.grid.slots(stored.valid, stored.taken)
        column = read_column(
            stored.block,
            channel.index,
            used,
            maximum=maximum,
            inverted=inverted,
            meanings=meanings_of(self.context.quirks.channel_status),
        )
        self.oddities.note(channel.number, stored.element, column.remarked)
        start, stop = self._registers(placed, at, channel)
        measure, size = channel.scale.measure, self.layout.size
        return IntervalBlock(
            channel=channel.number,
            quantity=measure.quantity,
            direction=measure.direction,
            unit=measure.unit,
            interval_s=int(self.grid.length.total_seconds()),
            first_interval_end=stored.end - (len(used) - 1) * self.grid.length,
            counts=column.counts,
            multiplier=channel.scale.multiplier,
            values=channel.values(column.counts),
            status=column.status,
            start_register=start,
            stop_register=stop,
            offset=channel.scale.offset,
            maximum_count=maximum,
            data_set=self.data_set,
            sequence=stored.sequence,
            ambiguous_time=stored.ambiguous,
            source=Source(self.grid.name, stored.element * size, size),
            slots=self._slots(stored, channel, used),
        )

    def _slots(self, stored: Stored, channel: _Channel, used: range) -> Slots:
        """Return where the items of a channel lie."""
        layout = self.layout
        item = layout.intervals_offset + layout.status_width + channel.index * layout.item.width
        return Slots(used[0], used.step, stored.element * layout.size + item, layout.stride, layout.item.width)

    def _registers(self, placed: list[Stored], at: int, channel: _Channel) -> tuple[Decimal | None, Decimal | None]:
        """Return the register before and after a block: the end reading of the block before, if both join, and its own.

        Readings that accumulate inside one block only (BLK_END_RD_INDICATOR of 2008) start at zero. The register
        before a block of which only the newest part was read is not that before this part: there is none.
        """
        stored = placed[at]
        stop = self._end_reading(stored, channel)
        if self.context.st61.bit_12 and not self.layout.closure and self.context.st00.std_version_no > 1:
            return (None if stop is None or stored.taken < stored.valid else Decimal(0)), stop
        if stored.taken < stored.valid:
            return None, stop
        before = placed[at - 1] if at else None
        if before is None or before.end is None or stored.end is None:
            return None, stop
        if before.end + stored.valid * self.grid.length != stored.end:
            return None, stop
        return self._end_reading(before, channel), stop

    def _end_reading(self, stored: Stored, channel: _Channel) -> Decimal | None:
        """Return the reading at the end of a block, else its pulse counter, in the unit of the intervals."""
        if stored.planned_end:
            return None
        reads, pulses = stored.block.end_reads, stored.block.end_pulses
        if reads is not None and channel.reading is not None:
            read = reads[channel.index]
            return None if read is None else channel.reading.apply(read)
        return None if pulses is None else channel.pulses.apply(pulses[channel.index])


class _Values:
    """The values of one channel's counts; equal ones are converted once, whatever block they are in."""

    def __init__(self, linear: Linear) -> None:
        self._linear = linear
        self._whole = linear.of_counts()
        self._known: dict[Number | None, Decimal | None] = {None: None}

    def __call__(self, counts: tuple[Number | None, ...]) -> tuple[Decimal | None, ...]:
        known = self._known
        for count in set(counts).difference(known):
            known[count] = self._whole(count) if isinstance(count, int) else self._linear.apply(count or Decimal(0))
        return tuple([known[count] for count in counts])
