"""`metersim.expect/1`: what a correct reader must find, visit by visit. Numbers that can be billed are decimal strings.

Names, units and words are those of the reading document `mrsp.reading/1`; unknown keys are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

import msgspec

SCHEMA = "metersim.expect/1"
Outcome = Literal["pass", "fail", "either"]


class _Part(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Left out when there is nothing to say."""


class PastRegisterPart(_Part, frozen=True, kw_only=True):
    """A summation as it was read last: `value` in `quantity`, which is the unit."""

    quantity: str
    direction: str
    tier: int
    value: str
    phase: str = ""


class MultiplierPart(_Part, frozen=True, kw_only=True):
    """What a summation has to be multiplied by, as whoever installed the meter wrote it down."""

    quantity: str
    direction: str
    multiplier: str


class RecordPart(_Part, frozen=True, kw_only=True):
    """What is on record before the visit: what a reader must be given for the checks to be as foretold."""

    meter_id: str
    zone: str | None = None  # IANA name, where there is one for the scenario's zone
    dials: int | None = None
    channels: int | None = None
    last_read_at: str | None = None  # the visit before
    registers: tuple[PastRegisterPart, ...] = ()  # as they were found then
    multipliers: tuple[MultiplierPart, ...] = ()


class MeterPart(_Part, frozen=True, kw_only=True):
    """Who the meter says it is."""

    meter_id: str
    serial_number: str
    manufacturer: str
    model: str
    hardware_version: str
    firmware_version: str


class ClockPart(_Part, frozen=True, kw_only=True):
    """The meter's clock, and how far it is ahead of true time."""

    meter_time: str
    meter_offset_s: str


class StatusPart(_Part, frozen=True, kw_only=True):
    mode: tuple[str, ...]
    flags: tuple[str, ...]


class RegisterPart(_Part, frozen=True, kw_only=True):
    """One register value: `value = raw × multiplier` (+ offset), in `unit`."""

    table: str
    quantity: str
    direction: str
    kind: str
    tier: int
    season: str
    period: str
    raw: str
    value: str
    multiplier: str
    unit: str
    occurred_at: str | None = None
    period_end: str | None = None
    phase: str | None = None
    extreme: str | None = None
    continuous: bool | None = None
    occurrence: int | None = None
    self_read: int | None = None


class BlockPart(_Part, frozen=True, kw_only=True):
    """The intervals of one channel that the meter holds, in one stored block; interval k ends k steps after the first.

    `pulses` are the counts as recorded, null where a reader must have none. `passed` is what really went through the
    meter, in `unit`, where some of it is not in the values.
    """

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
    data_set: int | None = None
    sequence: int
    start_register: str | None = None
    stop_register: str | None = None
    passed: tuple[str, ...] | None = None

    def ends(self) -> Iterator[str]:
        """Yield the ends of the intervals."""
        first, length = datetime.fromisoformat(self.first_interval_end), timedelta(seconds=self.interval_s)
        return ((first + k * length).isoformat().replace("+00:00", "Z") for k in range(len(self.pulses)))


class EventPart(_Part, frozen=True, kw_only=True):
    """One entry of a log. `ambiguous`: in the hour that the wall clock repeats; `at` is its first pass then."""

    log: str
    sequence: int
    at: str
    code: int
    name: str
    user_id: int
    argument: int | None = None
    ambiguous: bool | None = None


class CheckPart(_Part, frozen=True, kw_only=True):
    """What a check must come to. `either`: it depends on what a reader reads besides what is new, or how exactly.

    `intervals` are the ends of those that the result must name, by channel, of all that the meter holds; `may_name` are
    those that it may name or not.
    """

    check: str
    outcome: Outcome
    because: str = ""
    intervals: dict[str, tuple[str, ...]] | None = None
    may_name: dict[str, tuple[str, ...]] | None = None


class UsePart(_Part, frozen=True, kw_only=True):
    """Energy since the last visit (since the installation, at the first): what was used, and what the meter counted."""

    source: str
    unit: str
    used: str
    counted: str


class HappeningPart(_Part, frozen=True, kw_only=True):
    """Something that really happened since the last visit, at a true time, whatever the meter noticed of it."""

    at: str
    what: str


class VisitPart(_Part, frozen=True, kw_only=True):
    """One visit. Times are UTC by the meter's own clock, but for `at` and those of `really`."""

    at: str
    record: RecordPart
    meter: MeterPart
    clock: ClockPart | None = None
    meter_status: StatusPart
    registers: tuple[RegisterPart, ...]
    interval_blocks: tuple[BlockPart, ...]
    events: tuple[EventPart, ...]
    checks: tuple[CheckPart, ...]
    energy: tuple[UsePart, ...] = ()
    really: tuple[HappeningPart, ...] = ()


class ExpectationPart(_Part, frozen=True, kw_only=True):
    """All visits to the meter of one scenario. `scenario_sha256` is of everything that the scenario was made of."""

    schema: str
    scenario: str
    scenario_sha256: str
    seed: int
    rule_set: str
    profile: dict[str, str] | None = None  # quirks that a reader must know: keys and values of `[c1219]`
    visits: tuple[VisitPart, ...]
