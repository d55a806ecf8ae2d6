"""ST64–ST67 LP_DATA_SET1–4 as tables: whole, or block by block from partial reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from drivers.c1219.blocks import Block, BlockLayout
from drivers.c1219.context import Context, Decoded, Span
from drivers.c1219.record import Layout, Table
from drivers.c1219.scope import SETS
from drivers.errors import DataError

#: Standard table → set.
TABLES = {64: 1, 65: 2, 66: 3, 67: 4}
_SAMPLE_SPREAD = timedelta(days=400)  # two neighbouring blocks of any profile end closer together than this


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileData(Table):
    """ST64 (set 1) to ST67 (set 4): blocks in the order in which they are stored, unused ones too.

    `closure` says whether the blocks have a CLOSURE_STATUS field.
    """

    layout = Layout(())
    title = "LP_DATA_SET"

    data_set: int = 1
    closure: bool = False
    blocks: Sequence[Block] = field(default_factory=tuple)

    @property
    def number(self) -> int:  # type: ignore[override]
        """Standard table number."""
        return 63 + self.data_set


def block_layout(context: Context, data_set: int, *, total: int | None = None, sample: bytes = b"") -> BlockLayout:
    """Return the layout of a set's blocks, with or without the CLOSURE field: whichever fits.

    Judged in this order: the quirk; `total`, the octets of the whole data table, if known; LP_MEMORY_LEN of ST61;
    bit 12 of LP_FLAGS clear (no such field in any edition); `sample`, the first octets of the table, as far as
    `sample_places` wants them, where only the right layout has plausible block end times; the edition. Raises
    `DataError`, `NotRead`.
    """
    both = _both(context, data_set)
    certain = _certain(context, data_set, both, total)
    if certain is not None:
        return certain
    plausible = [layout for layout in both if _plausible(layout, sample)]
    if len(plausible) == 1:
        return plausible[0]
    without, with_field = both
    return without if context.st00.std_version_no > 1 else with_field


def sample_places(context: Context, data_set: int) -> list[tuple[int, int]]:
    """Return what a `sample` for `block_layout` must hold, as (from, to) in the table: end times of two blocks.

    Nothing where the layout is known without. Raises `DataError`, `NotRead`.
    """
    both = _both(context, data_set)
    if context.st61.of_set(data_set, "nbr_blks") < 2 or _certain(context, data_set, both, None) is not None:
        return []
    width = both[0].time_width
    return [(start, start + width) for start in (0, *(layout.size for layout in both))]


def _both(context: Context, data_set: int) -> list[BlockLayout]:
    """Return the layout without the CLOSURE field, and the one with it."""
    both = [BlockLayout.of(context, data_set, closure=closure) for closure in (False, True)]
    if not both[0].size:
        raise DataError(
            f"ST61 and ST62 describe blocks of no octets for set {data_set}", advice="read ST61 and ST62 again"
        )
    return both


def _certain(context: Context, data_set: int, both: list[BlockLayout], total: int | None) -> BlockLayout | None:
    """Return the layout if quirk, sizes or flags tell it."""
    without, with_field = both
    if context.quirks.closure_field != "by_size":
        return with_field if context.quirks.closure_field == "present" else without
    blocks = context.st61.of_set(data_set, "nbr_blks")
    by_total = [layout for layout in both if total == blocks * layout.size]
    by_memory = [
        layout for layout in both if context.st61.lp_memory_len == _memory_length(context, closure=layout.closure)
    ]
    for fitting in (by_total, by_memory):
        if len(fitting) == 1:
            return fitting[0]
    return None if context.st61.bit_12 else without


def _memory_length(context: Context, *, closure: bool) -> int | None:
    """Return what LP_MEMORY_LEN says if blocks have this layout: the octets of all sets in use together."""
    sets = [number for number in SETS if context.st61.sets[number - 1] is not None]
    try:
        sizes = [BlockLayout.of(context, number, closure=closure).size for number in sets]
    except DataError:  # another set is not decodable
        return None
    return sum(context.st61.of_set(number, "nbr_blks") * size for number, size in zip(sets, sizes, strict=True))


def _plausible(layout: BlockLayout, sample: bytes) -> bool:
    """Whether a sample of at least two blocks has two end times that are times, and near each other."""
    starts = range(0, len(sample) - layout.time_width + 1, layout.size)
    times = [layout.end_time(sample[start : start + layout.time_width])[0] for start in starts[:2]]
    return len(times) == 2 and None not in times and abs(times[0] - times[1]) < _SAMPLE_SPREAD  # type: ignore[operator]


def block_size(context: Context, data_set: int) -> int:
    """Return the octets of one block as far as can be known before reading: offset = element × block size."""
    return block_layout(context, data_set).size


def table_size(number: int, context: Context) -> int:
    """Return the octets of ST64–ST67. Raises `DataError`, `NotRead`."""
    data_set = TABLES[number]
    return context.st61.of_set(data_set, "nbr_blks") * block_layout(context, data_set).size


def decode_block(octets: bytes, context: Context, data_set: int, layout: BlockLayout | None = None) -> Block:
    """Return one block from exactly its octets. Raises `DataError` for any other number of octets."""
    return (layout or block_layout(context, data_set)).decode(bytes(octets))


def decode(number: int, octets: bytes, context: Context) -> Decoded:
    """Return a whole data table. Raises `DataError` when its size contradicts ST61; see `drivers.c1219.decode`.

    A table that ends early is decoded up to its last whole block, with a remark.
    """
    data_set = TABLES[number]
    layout = block_layout(context, data_set, total=len(octets), sample=octets)
    size, count = layout.size, context.st61.of_set(data_set, "nbr_blks")
    whole = len(octets) // size if size else 0
    if not whole or len(octets) > count * size:
        raise DataError(
            f"ST{number} has {len(octets)} octets where ST61 says {count} blocks of {size}",
            advice="read ST61, ST62 and the table again; if it stays so, this family needs the quirk `closure_field`",
        )
    blocks = tuple(layout.decode(octets[at : at + size]) for at in range(0, whole * size, size))
    remarks = [f"blocks[{element}]: {block.remark}" for element, block in enumerate(blocks) if block.remark]
    if len(octets) != count * size:
        if remarks:
            raise DataError(
                f"ST{number} has {len(octets)} octets, not {count} blocks of {size}, and {remarks[0]}",
                advice="read the table again",
            )
        remarks.append(f"{len(octets)} octets came, {count * size} expected: {whole} whole blocks are decoded")
    spans = {f"blocks[{element}]": Span(element * size, size) for element in range(whole)}
    table = ProfileData(data_set=data_set, closure=layout.closure, blocks=blocks)
    return Decoded(number, table, octets, spans, tuple(remarks))


def encode(table: ProfileData, context: Context) -> bytes:
    """Return the octets of all blocks. Raises `NotRead`, `DataError`, `ValueError`."""
    layout = BlockLayout.of(context, table.data_set, closure=table.closure)
    return b"".join(layout.encode(block) for block in table.blocks)
