"""The steps from the octets of one interval of a load profile to its value, its end time and its status."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final

from drivers.c1219 import walltime
from drivers.c1219.context import Context
from drivers.c1219.decade6 import ProfileControl, ProfileLimits, ProfileSetControl
from drivers.c1219.explain import Chain, Cited, Derivation, TableOctets, Unexplained, cite_octets
from drivers.c1219.explain_scaling import explain_source, number_format
from drivers.c1219.explain_times import explain_qualifier, shifted
from drivers.c1219.number import decode_int
from drivers.c1219.times import MeterTimes
from drivers.data import IntervalBlock

_FIRST_TABLE: Final = 63  # ST64 holds data set 1
#: INT_FMT_CDE → its name, octets, signed; 64 and 128 are the non-integer types.
_ITEMS: Final = {
    1: ("UINT8", 1, False),
    2: ("UINT16", 2, False),
    4: ("UINT32", 4, False),
    8: ("INT8", 1, True),
    16: ("INT16", 2, True),
    32: ("INT32", 4, True),
}
_NON_INTEGERS: Final = {64: 1, 128: 2}
_STATUS: Final = (
    "ok",
    "overflow",
    "partial interval",
    "long interval",
    "skipped interval",
    "test mode",
    "configuration changed",
    "recording stopped",
)
_COMMON: Final = ("daylight saving", "power failed or came back", "clock set forward", "clock set backward")


def explain_interval(context: Context, block: IntervalBlock, k: int, octets: TableOctets) -> Derivation:
    """Return the steps to the value of interval `k` of a block. Raises `DataError` where the tables do not lead to it.

    `octets` gives those of the data table, which is in no context. A value that is None is explained by its status.
    """
    chain, table = Chain(context), _FIRST_TABLE + block.data_set
    if block.slots is None or block.source is None:
        raise Unexplained("the block does not say where it came from")
    slot = block.slots.first + k * block.slots.step
    item = cite_octets(octets, table, *block.slots.place(k), f"slot {slot}, channel {block.channel}")
    where = f"block {_element(block)} of ST{table}, interval {k} in slot {slot}"
    chain.note("octets", where, item)
    raw = _raw(chain, block, item)
    _explain_status(chain, block, slot, octets)
    if block.values[k] is None:
        chain.value = None
        chain.note("value", f"none: {', '.join(block.status[k]) or 'the item holds no number'}")
        return chain.done(block.unit)
    if raw is None:
        raise Unexplained(f"{where} holds no number")
    index = _channel_index(context, block)
    _undo_divisor(chain, block, index)
    path = f"sets[{block.data_set - 1}].channels[{index}].lp_source_select"
    source = _control(context, block).channels[index].lp_source_select
    chain.note(f"source {source}", f"LP_SOURCE_SELECT of channel {block.channel}", chain.cite(62, path))
    explain_source(chain, source, context.quirks.interval_scale)
    return chain.done(block.unit)


def explain_interval_end(
    context: Context, block: IntervalBlock, k: int, times: MeterTimes, octets: TableOctets
) -> Derivation:
    """Return the steps to the end of interval `k` in UTC."""
    chain, table = Chain(context), _FIRST_TABLE + block.data_set
    if block.source is None:
        raise Unexplained("the block does not say where it came from")
    st00 = context.st00
    width = walltime.width(walltime.STIME_WIDTHS, st00.tm_format)
    cited = cite_octets(octets, table, block.source.offset, width, "BLK_END_TIME")
    try:
        wall = walltime.decode(cited.octets, st00.tm_format, context.order)
    except walltime.ImpossibleTime as error:
        raise Unexplained(f"BLK_END_TIME of block {_element(block)}: {error}") from error
    if wall is None:
        raise Unexplained(f"block {_element(block)} has no end time")
    chain.note(f"{wall:%Y-%m-%d %H:%M:%S}", f"end of block {_element(block)}, TM_FORMAT {st00.tm_format}", cited)
    explain_qualifier(chain, times)
    length = timedelta(seconds=block.interval_s)
    last = block.first_interval_end + (len(block.counts) - 1) * length
    planned = _planned(context, block, length)
    shift = next((shift for shift in _shifts(times, wall) if wall.replace(tzinfo=UTC) - shift in {last, planned}), None)
    if shift is None:
        raise Unexplained(f"the block's end {wall} does not lead to {last:%Y-%m-%d %H:%M} UTC")
    end = wall.replace(tzinfo=UTC) - shift
    chain.note(f"{end:%Y-%m-%dT%H:%M:%S}Z", shifted(shift))
    if end != last:
        empty = (end - last) // length
        why = f"the block's end is a planned one: its last {empty} intervals are still to come"
        chain.note(f"{last:%Y-%m-%dT%H:%M:%S}Z", why)
    minutes = chain.cite(61, f"sets[{block.data_set - 1}].max_int_time")
    steps = len(block.counts) - 1 - k
    at = last - steps * length
    why = f"{steps} intervals of {block.interval_s // 60} min before the last one"
    chain.note(f"{at:%Y-%m-%dT%H:%M:%S}Z", why, minutes)
    return chain.done(text=f"{at:%Y-%m-%dT%H:%M:%S}Z")


def _shifts(times: MeterTimes, wall: datetime) -> list[timedelta]:
    standard = times.offset
    if times.site_zone is not None:
        local = wall.replace(tzinfo=times.site_zone)
        standard = (local.utcoffset() or timedelta()) - (local.dst() or timedelta())
    return [standard, standard + times.amount]


def _planned(context: Context, block: IntervalBlock, length: timedelta) -> datetime:
    """Return the end of the block if it were full: slots beyond the newest valid one are still empty."""
    limits = context.need(ProfileLimits).sets[block.data_set - 1]
    if limits is None or block.slots is None:
        raise Unexplained(f"ST61 says nothing of data set {block.data_set}")
    newest = block.slots.first + (len(block.counts) - 1) * block.slots.step
    valid = newest + 1 if block.slots.step > 0 else block.slots.first + 1
    return block.first_interval_end + (len(block.counts) - 1 + limits.nbr_blk_ints - valid) * length


def _element(block: IntervalBlock) -> int:
    return block.source.offset // block.source.length if block.source is not None and block.source.length else 0


def _channel_index(context: Context, block: IntervalBlock) -> int:
    """Return the channel's number in its data set, from 0."""
    st61 = context.need(ProfileLimits)
    before = sum(limits.nbr_chns for limits in st61.sets[: block.data_set - 1] if limits is not None)
    return block.channel - 1 - before


