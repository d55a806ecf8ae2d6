"""One block of load-profile data (ST64–ST67): how it is laid out, read and written (C12.19 §LP_DATA_SET).

      +--------------+--------------------------------------------+----------------+--------------+-----------+
      | BLK_END_TIME | per channel: [BLOCK_END_READ NI1]          | [CLOSURE U16]  | [SIMPLE SET] | intervals |
      |   STIME      |              [BLOCK_END_PULSE U32]         |  per channel   | 1 bit each   |           |
      +--------------+--------------------------------------------+----------------+--------------+-----------+
      interval:  [extended status: n div 2 + 1 octets of nibbles: common, channel 1, channel 2 …] item × n

`BLOCK_SIZE = ST + n·(R·NI1 + P·4) + C·2·n + S·((ints + 7) div 8) + ints·(X·(n div 2 + 1) + n·w)`
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeVar

from drivers.c1219 import walltime
from drivers.c1219.context import Context
from drivers.c1219.items import ItemFormat
from drivers.c1219.number import Number, NumberFormat
from drivers.errors import DataError

T = TypeVar("T")

_HIGH = bytes(octet >> 4 for octet in range(256))  # translation tables: octet → nibble
_LOW = bytes(octet & 15 for octet in range(256))


class Closure(NamedTuple):
    """CLOSURE_STATUS of one channel: why the block ended (0..3), and how many of its intervals are valid (4..15)."""

    status: int
    valid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One stored block, its channels as columns; slots in the order in which they are stored.

    Optional parts are None where ST61 does not announce them. `common` and `nibbles[channel]` hold one nibble per
    slot. A simulated meter builds it by keywords; `counts` has one sequence per channel.
    """

    end_time: datetime | None
    counts: tuple[tuple[Number | None, ...], ...]
    end_reads: tuple[Number | None, ...] | None = None
    end_pulses: tuple[int, ...] | None = None
    closures: tuple[Closure, ...] | None = None
    simple: tuple[bool, ...] | None = None
    common: bytes | None = None
    nibbles: tuple[bytes, ...] | None = None
    remark: str = ""


