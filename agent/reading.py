"""The reading document, `mrsp.reading/1`: the contract with the MDSP.

Immutable. Billable numbers are decimal strings, times RFC 3339 UTC with `Z`, unknown keys are left out.
`agent.document` builds it; nothing else does.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Outcome = Literal["pass", "fail", "verified", "skipped"]


class _Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """Left out when unknown: every optional field defaults to None and is omitted."""


class MeterPart(_Part, frozen=True):
    meter_id: str | None = None
    expected_meter_id: str | None = None
    nameplate_id: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    serial_number: str | None = None
    hardware_version: str | None = None
    firmware_version: str | None = None
    profile: str | None = None


class SitePart(_Part, frozen=True):
    service_delivery_point_id: str | None = None
    account_id: str | None = None
    customer_name: str | None = None
    zone: str | None = None  # that the meter's local times were read in, where the order or the box says it


class TimeSourcePart(_Part, frozen=True):
    """What one source said of the agent's clock, and whom it follows itself."""

    source: str  # "chrony", "ntp", "gnss", "kernel"
    name: str
    reference: str
    offset_s: str
    uncertainty_s: str
    stratum: int | None = None
    leap: str | None = None  # "insert", "delete": announced
    smeared: bool | None = None
    authenticated: str | None = None  # "NTS", "key"
    believed: bool | None = None  # false only where the majority contradicts it


class ClockPart(_Part, frozen=True):
    agent_source: str
    corrected: bool
    agent_utc: str | None = None
    agent_uncertainty_s: str | None = None
    agent_offset_s: str | None = None
    agent_synchronized_at: str | None = None
    agent_reference: str | None = None  # what the surest source follows: what the time is traceable to
    agent_stratum: int | None = None
    agent_sources: tuple[TimeSourcePart, ...] | None = None
    agent_leap: str | None = None  # "insert", "delete": at the end of the UTC day
    agent_smeared: bool | None = None  # a source spreads a leap second; counted in the uncertainty
    agent_holdover_s: str | None = None  # since the measurement; negative for a time that was repaired by a later one
    agent_held_over: bool | None = None  # true where no source answered any more
    agent_boot_id: str | None = None
    agent_boottime_s: str | None = None  # CLOCK_BOOTTIME at the moment of `agent_utc`
    agent_time_repaired: bool | None = None  # true: the time was not known yet when the meter was read
    agent_alarm: str | None = None
    agent_check: bool | None = None  # false only where a bench read went without the proof
    meter_time: str | None = None
    meter_offset_s: str | None = None
    link_latency_s: str | None = None
    correction: str | None = None  # what became of the order to correct the meter's clock: "set", "left", "refused" …
    correction_reason: str | None = None
    meter_time_after: str | None = None  # read back after it; `meter_time` and `meter_offset_s` are from before
    meter_offset_after_s: str | None = None
    intervals_changed: tuple[str, ...] | None = None  # in words: which interval became short or long


class RecordingPart(_Part, frozen=True):
    """The recording of the visit: `octets` of it have this SHA-256. It is only ever appended to."""

    sha256: str
    octets: int
    kept_until: str | None = None  # by the agent; left out where somebody else has it


class ItemPlaces(_Part, frozen=True):
    """Where the items of an interval block lie: that of interval k has `length` octets from `offset` + k × `step`."""

    offset: int
    step: int
    length: int


class Provenance(_Part, frozen=True):
    """Where a value lies in what the meter sent."""

    table: str
    offset: int
    length: int
    octets: str | None = None  # hexadecimal
    intervals: ItemPlaces | None = None
    recording: str | None = None  # SHA-256 of the recording that shows it


class RegisterPart(_Part, frozen=True):
    quantity: str
    direction: str
    kind: str
    tier: int
    season: str
    period: str
    raw: str
    unit: str
    multiplier: str
    value: str | None = None
    dials: int | None = None
    decimals: int | None = None
    occurred_at: str | None = None
    period_end: str | None = None
    phase: str | None = None
    extreme: str | None = None  # "minimum"
    continuous: bool | None = None  # of a cumulative demand: the running one
    occurrence: int | None = None
    self_read: int | None = None
    offset: str | None = None
    provenance: Provenance | None = None


class BlockPart(_Part, frozen=True):
    channel: int
    quantity: str
    direction: str
    unit: str
    interval_s: int
    first_interval_end: str
    pulses: tuple[int | str | None, ...]
    multiplier: str
    values: tuple[str | None, ...]
    status: tuple[tuple[str, ...], ...]
    start_register: str | None = None
    stop_register: str | None = None
    offset: str | None = None
    data_set: int | None = None
    sequence: int | None = None
    provenance: Provenance | None = None


class EventPart(_Part, frozen=True):
    code: int
    name: str
    at: str | None = None
    argument: str | None = None
    manufacturer: bool | None = None
    sequence: int | None = None
    user_id: int | None = None
    log: str | None = None


class StatusPart(_Part, frozen=True):
    mode: tuple[str, ...]
    flags: tuple[str, ...]
    manufacturer: str | None = None  # hexadecimal


class CheckResult(_Part, frozen=True):
    """One at-read check. Every applicable check runs; a check that does not apply is `skipped` with its reason."""

    check: str
    outcome: Outcome
    rule_set: str
    clause: str
    measured: str | None = None
    limit: str | None = None
    unit: str | None = None
    reason: str | None = None
    channel: int | None = None
    intervals: tuple[int, ...] | None = None  # indices into the channel's intervals, oldest first over all blocks


class SecondLookPart(_Part, frozen=True):
    """Tables of registers as they were read once more, `after_s` seconds after the registers of the reading."""

    after_s: str
    tables: tuple[str, ...]
    registers: tuple[RegisterPart, ...]


class VerificationPart(_Part, frozen=True):
    """Second looks that failed checks asked for, oldest first. `registers` of the reading stay those of the first."""

    looks: tuple[SecondLookPart, ...]


class ProblemPart(_Part, frozen=True):
    what: str
    reason: str
    lost: bool


class PositionPart(_Part, frozen=True):
    """WGS 84 degrees, and the time of the fix."""

    latitude: str
    longitude: str
    at: str
    hdop: str | None = None


class HeardPart(_Part, frozen=True):
    """How one-way telemetry was received, in place of a session. Without its times the box did not know the time."""

    count: int
    first_at: str | None = None
    last_at: str | None = None
    best_rssi_db: str | None = None
    best_snr_db: str | None = None
    position: PositionPart | None = None


class Reading(_Part, frozen=True, kw_only=True):
    """One visit to one meter. Without its two times it was taken before this box knew the time, and never learnt it."""

    schema: str
    reading_id: str
    agent_id: str
    sequence: int
    purpose: str
    method: str
    read_started_at: str | None = None
    read_finished_at: str | None = None
    meter: MeterPart
    clock: ClockPart
    registers: tuple[RegisterPart, ...]
    interval_blocks: tuple[BlockPart, ...]
    events: tuple[EventPart, ...]
    checks: tuple[CheckResult, ...]
    quality: str
    order_id: str | None = None
    site: SitePart | None = None
    meter_status: StatusPart | None = None
    recording: RecordingPart | None = None
    problems: tuple[ProblemPart, ...] | None = None
    verification: VerificationPart | None = None
    authenticated: bool | None = None  # False: anybody could have sent it
    heard: HeardPart | None = None
    photos: tuple[str, ...] | None = None
    read_by: str | None = None  # the person who read
