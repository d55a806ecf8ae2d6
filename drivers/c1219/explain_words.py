"""The steps to what is no number: who the meter is, its status, its events, and the registers at the ends of blocks."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import Final

from drivers.c1219.blocks import BlockLayout
from drivers.c1219.context import Context
from drivers.c1219.decade0 import DeviceIdentification, ManufacturerIdentification, ModeStatus, UtilityInformation
from drivers.c1219.decade6 import ProfileControl
from drivers.c1219.decade7 import EventLog, HistoryLog
from drivers.c1219.explain import Chain, Derivation, TableOctets, Unexplained, cite_octets
from drivers.c1219.explain_scaling import explain_source, number_format
from drivers.c1219.explain_times import explain_time
from drivers.c1219.logs import oldest_first
from drivers.c1219.profile_data import TABLES
from drivers.c1219.record import Table
from drivers.c1219.scaling import UNUSED
from drivers.c1219.times import MeterTimes
from drivers.data import Event, Identity, IntervalBlock

_MAKER: Final = {
    "manufacturer": ("manufacturer",),
    "model": ("ed_model",),
    "serial_number": ("mfg_serial_number",),
    "hardware_version": ("hw_version_number", "hw_revision_number"),
    "firmware_version": ("fw_version_number", "fw_revision_number"),
}
_IDS: Final[tuple[tuple[str, type[Table], str], ...]] = (
    ("st05", DeviceIdentification, "identification"),
    ("st06", UtilityInformation, "device_id"),
    ("st01", ManufacturerIdentification, "mfg_serial_number"),
)


def explain_identity(context: Context, identity: Identity, name: str) -> Derivation:
    """Return where one key of the document's `meter` comes from. Raises `DataError` where it does not come from it."""
    chain = Chain(context)
    text = str(getattr(identity, name, ""))
    if not text:
        raise Unexplained(f"the meter says nothing of its {name}")
    if name == "meter_id":
        _meter_id(chain, text)
    elif name in _MAKER:
        for field in _MAKER[name]:
            value = getattr(context.need(ManufacturerIdentification), field)
            chain.note(field.upper(), f"{value!s}", chain.cite(1, field))
    else:
        raise Unexplained(f"{name} does not come from the meter's tables")
    return chain.done(text=text)


def _meter_id(chain: Chain, text: str) -> None:
    """Add which table has the identification: the first of ST05, ST06, ST01 in which it is not blank."""
    context = chain.context
    form = context.st00.id_form
    chain.note("ID_FORM", f"{form}: {'BCD digits' if form else 'characters'}", chain.cite(0, "id_form"))
    order = sorted(_IDS, key=lambda entry: entry[0] != context.quirks.meter_id_at)
    for _name, kind, field in order:
        table = context.find(kind)
        if table is None:
            continue
        value = str(getattr(table, field))
        cited = chain.cite(kind.number, field)
        stripped = value.lstrip("0") or value[-1:] if form else value
        if stripped:
            chain.note(field.upper(), f"{value!r}, which reads as {text!r}", cited)
            return
        chain.note(field.upper(), "blank: the next table is taken", cited)
    raise Unexplained("no table has the meter's identification")


def explain_status(context: Context) -> Derivation:
    """Return where the meter's modes and flags come from."""
    chain = Chain(context)
    context.need(ModeStatus)
    for field, what in (("metering", "ED_MODE"), ("unprogrammed", "ED_STD_STATUS1")):
        cited = chain.cite(ModeStatus.number, field)
        bits = int.from_bytes(cited.octets, context.order)
        chain.note(what, f"bits {bits:0{8 * len(cited.octets)}b}", cited)
    return chain.done(text="ST03")


def explain_event(context: Context, events: tuple[Event, ...], index: int, times: MeterTimes) -> Derivation:
    """Return where the event `index` of all events comes from; `events` as `events_of` returns them."""
    event, chain = events[index], Chain(context)
    log: EventLog | HistoryLog = context.need(EventLog) if event.log == "event" else context.need(HistoryLog)
    newest, descending = log.last_entry_element, bool(log.order)
    order = oldest_first(f"ST{log.number}", len(log.entries), log.nbr_valid_entries, newest, descending=descending)
    element = order[index - next(at for at, other in enumerate(events) if other.log == event.log)]
    entry, path = log.entries[element], f"entries[{element}]"
    chain.note(f"entry {element}", f"of {len(order)} valid ones, {'descending' if descending else 'ascending'}")
    if isinstance(entry.time, datetime) and event.at is not None:
        explain_time(chain, entry.time, event.at, times, chain.cite(log.number, f"{path}.time"))
    if entry.sequence is not None:
        chain.note(f"sequence {entry.sequence}", "SEQ_NBR", chain.cite(log.number, f"{path}.sequence"))
    chain.note(f"user {entry.user_id}", "USER_ID", chain.cite(log.number, f"{path}.user_id"))
    whose = "the vendor's own" if entry.manufacturer else "of the standard"
    chain.note(f"code {entry.code}", f"{whose}: {event.name}", chain.cite(log.number, f"{path}.code"))
    if entry.argument:
        chain.note(f"argument {event.argument}", "as it came", chain.cite(log.number, f"{path}.argument"))
    return chain.done(text=event.name)


def explain_block_register(context: Context, block: IntervalBlock, octets: TableOctets) -> Derivation:
    """Return the steps to the register at the end of a block: BLOCK_END_READ, else BLOCK_END_PULSE."""
    chain, table = Chain(context), next(table for table, number in TABLES.items() if number == block.data_set)
    control = context.need(ProfileControl).sets[block.data_set - 1]
    if block.source is None or block.stop_register is None or control is None:
        raise Unexplained("the block has no register at its end")
    layout = BlockLayout.of(context, block.data_set, closure=False)  # what comes after the readings does not matter
    index = block.channel - 1 - sum(context.st61.of_set(number, "nbr_chns") for number in range(1, block.data_set))
    channel, path = control.channels[index], f"sets[{block.data_set - 1}].channels[{index}]"
    start = block.source.offset + layout.time_width + index * layout.channel_width
    scale = context.quirks.interval_scale
    source, field = channel.lp_source_select, "lp_source_select"
    if layout.reading is not None and channel.end_rdg_flag:
        cited = cite_octets(octets, table, start, layout.reading.width, "BLOCK_END_READ")
        raw = layout.reading.decode(cited.octets)
        if channel.end_blk_rdg_source_select != UNUSED:
            source, field = channel.end_blk_rdg_source_select, "end_blk_rdg_source_select"
        scale = context.quirks.register_scale
        why = number_format(context, 1)
    else:
        start += layout.reading.width if layout.reading is not None else 0
        cited = cite_octets(octets, table, start, 4, "BLOCK_END_PULSE")
        raw, why = int.from_bytes(cited.octets, context.order), "UINT32"
    if raw is None:
        raise Unexplained("the register at the end of the block holds no number")
    chain.start(Fraction(raw), "raw number", why, cited)
    chain.note(f"source {source}", f"{field.upper()} of channel {block.channel}", chain.cite(62, f"{path}.{field}"))
    measure = explain_source(chain, source, scale)
    if measure is not None and measure.unit != block.unit:
        power = measure.prefix_power - _prefix_power(block.unit, measure.word)
        chain.apply("×", Fraction(10) ** power, "unit", f"{measure.unit} as {block.unit}")
    return chain.done(block.unit)


def _prefix_power(unit: str, word: str) -> int:
    return {"k": 3, "M": 6, "G": 9}.get(unit.removesuffix(word), 0)
