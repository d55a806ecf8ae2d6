"""Turn what a driver brought home into the reading document: the one place where both vocabularies meet."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from agent.order import Order
from agent.reading import (
    BlockPart,
    CheckResult,
    ClockPart,
    EventPart,
    MeterPart,
    ProblemPart,
    Provenance,
    Reading,
    RegisterPart,
    SitePart,
    StatusPart,
)
from agent.utc_text import utc_text
from drivers.data import Event, IntervalBlock, MeterData, Register, Source
from drivers.decimal_text import plain

SCHEMA = "mrsp.reading/1"


@dataclass(frozen=True, slots=True)
class Visit:
    """The frame of a reading: when, by whom."""

    agent_id: str
    started_at: datetime
    finished_at: datetime


def build_reading(
    order: Order, data: MeterData, visit: Visit, clock: ClockPart, checks: tuple[CheckResult, ...]
) -> Reading:
    """Compose the document. `sequence` is 0 until the spool gives it its place in the agent's stream."""
    return Reading(
        schema=SCHEMA,
        reading_id=str(uuid7(visit.finished_at)),
        agent_id=visit.agent_id,
        sequence=0,
        order_id=order.order_id,
        purpose=order.purpose,
        method=data.method,
        read_started_at=utc_text(visit.started_at),
        read_finished_at=utc_text(visit.finished_at),
        meter=_meter(order, data),
        site=_site(order),
        clock=clock,
        registers=tuple(_register(register, order) for register in data.registers),
        interval_blocks=tuple(_block(block) for block in data.blocks),
        events=tuple(_event(event) for event in data.events),
        meter_status=None
        if data.status is None
        else StatusPart(
            mode=data.status.mode, flags=data.status.flags, manufacturer=data.status.manufacturer.hex() or None
        ),
        checks=checks,
        problems=tuple(ProblemPart(what=p.what, reason=p.reason, lost=p.lost) for p in data.problems) or None,
        quality="raw",
    )


def encode(reading: Reading) -> bytes:
    """Return the document as UTF-8 JSON, keys in the order of the contract."""
    return msgspec.json.encode(reading)


def uuid7(at: datetime) -> UUID:
    """Return a UUID version 7 (RFC 9562 §5.7): 48 bits of Unix milliseconds, then random bits."""
    milliseconds = int(at.timestamp() * 1000)
    number = (milliseconds & (1 << 48) - 1) << 80 | secrets.randbits(80)
    return UUID(int=number & ~(0xF << 76) & ~(0b11 << 62) | 0x7 << 76 | 0b10 << 62)


def _meter(order: Order, data: MeterData) -> MeterPart:
    who = data.identity
    return MeterPart(
        meter_id=who.meter_id or None,
        expected_meter_id=order.expected_meter_id,
        nameplate_id=order.nameplate_id,
        manufacturer=who.manufacturer or None,
        model=who.model or None,
        serial_number=who.serial_number or None,
        hardware_version=who.hardware_version or None,
        firmware_version=who.firmware_version or None,
        profile=data.profile or None,
    )


def _site(order: Order) -> SitePart | None:
    site = SitePart(
        service_delivery_point_id=order.site.service_delivery_point_id,
        account_id=order.site.account_id,
        customer_name=order.site.customer_name,
    )
    return None if site == SitePart() else site


def _register(register: Register, order: Order) -> RegisterPart:
    dials = order.dials if register.kind == "cumulative" and order.dials else register.digits
    raw = register.raw
    if dials and raw.isdigit():
        raw = raw.zfill(dials)  # leading zeros as displayed
    return RegisterPart(
        quantity=register.quantity,
        direction=register.direction,
        kind=register.kind,
        tier=register.tier,
        season=register.season,
        period=register.period,
        raw=raw,
        value=None if register.value is None else plain(register.value),
        multiplier=plain(register.multiplier),
        unit=register.unit,
        dials=dials,
        decimals=_decimals(raw),
        occurred_at=_optional_time(register.occurred_at),
        period_end=_optional_time(register.period_end),
        phase=register.phase or None,
        extreme="minimum" if register.minimum else None,
        continuous=register.continuous or None,
        occurrence=register.occurrence or None,
        self_read=register.self_read or None,
        offset=plain(register.offset) if register.offset else None,
        provenance=_provenance(register.source),
    )


def _decimals(raw: str) -> int | None:
    """Count the decimal places of a raw register as the meter holds it."""
    whole, point, places = raw.partition(".")
    if not whole.lstrip("+-").isdigit():
        return None
    return len(places) if point else 0


def _block(block: IntervalBlock) -> BlockPart:
    return BlockPart(
        channel=block.channel,
        quantity=block.quantity,
        direction=block.direction,
        unit=block.unit,
        interval_s=block.interval_s,
        first_interval_end=utc_text(block.first_interval_end),
        pulses=tuple(count if count is None or isinstance(count, int) else plain(count) for count in block.counts),
        multiplier=plain(block.multiplier),
        values=tuple(None if value is None else plain(value) for value in block.values),
        status=block.status,
        start_register=_optional_number(block.start_register),
        stop_register=_optional_number(block.stop_register),
        offset=plain(block.offset) if block.offset else None,
        data_set=block.data_set if block.data_set != 1 else None,
        sequence=block.sequence,
        provenance=_provenance(block.source),
    )


def _event(event: Event) -> EventPart:
    return EventPart(
        at=_optional_time(event.at),
        code=event.code,
        name=event.name,
        argument=event.argument or None,
        manufacturer=True if event.manufacturer else None,
        sequence=event.sequence,
        user_id=event.user_id,
        log=event.log if event.log != "event" else None,
    )


def _provenance(source: Source | None) -> Provenance | None:
    if source is None:
        return None
    return Provenance(
        table=source.table, offset=source.offset, length=source.length, octets=source.octets.hex() or None
    )


def _optional_time(at: datetime | None) -> str | None:
    return None if at is None else utc_text(at)


def _optional_number(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)