@dataclass(frozen=True, slots=True)
class BlockLayout:
    """Where everything lies in a block of one set, from ST00, ST61 and ST62."""

    time_width: int
    tm_format: int
    intervals: int
    channels: int
    interval_min: int
    reading: NumberFormat | None  # BLOCK_END_READ
    pulses: bool
    closure: bool
    simple: bool
    extended: bool
    item: ItemFormat
    high_first: bool = True

    @classmethod
    def of(cls, context: Context, data_set: int, *, closure: bool) -> BlockLayout:
        """Return the layout of set 1–4. Raises `NotRead` or `DataError` when the set or its format is not there."""
        st00, st61 = context.st00, context.st61
        limits, control = st61.sets[data_set - 1], context.st62.sets[data_set - 1]
        if limits is None or control is None:
            raise DataError(
                f"ST61 and ST62 say nothing of profile set {data_set}",
                advice=f"ST{63 + data_set} cannot be decoded; its octets are kept",
            )
        return cls(
            time_width=walltime.width(walltime.STIME_WIDTHS, st00.tm_format),
            tm_format=st00.tm_format,
            intervals=limits.nbr_blk_ints,
            channels=limits.nbr_chns,
            interval_min=limits.max_int_time,
            reading=context.number_format(1) if st61.blk_end_read else None,
            pulses=st61.blk_end_pulse,
            closure=closure,
            simple=st61.simple_int_status,
            extended=st61.extended_int_status,
            item=ItemFormat.of(context, control.int_fmt_cde),
            high_first=context.quirks.status_nibbles == "high_first",
        )

    @property
    def channel_width(self) -> int:
        """Octets of one channel's end reading and end pulses."""
        return (self.reading.width if self.reading else 0) + 4 * self.pulses

    @property
    def status_width(self) -> int:
        """Octets of the extended status of one interval."""
        return (self.channels // 2 + 1) * self.extended

    @property
    def stride(self) -> int:
        """Octets of one interval."""
        return self.status_width + self.channels * self.item.width

    @property
    def intervals_offset(self) -> int:
        """Where the first interval lies in the block."""
        simple = (self.intervals + 7) // 8 * self.simple
        return self.time_width + self.channels * (self.channel_width + 2 * self.closure) + simple

    @property
    def size(self) -> int:
        """Octets of one block."""
        return self.intervals_offset + self.intervals * self.stride

    def end_time(self, octets: bytes) -> tuple[datetime | None, str]:
        """Return the block's end time, and a remark when it is impossible."""
        try:
            return walltime.decode(octets[: self.time_width], self.tm_format, self.item.order), ""
        except walltime.ImpossibleTime as error:
            return None, f"BLK_END_TIME is no time: {error}"

    def decode(self, octets: bytes) -> Block:
        """Return one block. Raises `DataError` when there are more or fewer octets than one block has."""
        if len(octets) != self.size:
            raise DataError(f"a block has {len(octets)} octets, not {self.size}", advice="read the block again")
        end_time, remark = self.end_time(octets)
        at, order = self.time_width, self.item.order
        reads: list[Number | None] = []
        pulses: list[int] = []
        for _ in range(self.channels):
            if self.reading is not None:
                reads.append(self.reading.decode(octets[at : at + self.reading.width]))
                at += self.reading.width
            if self.pulses:
                pulses.append(int.from_bytes(octets[at : at + 4], order))
                at += 4
        closures: list[Closure] = []
        for _ in range(self.channels * self.closure):
            word = int.from_bytes(octets[at : at + 2], order)
            closures.append(Closure(word & 15, word >> 4))
            at += 2
        area = octets[self.intervals_offset :]
        columns = range(self.status_width, self.stride, self.item.width)
        return Block(
            end_time=end_time,
            counts=tuple(tuple(self.item.column(area, offset, self.stride)) for offset in columns),
            end_reads=tuple(reads) if self.reading is not None else None,
            end_pulses=tuple(pulses) if self.pulses else None,
            closures=tuple(closures) if self.closure else None,
            simple=self._simple(octets[at : self.intervals_offset]) if self.simple else None,
            common=self._nibbles(area, 0) if self.extended else None,
            nibbles=tuple(self._nibbles(area, 1 + channel) for channel in range(self.channels))
            if self.extended
            else None,
            remark=remark,
        )

    def _simple(self, octets: bytes) -> tuple[bool, ...]:
        bits = int.from_bytes(octets, "little")
        return tuple(bool(bits >> slot & 1) for slot in range(self.intervals))

    def _high(self, nibble: int) -> bool:
        return (nibble % 2 == 0) == self.high_first

    def _nibbles(self, area: bytes, nibble: int) -> bytes:
        """Return nibble number `nibble` (0 common, 1… channels) of every interval."""
        return area[nibble // 2 :: self.stride].translate(_HIGH if self._high(nibble) else _LOW)

    def encode(self, block: Block) -> bytes:
        """Return the octets of a block. Raises `ValueError` when it does not have the parts that the layout has."""
        out = bytearray(walltime.encode(block.end_time, self.tm_format, self.item.order, self.time_width))
        order = self.item.order
        for channel in range(self.channels):
            if self.reading is not None:
                out += self.reading.encode(_part(block.end_reads, "end_reads")[channel])
            if self.pulses:
                out += _part(block.end_pulses, "end_pulses")[channel].to_bytes(4, order)
        for closure in _part(block.closures, "closures") if self.closure else ():
            out += (closure.valid << 4 | closure.status).to_bytes(2, order)
        if self.simple:
            bits = sum(1 << slot for slot, valid in enumerate(_part(block.simple, "simple")) if valid)
            out += bits.to_bytes((self.intervals + 7) // 8, "little")
        for slot in range(self.intervals):
            out += self._encode_status(block, slot) if self.extended else b""
            for column in block.counts:
                out += self.item.encode(column[slot])
        if len(out) != self.size:
            raise ValueError(f"the block came to {len(out)} octets, not {self.size}: wrong number of channels or slots")
        return bytes(out)

    def _encode_status(self, block: Block, slot: int) -> bytes:
        status = bytearray(self.status_width)
        for number, column in enumerate((_part(block.common, "common"), *_part(block.nibbles, "nibbles"))):
            status[number // 2] |= column[slot] << 4 if self._high(number) else column[slot]
        return bytes(status)


def _part(value: T | None, name: str) -> T:
    if value is None:
        raise ValueError(f"the layout has {name}, the block has none")
    return value
