"""What a correct reader must find in a simulated meter: computed from the model, never by decoding tables.

Values are primary, in `unit`; `raw` and counts are what the meter stores. Interval status words are those of the
reading document. Times are UTC by the meter's own clock, to the resolution in which the meter stores them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cache

from metersim.meter.billing import DataBlock, RegisterSet
from metersim.meter.calendar import wall
from metersim.meter.clock import MICROSECONDS
from metersim.meter.events import LoggedEvent
from metersim.meter.lists import EVENTS, HISTORY, SELF_READS
from metersim.meter.memory import Block, Counting, Interval, Memory, common_bits, nibble, simply_valid
from metersim.meter.model import Meter, PastSet
from metersim.meter.quantity import Scaling
from metersim.meter.scenario import Log


@dataclass(frozen=True, slots=True)
class TruthRegister:
    """One register value."""

    table: str
    quantity: str  # the unit again: kWh, kW, V …
    direction: str
    kind: str  # cumulative, demand, cumulative_demand, coincident, instantaneous
    tier: int
    value: Decimal
    unit: str
    raw: Decimal
    multiplier: Decimal
    source: str  # the scenario's name for it
    period: str = "present"
    season: str = "current"
    period_end: datetime | None = None
    occurred_at: datetime | None = None
    occurrence: int = 0
    minimum: bool = False
    continuous: bool = False  # of a cumulative demand: the running one
    self_read: int = 0
    offset: Decimal = Decimal(0)
    phase: str = ""


@dataclass(frozen=True, slots=True)
class TruthBlock:
    """One block of one channel, oldest interval first; a value is None where a reader must not have one."""

    data_set: int
    channel: int
    sequence: int
    quantity: str
    direction: str
    unit: str
    interval_s: int
    ends: tuple[datetime, ...]
    counts: tuple[Decimal | int | None, ...]
    values: tuple[Decimal | None, ...]
    status: tuple[tuple[str, ...], ...]
    pulses: tuple[int, ...]  # what really went through the meter, whatever was recorded of it
    multiplier: Decimal
    start_register: Decimal | None = None  # where blocks keep a reading or counter of their end
    stop_register: Decimal | None = None


@dataclass(frozen=True, slots=True)
class TruthEvent:
    """One entry of a log. `ambiguous`: in the hour that the wall clock repeats; `at` is its first pass then."""

    log: str
    sequence: int
    at: datetime
    code: int
    user_id: int
    argument: int = 0
    ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class Truth:
    """One meter at one moment of true time."""

    scenario: str
    seed: int
    at: datetime
    meter_id: str
    serial_number: str
    manufacturer: str
    model: str
    hardware_version: str
    firmware_version: str
    mode: tuple[str, ...]
    flags: tuple[str, ...]
    clock_offset_s: Decimal | None  # meter minus true time; None without a clock
    meter_time: datetime | None
    registers: tuple[TruthRegister, ...] = ()
    blocks: tuple[TruthBlock, ...] = ()
    events: tuple[TruthEvent, ...] = ()
    utility: dict[str, str] = field(default_factory=dict)


def truth_of(meter: Meter, true_us: int) -> Truth:
    """Everything that can be read from this meter at this true time (microseconds since 1970)."""
    identity = meter.scenario.identity
    clock = meter.scenario.clock is not None
    return Truth(
        scenario=meter.scenario.title,
        seed=meter.seed,
        at=_exact(true_us),
        meter_id=meter.meter_id,
        serial_number=identity.serial_number or identity.meter_id,
        manufacturer=identity.manufacturer,
        model=identity.model,
        hardware_version=identity.hardware,
        firmware_version=identity.firmware,
        mode=("metering",) if meter.mode == "metering" else ("metering", meter.mode),
        flags=meter.flags,
        clock_offset_s=Decimal(meter.clock.shows(true_us) - true_us) / MICROSECONDS if clock else None,
        meter_time=wall(meter.now(true_us)) if clock else None,
        registers=tuple(_all_registers(meter, true_us)),
        blocks=tuple(
            truth
            for number, memory in sorted(meter.memories.items())
            for truth in _blocks(meter, number, memory, meter.now(true_us))
        ),
        events=tuple(_events(meter, true_us)),
        utility=dict(identity.utility or {}),
    )


def _exact(true_us: int) -> datetime:
    return wall(true_us // MICROSECONDS).replace(microsecond=true_us % MICROSECONDS)


def _stime(meter: Meter, at: int | None) -> datetime | None:
    """A time as STIME_DATE keeps it: whole minutes, except in TM_FORMAT 4; the repeated hour as its first pass."""
    if at is None or not meter.scenario.registers.times:
        return None
    read, _ = meter.calendar.read_back(at)
    return wall(read if meter.scenario.layout.time_format == 4 else read // 60 * 60)


def _all_registers(meter: Meter, true_us: int) -> list[TruthRegister]:
    found = _register_set(meter, meter.registers(true_us), "ST23")
    season, reset = meter.previous_season(true_us), meter.previous_reset(true_us)
    if season is not None:
        found += _register_set(meter, season.registers, "ST24", season, season="previous")
    if reset is not None:
        found += _register_set(meter, reset.registers, "ST25", reset, period="previous_reset")
    for read in meter.self_reads(true_us):
        if read.sequence <= _cleared(meter, SELF_READS):
            continue
        found += _register_set(meter, read.registers, "ST26", read, period="self_read")
    return found + _present(meter, true_us)


def _register_set(
    meter: Meter,
    registers: RegisterSet,
    table: str,
    past: PastSet | None = None,
    *,
    period: str = "present",
    season: str = "current",
) -> list[TruthRegister]:
    common = {"table": table, "period": period, "season": season}
    if past is not None:
        common["period_end"] = _stime(meter, past.end)  # type: ignore[assignment]
        common["self_read"] = past.sequence  # type: ignore[assignment]
    blocks = [registers.total, *registers.tiers]
    return [register for tier, block in enumerate(blocks) for register in _block_registers(meter, tier, block, common)]


def _block_registers(meter: Meter, tier: int, block: DataBlock, common: dict[str, str]) -> list[TruthRegister]:
    chosen = meter.scenario.registers
    found = []
    for name, pulses in zip(chosen.summations, block.summations, strict=True):
        found.append(_register(meter.scalings[name], pulses, kind="cumulative", tier=tier, **common))
    for index, (demand, state) in enumerate(zip(chosen.demands, block.demands, strict=True)):
        scaling = meter.scalings[demand.source]
        shared = {"tier": tier, "minimum": demand.minimum, **common}
        if chosen.cumulative:
            found.append(_register(scaling, state.cumulative, kind="cumulative_demand", **shared))
        if chosen.continuous:
            running = state.cumulative + state.occurrences[0].pulses
            found.append(_register(scaling, running, kind="cumulative_demand", continuous=True, **shared))
        others = [meter.scalings[c.source] for c in chosen.coincidents if c.demand == index]
        for number, occurrence in enumerate(state.occurrences):
            when = {"occurred_at": _stime(meter, occurrence.at), "occurrence": number}
            found.append(_register(scaling, occurrence.pulses, kind="demand", **when, **shared))
            for other, pulses in zip(others, occurrence.coincident, strict=True):
                found.append(_register(other, pulses, kind="coincident", **when, tier=tier, **common))
    return found


def _register(scaling: Scaling, pulses: int, **fields: object) -> TruthRegister:
    return TruthRegister(
        quantity=scaling.unit,
        direction=_direction(scaling),
        value=scaling.read(pulses),
        unit=scaling.unit,
        raw=scaling.raw_of(pulses),
        multiplier=scaling.multiplier,
        source=scaling.source.name,
        offset=scaling.offset,
        phase=scaling.source.phase,
        **fields,  # type: ignore[arg-type]
    )


def _direction(scaling: Scaling) -> str:
    """What has no direction, as volts, is reported as the total."""
    return "total" if scaling.source.direction == "none" else scaling.source.direction


def _present(meter: Meter, true_us: int) -> list[TruthRegister]:
    """ST28: the demand of the interval in progress, and the values of this moment."""
    found = []
    for name in meter.scenario.registers.present_demands:
        pulses, _ = meter.present_demand(name, true_us)
        found.append(_register(meter.scalings[name], pulses, table="ST28", kind="instantaneous", tier=0))
    for name in meter.scenario.registers.present_values:
        scaling = meter.scalings[name]
        kind = "cumulative" if scaling.source.load else "instantaneous"
        found.append(_register(scaling, meter.total_pulses(name, true_us), table="ST28", kind=kind, tier=0))
    return found


def _blocks(meter: Meter, number: int, memory: Memory, at: int) -> list[TruthBlock]:
    first = 1 + sum(len(earlier.countings) for other, earlier in meter.memories.items() if other < number)
    return [
        _block(meter, number, memory, block, channel, first)
        for block in memory.blocks(at, meter.clock)
        for channel in range(len(memory.countings))
    ]


def _block(meter: Meter, number: int, memory: Memory, block: Block, channel: int, first: int) -> TruthBlock:
    profile = meter.scenario.profile
    assert profile is not None  # noqa: S101 - there is a memory
    counting = memory.countings[channel]
    scaling = counting.scaling
    read = [_reading(profile.status, interval, memory.countings, channel) for interval in block.intervals]
    factor = counting.value_per_count
    return TruthBlock(
        data_set=number,
        channel=first + channel,
        sequence=block.number,
        quantity=scaling.unit,
        direction=_direction(scaling),
        unit=scaling.unit,
        interval_s=memory.length,
        ends=tuple(wall(interval.end) for interval in block.intervals),
        counts=tuple(count for count, _ in read),
        values=tuple(None if count is None else count * factor for count, _ in read),
        status=tuple(words for _, words in read),
        pulses=tuple(interval.pulses[channel] for interval in block.intervals),
        multiplier=factor,
        start_register=_end_register(meter, counting, block.begin),
        stop_register=_end_register(meter, counting, block.end),
    )


def _end_register(meter: Meter, counting: Counting, at: int) -> Decimal | None:
    """What the block keeps of the register at its end: a reading, else the counter of 32 bits."""
    profile, channel = meter.scenario.profile, counting.channel
    if profile is not None and profile.end_readings and channel.end_source:
        return meter.reading_at(channel.end_source, at)
    if profile is None or not profile.end_pulses:
        return None
    counts = int(counting.per_pulse * meter.total_pulses_at(channel.source, at)) % (1 << 32)
    return counts * counting.value_per_count


_NIBBLE_WORDS = {
    1: ("overflow",), 2: ("partial",), 3: ("long",), 4: ("skipped", "missing"), 5: ("test_mode",),
}  # fmt: skip
_NO_VALUE = 4


def _reading(
    kind: str, interval: Interval, countings: Sequence[Counting], channel: int
) -> tuple[Decimal | int | None, tuple[str, ...]]:
    """Count and status words of one interval, as far as this kind of status tells them."""
    counting, pulses = countings[channel], interval.pulses[channel]
    recorded = 0 if interval.skipped else counting.count(pulses)
    at_maximum = counting.maximum is not None and recorded == counting.maximum
    match kind:
        case "none":
            return recorded, ("overflow",) if at_maximum else ()
        case "simple":
            if simply_valid(interval, countings, alone=True):
                return recorded, ()
            return None, ("overflow",) if at_maximum else ("missing",)
        case _:
            gravest = nibble(interval, counting, pulses)
            return None if gravest == _NO_VALUE else recorded, _words(gravest, common_bits(interval))


@cache
def _words(gravest: int, common: int) -> tuple[str, ...]:
    """Status words of the nibble of a channel and of the common bits."""
    words = [*_NIBBLE_WORDS.get(gravest, ())]
    words += [word for bit, word in ((1, "daylight_saving"), (2, "power_outage")) if common & bit]
    words += ["clock_adjusted"] if common & 12 else []
    return tuple(sorted(words))


def _events(meter: Meter, true_us: int) -> list[TruthEvent]:
    log = meter.scenario.log
    if log is None:
        return []
    events = meter.events(true_us)
    kept = [("event", event) for event in events[-log.entries :] if event.sequence > _cleared(meter, EVENTS)]
    if log.history_entries:
        people = meter.history(true_us)[-log.history_entries :]
        kept += [("history", event) for event in people if event.sequence > _cleared(meter, HISTORY)]
    return [_event(meter, log, name, event) for name, event in kept]


def _cleared(meter: Meter, which: int) -> int:
    return meter.done.cleared.get(which, 0)


def _event(meter: Meter, log: Log, name: str, event: LoggedEvent) -> TruthEvent:
    at, ambiguous = meter.calendar.read_back(event.at)
    return TruthEvent(
        log=name,
        sequence=event.sequence,
        at=wall(at),
        code=event.code,
        user_id=event.user_id,
        argument=event.argument if log.argument_octets else 0,
        ambiguous=ambiguous,
    )
