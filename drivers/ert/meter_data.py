"""Confirmed messages of one meter as the data of a meter: exact values, each with the digits that it was read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from drivers.data import Direction, Event, Identity, IntervalBlock, MeterData, Problem, Register, Source
from drivers.ert.intervals import Before, Interval, Series, heard_messages, series_of
from drivers.ert.message import INTERVAL_S, ErtMessage, Kind, Place
from drivers.memory import LogMemory, MeterMemory, SetMemory

PROFILE = "ert"
TAMPER = "tamper"  # the table name of the counters in the memory
TAMPER_ATTEMPT = 47  # of the standard event codes
LAYOUT = {"idm": "idm 47×9", "netidm": "netidm 27×14"}
NAMES: dict[Kind, str] = {"scm": "SCM", "scmplus": "SCM+", "idm": "IDM", "netidm": "NetIDM"}
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Billing:
    """What is on record of a meter, which its messages do not tell."""

    multiplier: Decimal = Decimal(1)
    unit: str = "kWh"
    commodity: str | None = None
    unit_given: bool = True


def meter_data(
    heard: Sequence[tuple[ErtMessage, datetime]], billing: Billing, memory: MeterMemory | None = None
) -> MeterData:
    """Return the newest register and all intervals of messages that agree with each other, oldest first, at least one.

    `memory`: what the delivery before left. Tamper counters that moved since are events.
    """
    newest, at = heard[-1]
    known = memory if memory is not None and memory.meter_id == str(newest.meter_id) else None
    series = series_of(heard_messages(heard), _before(known))
    events = _tampering(newest, at, known)
    remarks = dict.fromkeys(remark for message, _ in heard for remark in message.remarks)
    remarks |= dict.fromkeys(remark for one in series for remark in one.remarks)
    problems = [Problem(f"{NAMES[newest.kind]} intervals", remark, lost=False) for remark in remarks]
    return MeterData(
        identity=Identity(meter_id=str(newest.meter_id), model=NAMES[newest.kind]),
        profile=PROFILE,
        method="radio",
        registers=_registers(newest, billing),
        blocks=tuple(_block(one, newest, billing) for one in series),
        events=events,
        problems=(*problems, *_doubts(newest, billing)),
        memory=_memory(newest, series, known),
        authenticated=False,
    )


def tampered(data: MeterData) -> bool:
    """Tell whether a tamper counter moved since the delivery before."""
    return bool(data.events)


def _registers(message: ErtMessage, billing: Billing) -> tuple[Register, ...]:
    direction: Direction = "net" if message.kind == "netidm" else "delivered"
    found = [_register(message, billing, direction, message.count, message.place)]
    if message.generation is not None and message.generation_place is not None:
        found.append(_register(message, billing, "received", message.generation, message.generation_place))
    return tuple(found)


def _register(message: ErtMessage, billing: Billing, direction: Direction, count: int, place: Place) -> Register:
    octets = message.line[place.offset : place.offset + place.length]
    return Register(
        quantity=billing.unit,
        direction=direction,
        kind="cumulative",
        tier=0,
        raw=str(count),
        value=count * billing.multiplier,
        multiplier=billing.multiplier,
        unit=billing.unit,
        source=Source(f"rtl_433 {NAMES[message.kind]}", place.offset, place.length, octets),
    )


def _block(series: Series, newest: ErtMessage, billing: Billing) -> IntervalBlock:
    ended = _whole_second(series.last_ended_at)
    multiplier = billing.multiplier
    counts = tuple(one.count for one in series.intervals)
    return IntervalBlock(
        channel=1,
        quantity=billing.unit,
        direction="net" if newest.kind == "netidm" else "delivered",
        unit=billing.unit,
        interval_s=INTERVAL_S,
        first_interval_end=ended - timedelta(seconds=INTERVAL_S * (len(counts) - 1)),
        counts=counts,
        multiplier=multiplier,
        values=tuple(None if count is None else count * multiplier for count in counts),
        status=tuple(map(_status, series.intervals)),
        start_register=None if series.start_count is None else series.start_count * multiplier,
        stop_register=series.stop_count * multiplier,
        maximum_count=511 if newest.kind == "idm" else 16_383,
        sequence=series.last_number,
        source=None,
    )


def _status(interval: Interval) -> tuple[str, ...]:
    words = (
        ("missing", interval.count is None),
        ("overflow", interval.saturated and interval.count is not None),
        ("power_outage", interval.outage),
    )
    return tuple(word for word, applies in words if applies)


def _tampering(message: ErtMessage, at: datetime, memory: MeterMemory | None) -> tuple[Event, ...]:
    """Return an event for counters that moved: a two-bit counter tells only by its change that something happened."""
    now = _counters(message)
    before = next((log.octets for log in memory.logs if log.table == _tamper_table(message)), now) if memory else now
    if now == before:
        return ()
    argument = f"{before.hex()}{now.hex()}"
    return (Event(at=at, code=TAMPER_ATTEMPT, name="tamper_attempt", argument=argument),)


def _doubts(message: ErtMessage, billing: Billing) -> list[Problem]:
    """Say where plan and message disagree; the plan wins."""
    found: list[str] = []
    sent, planned = message.commodity, billing.commodity
    if planned and sent and sent != planned and not message.is_ambiguous:
        found.append(f"the meter says that it is one for {sent} (type {message.type}), the read plan says {planned}")
    if planned in {"gas", "water"} and not billing.unit_given:
        found.append(f"the read plan names no unit for this {planned} meter: {billing.unit} is only the default")
    return [Problem("read plan", why, lost=False) for why in found]


def _before(memory: MeterMemory | None) -> Before | None:
    for kept in memory.sets if memory is not None else ():
        count = kept.counts[0] if kept.counts else None
        if kept.configuration in LAYOUT.values() and count is not None and count.isdigit():
            return Before(kept.sequence, kept.interval_end, int(count))
    return None


def _memory(message: ErtMessage, series: Sequence[Series], known: MeterMemory | None) -> MeterMemory:
    sets = known.sets if known is not None else ()
    if series:
        last = series[-1]
        kept = SetMemory(
            data_set=1,
            sequence=last.last_number,
            interval_end=last.last_ended_at,
            counts=(str(last.stop_count),),
            configuration=LAYOUT[message.kind],
        )
        sets = (kept,)
    return MeterMemory(
        meter_id=str(message.meter_id),
        sets=sets,
        logs=(LogMemory(_tamper_table(message), 0, _counters(message)),),
    )


def _tamper_table(message: ErtMessage) -> str:
    return f"{TAMPER} {message.kind}"


def _counters(message: ErtMessage) -> bytes:
    width = 2 if message.kind == "scmplus" else 1
    return b"".join(counter.to_bytes(width, "big") for counter in message.tamper)


def _whole_second(at: datetime) -> datetime:
    return (at + _SECOND / 2).replace(microsecond=0)
