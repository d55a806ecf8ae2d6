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
    HeardPart,
    ItemPlaces,
    MeterPart,
    PositionPart,
    ProblemPart,
    Provenance,
    Reading,
    RecordingPart,
    RegisterPart,
    SecondLookPart,
    SitePart,
    StatusPart,
    VerificationPart,
)
from agent.utc_text import utc_text
from drivers.data import Event, Heard, IntervalBlock, MeterData, MeterStatus, Register, Slots, Source
from drivers.decimal_text import plain

SCHEMA = "mrsp.reading/1"


@dataclass(frozen=True, slots=True)
class Visit:
    """The frame of a reading: when, by whom, and in which zone the meter's local times were read, if one was given.

    `time_known`: whether the two times are more than what an unproven clock claims; else they are left out.
    """

    agent_id: str
    started_at: datetime
    finished_at: datetime
    zone: str | None = None
    time_known: bool = True


def build_reading(
    order: Order,
    data: MeterData,
    visit: Visit,
    clock: ClockPart,
    checks: tuple[CheckResult, ...],
    recording: RecordingPart | None = None,
) -> Reading:
    """Compose the document. `sequence` is 0 until the spool gives it its place in the agent's stream.

    `recording`: that of the visit, which every provenance then names; None if there is none.
    """
    shown_by = recording.sha256 if recording is not None else None
    return Reading(
        schema=SCHEMA,
        reading_id=str(uuid7(visit.finished_at)),
        agent_id=visit.agent_id,
        sequence=0,
        order_id=order.order_id,
        purpose=order.purpose,
        method=data.method,
        read_started_at=utc_text(visit.started_at) if visit.time_known else None,
        read_finished_at=utc_text(visit.finished_at) if visit.time_known else None,
        meter=_meter(order, data),
        site=_site(order, visit.zone),
        clock=clock,
        registers=tuple(register_part(register, order.dials, shown_by) for register in data.registers),
        interval_blocks=tuple(block_part(block, shown_by) for block in data.blocks),
        events=tuple(event_part(event) for event in data.events),
        meter_status=None if data.status is None else status_part(data.status),
        checks=checks,
        recording=recording,
        verification=_verification(data, order.dials, shown_by),
        problems=tuple(ProblemPart(what=p.what, reason=p.reason, lost=p.lost) for p in data.problems) or None,
        quality="raw",
        authenticated=None if data.authenticated else False,
        heard=None if data.heard is None else heard_part(data.heard),
        photos=data.photos or None,
        read_by=data.read_by or None,
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
    seen = data.identity.meter_id if data.method == "manual" else ""
    return msgspec.structs.replace(
        meter_part(data), expected_meter_id=order.expected_meter_id, nameplate_id=seen or order.nameplate_id
    )


def meter_part(data: MeterData) -> MeterPart:
    """Return what the meter says of itself, and the profile that it was read with."""
    who = data.identity
    return MeterPart(
        meter_id=who.meter_id or None,
        manufacturer=who.manufacturer or None,
        model=who.model or None,
        serial_number=who.serial_number or None,
        hardware_version=who.hardware_version or None,
        firmware_version=who.firmware_version or None,
        profile=data.profile or None,
    )


def _site(order: Order, zone: str | None) -> SitePart | None:
    site = SitePart(
        service_delivery_point_id=order.site.service_delivery_point_id,
        account_id=order.site.account_id,
        customer_name=order.site.customer_name,
        zone=zone,
    )
    return None if site == SitePart() else site


def status_part(status: MeterStatus) -> StatusPart:
    """Return the meter's status as the document writes it."""
    return StatusPart(mode=status.mode, flags=status.flags, manufacturer=status.manufacturer.hex() or None)


def register_part(register: Register, order_dials: int | None, recording: str | None) -> RegisterPart:
    """Return a register as the document writes it. `order_dials`: digits on record; `recording`: its SHA-256."""
    dials = register.digits or (order_dials if register.kind == "cumulative" else None)
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
        provenance=_provenance(register.source, recording),
    )


def _decimals(raw: str) -> int | None:
    """Count the decimal places of a raw register as the meter holds it."""
    whole, point, places = raw.partition(".")
    if not whole.lstrip("+-").isdigit():
        return None
    return len(places) if point else 0


def block_part(block: IntervalBlock, recording: str | None) -> BlockPart:
    """Return an interval block as the document writes it. `recording`: its SHA-256."""
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
        provenance=_provenance(block.source, recording, block.slots),
    )


def _verification(data: MeterData, order_dials: int | None, recording: str | None) -> VerificationPart | None:
    first_ns = data.registers_ns
    if first_ns is None or not data.again:
        return None
    looks = (
        SecondLookPart(
            after_s=plain(Decimal((look.at_ns - first_ns) // 1_000_000).scaleb(-3)),
            tables=look.tables,
            registers=tuple(register_part(register, order_dials, recording) for register in look.registers),
        )
        for look in data.again
    )
    return VerificationPart(looks=tuple(looks))


def event_part(event: Event) -> EventPart:
    """Return an event as the document writes it."""
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


def heard_part(heard: Heard) -> HeardPart:
    """Return how it was received as the document writes it."""
    where = heard.position
    return HeardPart(
        count=heard.count,
        first_at=utc_text(heard.first_at),
        last_at=utc_text(heard.last_at),
        best_rssi_db=_optional_number(heard.best_rssi_db),
        best_snr_db=_optional_number(heard.best_snr_db),
        position=None
        if where is None
        else PositionPart(
            latitude=plain(where.latitude),
            longitude=plain(where.longitude),
            at=utc_text(where.at),
            hdop=_optional_number(where.hdop),
        ),
    )


def _provenance(source: Source | None, recording: str | None, slots: Slots | None = None) -> Provenance | None:
    if source is None:
        return None
    places = None
    if slots is not None:
        places = ItemPlaces(offset=slots.place(0)[0], step=slots.step * slots.stride, length=slots.width)
    return Provenance(
        table=source.table,
        offset=source.offset,
        length=source.length,
        octets=source.octets.hex() or None,
        intervals=places,
        recording=recording,
    )


def _optional_time(at: datetime | None) -> str | None:
    return None if at is None else utc_text(at)


def _optional_number(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)
