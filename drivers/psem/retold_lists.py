"""Of a recording: the lists of a meter that grow (profile blocks, logs, self reads), as far as they were read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from drivers.c1219 import BlockLayout, Context, Decoded, block_layout, decode, size
from drivers.c1219.decade6 import ProfileSetStatus, ProfileStatus
from drivers.c1219.list_entries import HEAD, newest_first, only_newest
from drivers.c1219.profile import elements, interval_blocks
from drivers.c1219.profile_data import TABLES as DATA_TABLES
from drivers.c1219.timeline import slots_of
from drivers.c1219.times import MeterTimes
from drivers.data import IntervalBlock, Problem
from drivers.errors import DataError
from drivers.psem.pieces import Image

Wanted = Mapping[int, int]  # offset of a block in its table → how many of its newest intervals


def list_of(context: Context, table: int, image: Image) -> Decoded | None:
    """Return a log or the self reads, with as many of the newest entries as were read; None if that cannot be.

    Entries that were read have to follow each other without a gap, as those that are new do.
    """
    octets = size(table, context)
    if octets is None or image.octets(0, HEAD[table]) is None:
        return None
    try:
        decoded = decode(table, image.filled(0, octets), context)
        order = newest_first(decoded)
    except DataError:
        return None
    spans = [decoded.spans[f"entries[{element}]"] for element in order]
    known = next((age for age, span in enumerate(spans) if image.octets(*span) is None), len(spans))
    return decoded if known == len(spans) else only_newest(decoded, known)


@dataclass(frozen=True, slots=True)
class SetAsRead:
    """One data table as far as it was read, with ST63 as it was then and the time of the meter's clock (`now`)."""

    table: int
    image: Image
    context: Context
    now: datetime | None


def blocks_of(
    sets: Iterable[SetAsRead], times: MeterTimes, wanted: Mapping[int, Wanted] | None
) -> tuple[list[IntervalBlock], list[Problem]]:
    """Return the intervals of every data set that were read, and what is odd about them.

    `wanted`: only these, by data table; None: whatever was read.
    """
    blocks: list[IntervalBlock] = []
    problems: list[Problem] = []
    for one in sets:
        table, data_set = one.table, DATA_TABLES[one.table]
        try:
            stored = _Stored.of(one.context, data_set, one.image)
            taken = stored.taken(None if wanted is None else wanted.get(table, {}))
            octets = {element: stored.block(element) for element in taken}
            made, odd = interval_blocks(one.context, times, data_set, octets, now=one.now, taken=taken)
        except DataError as error:
            problems.append(Problem(f"ST{table}", str(error)))
        else:
            blocks += made
            problems += odd
    return blocks, problems


@dataclass(frozen=True, slots=True)
class _Stored:
    """The blocks of one data set, as far as they were read."""

    image: Image
    layout: BlockLayout
    elements: tuple[int, ...]  # of the valid ones, oldest first
    status: ProfileSetStatus

    @classmethod
    def of(cls, context: Context, data_set: int, image: Image) -> _Stored:
        """Raises `DataError` where ST61 to ST63 do not describe the set."""
        status = context.need(ProfileStatus).sets[data_set - 1]
        if status is None:
            raise DataError(f"ST63 says nothing of data set {data_set}")
        longest = BlockLayout.of(context, data_set, closure=True)
        sample = image.filled(0, longest.size + longest.time_width)
        return cls(image, block_layout(context, data_set, sample=sample), elements(context, data_set), status)

    def taken(self, wanted: Wanted | None) -> dict[int, int]:
        """Return how many of the newest intervals of each block were read, or are wanted if that is fewer."""
        found: dict[int, int] = {}
        for age, element in enumerate(reversed(self.elements)):
            count = self._read(element, newest=age == 0)
            if wanted is not None:
                count = min(count, wanted.get(element * self.layout.size, 0))
            if count:
                found[element] = count
        return found

    def block(self, element: int) -> bytes:
        """Return the octets of a block, 00 in place of those that were not read."""
        return self.image.filled(element * self.layout.size, self.layout.size)

    def _read(self, element: int, *, newest: bool) -> int:
        """Return how many of the newest valid intervals of a block were read without a gap, its head as well."""
        start, layout = element * self.layout.size, self.layout
        if self.image.octets(start, layout.intervals_offset) is None:
            return 0
        valid = self._valid(element, newest=newest)
        if self.image.octets(start, layout.size) is not None:
            return valid
        slots = slots_of(valid, valid, descending=bool(self.status.interval_order))
        area = start + layout.intervals_offset
        places = (area + slot * layout.stride for slot in reversed(slots))
        return next((age for age, at in enumerate(places) if self.image.octets(at, layout.stride) is None), valid)

    def _valid(self, element: int, *, newest: bool) -> int:
        valid = self.layout.intervals
        if newest:
            valid = self.status.nbr_valid_int
        elif self.layout.closure:
            closures = self.layout.decode(self.block(element)).closures or ()
            valid = max((closure.valid for closure in closures), default=valid)
        return min(valid, self.layout.intervals)