def _control(context: Context, block: IntervalBlock) -> ProfileSetControl:
    control = context.need(ProfileControl).sets[block.data_set - 1]
    if control is None:
        raise Unexplained(f"ST62 says nothing of data set {block.data_set}")
    return control


def count_of(context: Context, block: IntervalBlock, k: int, octets: TableOctets) -> Fraction | None:
    """Return the count of interval `k` from its octets alone; None where they hold no number. Raises `DataError`."""
    if block.slots is None:
        raise Unexplained("the block does not say where it came from")
    item = cite_octets(octets, _FIRST_TABLE + block.data_set, *block.slots.place(k), f"interval {k}")
    return _number(context, _control(context, block).int_fmt_cde, item.octets)


def _number(context: Context, code: int, item: bytes) -> Fraction | None:
    """Return an interval item as a number (C12.19 §INT_FMT_CDE)."""
    if code in _ITEMS:
        signed, form = _ITEMS[code][2], context.st00.int_format
        return Fraction(decode_int(item, context.order, form) if signed else int.from_bytes(item, context.order))
    if code not in _NON_INTEGERS:
        raise Unexplained(f"ST62 announces the interval format {code}, which is none")
    number = context.number_format(_NON_INTEGERS[code]).decode(item)
    return None if number is None else Fraction(number)


