"""Decade 6 of a simulated meter: the load profile's limits, control, status and data sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.c1219 import decade6
from drivers.c1219.blocks import Block, BlockLayout, Closure
from drivers.c1219.codec import encode
from drivers.c1219.context import Context
from drivers.c1219.profile_data import ProfileData
from drivers.c1219.record import Table
from metersim.meter.lists import FIRST_SET
from metersim.meter.memory import Block as Stored
from metersim.meter.memory import Counting, Interval, Memory, common_bits, nibble, simply_valid
from metersim.meter.model import Meter
from metersim.meter.scenario import Profile
from metersim.meter.tables.place import arrange
from metersim.meter.tables.stamp import Stamp

ITEM_CODE = {"UINT8": 1, "UINT16": 2, "UINT32": 4, "INT8": 8, "INT16": 16, "INT32": 32, "NI1": 64, "NI2": 128}
_NONE = 255


@dataclass(frozen=True, slots=True)
class ProfileTables:
    """Builds ST61 to ST67 from the model."""

    meter: Meter
    stamp: Stamp
    profile: Profile

    def _by_set(self) -> list[Memory | None]:
        return [self.meter.memories.get(number) for number in (1, 2, 3, 4)]

    def limits(self, memory_len: int) -> decade6.ProfileLimits:
        """ST61; `memory_len` is the octets of all data sets together."""
        memories = self._by_set()
        scaled = {f"scalar_divisor_set{k}": m is not None and m.layout.scaled for k, m in enumerate(memories, start=1)}
        used = {ITEM_CODE[memory.layout.item] for memory in memories if memory}
        return decade6.ProfileLimits(
            lp_memory_len=memory_len,
            blk_end_read=self.profile.end_readings,
            blk_end_pulse=self.profile.end_pulses,
            extended_int_status=self.profile.status in ("extended", "both"),
            simple_int_status=self.profile.status in ("simple", "both"),
            bit_12=self.profile.closure,
            lp_fmats=sum(used),
            sets=tuple(
                None
                if memory is None
                else decade6.ProfileSet(
                    nbr_blks=memory.layout.blocks,
                    nbr_blk_ints=memory.layout.block_intervals,
                    nbr_chns=len(memory.countings),
                    max_int_time=memory.layout.interval_min,
                )
                for memory in memories
            ),
            **scaled,
        )

    def control(self) -> Table:
        """ST62."""
        sets = tuple(None if memory is None else self._set_control(memory) for memory in self._by_set())
        return decade6.ProfileControl(sets=sets)

    def _set_control(self, memory: Memory) -> decade6.ProfileSetControl:
        channels = [counting.channel for counting in memory.countings]
        scaled = memory.layout.scaled
        index = {name: scaling.index for name, scaling in self.meter.scalings.items()}
        return decade6.ProfileSetControl(
            channels=tuple(
                decade6.ProfileChannel(
                    end_rdg_flag=bool(channel.end_source),
                    lp_source_select=index[channel.source],
                    end_blk_rdg_source_select=index[channel.end_source] if channel.end_source else _NONE,
                )
                for channel in channels
            ),
            int_fmt_cde=ITEM_CODE[memory.layout.item],
            scalars=tuple(channel.scalar for channel in channels) if scaled else None,
            divisors=tuple(channel.divisor for channel in channels) if scaled else None,
        )

    def status(self, true_us: int) -> decade6.ProfileStatus:
        """ST63."""
        at = self.meter.now(true_us)
        numbered = enumerate(self._by_set(), start=1)
        sets = tuple(None if memory is None else self._set_status(number, memory, at) for number, memory in numbered)
        return decade6.ProfileStatus(sets=sets)

    def _set_status(self, number: int, memory: Memory, at: int) -> decade6.ProfileSetStatus:
        layout = memory.layout
        newest = memory.newest(at)
        valid = min(newest + 1, layout.blocks)
        circular = layout.list_type == "circular"
        descending = layout.order == "descending"
        numbers = [(k, k) for k in range(newest + 1 - valid, newest + 1)]
        unread = newest + 1 - self.meter.last_read.get(FIRST_SET + number - 1, 0)
        return decade6.ProfileSetStatus(
            block_order=int(descending == (self.meter.scenario.quirks.block_order == "flag")),
            list_type=int(circular),
            interval_order=int(layout.interval_order == "descending"),
            active_mode=True,
            test_mode=self.meter.test_since_us is not None,
            nbr_valid_blocks=valid,
            last_block_element=arrange(numbers, layout.blocks, descending=descending, circular=circular).last,
            last_block_seq_nbr=max(0, newest),
            nbr_unread_blocks=min(valid, unread),
            nbr_valid_int=memory.completed(at) - newest * layout.block_intervals if valid else 0,
        )

    def data(self, number: int, true_us: int, context: Context) -> bytes:
        """Octets of ST64–ST67: data set `number`."""
        memory = self.meter.memories[number]
        layout = memory.layout
        held = memory.blocks(self.meter.now(true_us), self.meter.clock)
        placed = arrange(
            [(block.number, block) for block in held],
            layout.blocks,
            descending=layout.order == "descending",
            circular=layout.list_type == "circular",
        )
        empty = Stored(0, 0, ())
        blocks = [self._block(memory, block or empty) for block in placed.elements]
        return encode(ProfileData(data_set=number, closure=self.profile.closure, blocks=blocks), context)

    def octets(self, number: int, context: Context) -> int:
        """Size of one data set's table."""
        layout = BlockLayout.of(context, number, closure=self.profile.closure)
        return self.meter.memories[number].layout.blocks * layout.size

    def _block(self, memory: Memory, stored: Stored) -> Block:
        """One block: slots 0 to valid − 1 are used, in the interval order; the rest is zero."""
        intervals = stored.intervals
        if memory.layout.interval_order == "descending":
            intervals = intervals[::-1]
        unused = memory.layout.block_intervals - len(intervals)
        extended = self.profile.status in ("extended", "both")
        alone = self.profile.status == "simple"
        channels = list(enumerate(memory.countings))
        right = self.meter.scenario.quirks.simple_status == "valid"
        valid = [simply_valid(interval, memory.countings, alone=alone) == right for interval in intervals]
        return Block(
            end_time=self.stamp(self._end_time(memory, stored)) if stored.intervals else None,
            counts=tuple((*_column(intervals, k, counting), *([0] * unused)) for k, counting in channels),
            end_reads=tuple(self._end_read(counting, stored) for _, counting in channels),
            end_pulses=tuple(self._end_pulses(counting, stored) for _, counting in channels),
            closures=tuple(Closure(0, len(intervals)) for _ in channels),
            simple=(*valid, *([False] * unused)),
            common=bytes([*(common_bits(interval) for interval in intervals), *([0] * unused)]) if extended else None,
            nibbles=tuple(
                bytes([*(nibble(interval, counting, interval.pulses[k]) for interval in intervals), *([0] * unused)])
                for k, counting in channels
            )
            if extended
            else None,
        )

    def _end_time(self, memory: Memory, stored: Stored) -> int:
        """BLK_END_TIME; of an unfilled block some meters keep the time at which it will be full."""
        if self.meter.scenario.quirks.open_block_end == "last_interval":
            return stored.end
        return stored.begin + memory.layout.block_intervals * memory.length

    def _end_read(self, counting: Counting, stored: Stored) -> int:
        name = counting.channel.end_source
        if not name or not stored.intervals:
            return 0
        return self.meter.scalings[name].raw_of(self.meter.total_pulses_at(name, stored.end))  # type: ignore[return-value]

    def _end_pulses(self, counting: Counting, stored: Stored) -> int:
        if not stored.intervals:
            return 0
        pulses = self.meter.total_pulses_at(counting.scaling.source.name, stored.end)
        return int(counting.per_pulse * pulses) % (1 << 32)


def _column(intervals: Sequence[Interval], channel: int, counting: Counting) -> list[int]:
    return [
        0 if interval.skipped else counting.count(interval.pulses[channel])  # type: ignore[misc]
        for interval in intervals
    ]
