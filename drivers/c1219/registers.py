"""ST22–ST28 as registers: quantity, direction, kind, tier, raw and scaled value, time, and where each came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import partial

from drivers.c1219.context import Context, Decoded
from drivers.c1219.decade2 import (
    CurrentRegisters,
    DataBlock,
    DataSelection,
    PresentRegisters,
    PresentSelection,
    PreviousReset,
    PreviousSeason,
    RegisterData,
    RegisterInformation,
    SelfReads,
)
from drivers.c1219.logs import oldest_first
from drivers.c1219.number import Number
from drivers.c1219.scaling import UNUSED, Scale, scale_of
from drivers.c1219.times import MeterTimes
from drivers.data import Kind, Period, Problem, Register, Season
from drivers.errors import DataError


def registers_of(context: Context, times: MeterTimes) -> tuple[list[Register], list[Problem]]:
    """Return every register of the tables ST23–ST26 and ST28 that are in the context, in this order.

    A value that the meter does not have (NaN, all-F BCD) is a problem, never zero; unused slots (selector 255) are
    left out. Present values of ST28 are `instantaneous` whatever their unit. What cannot be scaled keeps its raw text
    with no value, and a problem. Never raises.
    """
    collector = _Collector(context, times)
    for read in (_current, _season, _reset, _self_reads, _present):
        try:
            read(collector)
        except DataError as error:
            collector.problems.append(Problem("registers", str(error)))
    if times.problem and collector.undated:
        collector.remark(f"{collector.undated} times", times.problem)
    return collector.registers, collector.problems


@dataclass(frozen=True, slots=True)
class _Place:
    """What the registers of one stored set of data have in common."""

    decoded: Decoded
    path: str
    season: Season = "current"
    period: Period = "present"
    period_end: datetime | None = None
    self_read: int = 0


@dataclass(frozen=True, slots=True)
class _Slot:
    """One number in a data block: which source, what kind, which tier and occurrence."""

    source: int
    kind: Kind
    tier: int = 0
    occurred_at: datetime | None = None
    minimum: bool = False
    occurrence: int = 0
    continuous: bool = False


@dataclass(slots=True)
class _Collector:
    context: Context
    times: MeterTimes
    registers: list[Register] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    undated: int = 0
    scales: dict[int, Scale] = field(default_factory=dict)

    def remark(self, what: str, reason: str, *, lost: bool = False) -> None:
        self.problems.append(Problem(what, reason, lost))

    def utc(self, wall: datetime | None, what: str) -> datetime | None:
        """Return a stored time in UTC, None where there is none; the repeated hour is remarked."""
        if wall is None:
            return None
        instant = self.times.to_utc(wall)
        if instant is None:
            self.undated += 1
            return None
        if instant.ambiguous:
            self.remark(what, f"the time {wall:%Y-%m-%d %H:%M} is ambiguous: {instant.note}")
        return instant.utc

    def scale(self, source: int) -> Scale:
        if source not in self.scales:
            scale = self.scales[source] = scale_of(self.context, source).times(self.context.quirks.register_scale)
            if not scale.measure.known:
                self.remark(f"source {source}", f"its unit of measure is not known ({scale.measure.unit})")
            if scale.problem:
                self.remark(f"source {source}", scale.problem, lost=True)
            if not scale.linear.is_finite:
                self.remark(f"source {source}", "its multiplier has no finite decimal form: values are rounded")
        return self.scales[source]

    def add(self, place: _Place, path: str, raw: Number | None, slot: _Slot) -> None:
        """Add one register, or a problem where the slot has no number."""
        if slot.source == UNUSED:
            return
        scale = self.scale(slot.source)
        measure = scale.measure
        if raw is None:
            what = f"{place.decoded.name} {path}"
            self.remark(what, f"the meter holds no number for {measure.quantity} {measure.direction}", lost=True)
            return
        self.registers.append(
            Register(
                quantity=measure.quantity,
                direction=measure.direction,
                kind=slot.kind,
                tier=slot.tier,
                raw=f"{Decimal(raw):f}",
                value=scale.value(raw),
                multiplier=scale.multiplier,
                unit=measure.unit,
                season=place.season,
                period=place.period,
                occurred_at=slot.occurred_at,
                period_end=place.period_end,
                phase=measure.phase,
                minimum=slot.minimum,
                continuous=slot.continuous,
                occurrence=slot.occurrence,
                self_read=place.self_read,
                offset=scale.offset,
                source=place.decoded.source(path),
            )
        )


def _current(collector: _Collector) -> None:
    table = collector.context.find(CurrentRegisters)
    if table is not None:
        _data(collector, _Place(collector.context.decoded(23), "data"), table.data)


def _season(collector: _Collector) -> None:
    table = collector.context.find(PreviousSeason)
    if table is not None:
        place = _Place(collector.context.decoded(24), "data", season="previous")
        _ended(collector, place, table.info, table.data, "no season has ended yet")


def _reset(collector: _Collector) -> None:
    table = collector.context.find(PreviousReset)
    if table is not None:
        place = _Place(collector.context.decoded(25), "data", period="previous_reset")
        _ended(collector, place, table.info, table.data, "there was no demand reset yet")


def _self_reads(collector: _Collector) -> None:
    table = collector.context.find(SelfReads)
    if table is None:
        return
    entries = oldest_first(
        "ST26", len(table.entries), table.nbr_valid_entries, table.last_entry_element, descending=bool(table.order)
    )
    for age, element in zip(range(len(entries) - 1, -1, -1), entries, strict=True):
        entry = table.entries[element]
        number = entry.sequence if entry.sequence is not None else max(table.last_entry_seq_nbr - age, 0)
        place = _Place(collector.context.decoded(26), f"entries[{element}].data", period="self_read", self_read=number)
        _ended(collector, place, entry.info, entry.data, "the self read has no end time")


def _ended(collector: _Collector, place: _Place, info: RegisterInformation, data: RegisterData, empty: str) -> None:
    """Add the registers of a period that has ended; one whose end time is blank has not."""
    if info.end_date_time is None and collector.context.st21.date_time_field:
        collector.remark(f"{place.decoded.name} {place.path}", empty)
        return
    end = collector.utc(info.end_date_time, f"{place.decoded.name} END_DATE_TIME")
    _data(collector, replace(place, period_end=end), data)


def _data(collector: _Collector, place: _Place, data: RegisterData) -> None:
    selection = collector.context.need(DataSelection)
    _block(collector, replace(place, path=f"{place.path}.total"), data.total, selection, 0)
    for index, tier in enumerate(data.tiers):
        _block(collector, replace(place, path=f"{place.path}.tiers[{index}]"), tier, selection, index + 1)


def _block(collector: _Collector, place: _Place, block: DataBlock, selection: DataSelection, tier: int) -> None:
    for index, raw in enumerate(block.summations):
        slot = _Slot(selection.summation_select[index], "cumulative", tier)
        collector.add(place, f"{place.path}.summations[{index}]", raw, slot)
    occurred = [list(_times(collector, place, block, index)) for index in range(len(block.demands))]
    for index, demand in enumerate(block.demands):
        path = f"{place.path}.demands[{index}]"
        minimum = index not in selection.min_or_max_flags
        slot = _Slot(selection.demand_select[index], "cumulative_demand", tier, minimum=minimum)
        if demand.cum_demand is not None or collector.context.st21.cum_demand:
            collector.add(place, f"{path}.cum_demand", demand.cum_demand, slot)
        if demand.cont_cum_demand is not None or collector.context.st21.cont_cum_demand:
            continuous = replace(slot, continuous=True)
            collector.add(place, f"{path}.cont_cum_demand", demand.cont_cum_demand, continuous)
        for nth, raw in enumerate(demand.demand):
            maximum = replace(slot, kind="demand", occurred_at=occurred[index][nth], occurrence=nth)
            collector.add(place, f"{path}.demand[{nth}]", raw, maximum)
    for index, coincident in enumerate(block.coincidents):
        at = selection.coin_demand_assoc[index]
        for nth, raw in enumerate(coincident.values):
            when = occurred[at][nth] if at < len(occurred) else None
            slot = _Slot(selection.coincident_select[index], "coincident", tier, when, occurrence=nth)
            collector.add(place, f"{place.path}.coincidents[{index}].values[{nth}]", raw, slot)


def _times(collector: _Collector, place: _Place, block: DataBlock, index: int) -> Iterator[datetime | None]:
    """Yield when each occurrence of a demand was, in UTC."""
    demand = block.demands[index]
    convert = partial(collector.utc, what=f"{place.decoded.name} {place.path}.demands[{index}]")
    yield from map(convert, demand.event_time or (None,) * len(demand.demand))


def _present(collector: _Collector) -> None:
    table = collector.context.find(PresentRegisters)
    if table is None:
        return
    selection = collector.context.need(PresentSelection)
    place = _Place(collector.context.decoded(28), "")
    for index, demand in enumerate(table.present_demands):
        slot = _Slot(selection.present_demand_select[index], "instantaneous")
        collector.add(place, f"present_demands[{index}].demand_value", demand.demand_value, slot)
    for index, raw in enumerate(table.present_values):
        slot = _Slot(selection.present_value_select[index], "instantaneous")
        collector.add(place, f"present_values[{index}]", raw, slot)