def _raw(chain: Chain, block: IntervalBlock, item: Cited) -> Fraction | None:
    """Add the item as a number."""
    context = chain.context
    code = _control(context, block).int_fmt_cde
    formats = [chain.cite(62, f"sets[{block.data_set - 1}].int_fmt_cde"), chain.cite(0, "data_order")]
    raw = _number(context, code, item.octets)
    if code in _ITEMS:
        name, _width, signed = _ITEMS[code]
        why = f"INT_FMT_CDE {code} ({name}), DATA_ORDER {context.st00.data_order}"
        why += f", INT_FORMAT {context.st00.int_format}" if signed else ""
    else:
        why = f"INT_FMT_CDE {code}: {number_format(context, _NON_INTEGERS[code])}"
    if raw is None:
        chain.note("count", f"{why}: no number", *formats)
    else:
        chain.start(raw, "count", why, *formats)
    return raw


def _undo_divisor(chain: Chain, block: IntervalBlock, index: int) -> None:
    """Add what ST62 did to the count before it was recorded (C12.19 §LP_CTRL_TBL)."""
    control, scaling = _control(chain.context, block), chain.context.quirks.scaling
    if control.scalars is None or control.divisors is None:
        chain.note("ST62", "no SCALARS and DIVISORS: the count stands as it is")
        return
    path = f"sets[{block.data_set - 1}]"
    scalar, divisor = chain.cite(62, f"{path}.scalars[{index}]"), chain.cite(62, f"{path}.divisors[{index}]")
    if scaling == "none":
        chain.note("ST62", "the profile says that SCALAR and DIVISOR are not in the count", scalar, divisor)
        return
    undo = scaling == "undo"
    why = "was applied before recording: undone" if undo else "the profile says: still to be applied"
    for name, number, cited, multiplies in (
        ("SCALAR", control.scalars[index], scalar, not undo),
        ("DIVISOR", control.divisors[index], divisor, undo),
    ):
        reason = why + ("" if number else "; zero counts as 1")
        chain.apply("×" if multiplies else "÷", Fraction(number or 1), name, reason, cited)


def _explain_status(chain: Chain, block: IntervalBlock, slot: int, octets: TableOctets) -> None:
    """Add what the block's status says of the interval."""
    context, table = chain.context, _FIRST_TABLE + block.data_set
    st61 = context.need(ProfileLimits)
    limits = st61.sets[block.data_set - 1]
    if block.slots is None or block.source is None or limits is None:
        return
    index, width = _channel_index(context, block), block.slots.width
    extended = limits.nbr_chns // 2 + 1 if st61.extended_int_status else 0
    first = block.slots.offset - index * width - extended  # of slot 0, its status included
    if st61.simple_int_status:
        place = first - (limits.nbr_blk_ints + 7) // 8 + slot // 8
        cited = cite_octets(octets, table, place, 1, f"SIMPLE_INT_STATUS of slot {slot}")
        bit = cited.octets[0] >> slot % 8 & 1
        valid = bit != (context.quirks.simple_status == "inverted")
        chain.note("simple status", f"bit {slot % 8} is {bit}: {'valid' if valid else 'not valid'}", cited)
    if extended:
        start = first + slot * block.slots.stride
        cited = cite_octets(octets, table, start, extended, f"EXTENDED_INT_STATUS of slot {slot}")
        common, own = (_nibble(context, cited.octets, number) for number in (0, 1 + index))
        words = [word for bit, word in enumerate(_COMMON) if common >> bit & 1]
        meaning = _STATUS[own] if own < len(_STATUS) else "the vendor's own"
        chain.note("status", f"common nibble {common:X}h: {', '.join(words) or 'nothing'}", cited)
        chain.note("status", f"nibble {own:X}h of channel {block.channel}: {meaning}", cited)


def _nibble(context: Context, octets: bytes, number: int) -> int:
    high = (number % 2 == 0) == (context.quirks.status_nibbles == "high_first")
    return octets[number // 2] >> 4 if high else octets[number // 2] & 15
