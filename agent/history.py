"""What is on record about a meter: what an order carries (`History`), and what the last good read left (`Before`).

Values are in engineering units, multipliers applied, exact. A history that contradicts itself is refused on load: it is
somebody's mistake, and found before anybody drives out. What only the reading can contradict makes a check `skipped`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal

import msgspec

from drivers.data import Direction, MeterData, Register
from drivers.decimal_text import plain

LARGEST = Decimal(10) ** 15
MOST_REGISTERS = 128  # remembered of one read: ten quantities of a dozen tiers
MOST_SETTINGS = 96  # remembered one by one of each section of the configuration; the rest as one digest
LONGEST = 120  # characters of a remembered name or value

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Quantity = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Omittable = Literal["reactive", "high_low_usage", "zero_consumption"]
Settings = dict[str, str]


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A part of an order: every number in it is finite and within what a meter can show."""

    def __post_init__(self) -> None:
        for key in self.__struct_fields__:
            number = getattr(self, key)
            if isinstance(number, Decimal) and not (number.is_finite() and abs(number) <= LARGEST):
                raise ValueError(f"`{key}` must be a number of at most {LARGEST:f} in magnitude, not {number}")


class PastRegister(_Record, frozen=True):
    """A cumulative register as it was billed from last: `value` in the unit that `quantity` names, at `at`."""

    quantity: Quantity  # as the reading names it, e.g. `kWh`
    value: Decimal  # in that unit
    at: Moment  # when it was read
    direction: Direction = "delivered"  # of the energy
    tier: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0  # 0: total
    phase: Annotated[str, msgspec.Meta(max_length=20)] = ""  # empty: all together

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.value < 0 and self.direction != "net":
            raise ValueError("`value` is negative, which only a net register can be")


class PastPeriod(_Record, frozen=True):
    """A past billing period of one quantity. `peak_demand` is of the power that belongs to it: kW to kWh."""

    start: Moment  # RFC 3339, with zone
    end: Moment  # RFC 3339, with zone
    usage: Decimal | None = None  # in the unit of `quantity`
    peak_demand: Decimal | None = None  # in the unit of its power
    quantity: Quantity = "kWh"  # as the reading names it
    direction: Direction = "delivered"  # of the energy

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.end <= self.start:
            raise ValueError(f"the period ends at {self.end}, which is not after its start {self.start}")
        if self.usage is None and self.peak_demand is None:
            raise ValueError("neither `usage` nor `peak_demand` is given")
        for key in ("usage", "peak_demand"):
            number = getattr(self, key)
            if number is not None and number < 0 and self.direction != "net":
                raise ValueError(f"`{key}` is negative, which only net usage can be")


class PastMultiplier(_Record, frozen=True):
    """What a cumulative register must be multiplied by, on record: from `raw` to `value` of the reading."""

    multiplier: Decimal  # above 0
    quantity: Quantity = "kWh"  # as the reading names it
    direction: Direction = "delivered"  # of the energy

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.multiplier <= 0:
            raise ValueError("`multiplier` must be above 0")


class Usual(_Record, frozen=True):
    """What is usual for a customer of irregular usage (UBP A4 1.8, A4 3.11): it replaces the limits of the rule set.

    Percentages are of the historical figure. Only the checks that UBP lets an MDSP leave out can be omitted.
    """

    spike_ratio: Decimal | None = None  # highest interval to the next ones
    spike_ignored_pulses: Decimal | None = None  # a highest interval below it is no spike
    reactive_ignored_pulses: Decimal | None = None  # an interval below it is not looked at
    usage_low: Decimal | None = None  # percent
    usage_high: Decimal | None = None  # percent
    usage_within: Decimal | None = None  # of interval data
    demand_low: Decimal | None = None  # percent
    demand_high: Decimal | None = None  # percent
    omit: Annotated[tuple[Omittable, ...], msgspec.Meta(max_length=3)] = ()  # checks that are left out

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in self.__struct_fields__:
            number = getattr(self, key)
            if isinstance(number, Decimal) and number < 0:
                raise ValueError(f"`{key}` must not be negative")
        for low, high in (("usage_low", "usage_high"), ("demand_low", "demand_high")):
            least, most = getattr(self, low), getattr(self, high)
            if least is not None and most is not None and least > most:
                raise ValueError(f"`{low}` is above `{high}`")


class History(_Record, frozen=True):
    """What the order has on record about meter and customer. Absent parts make their checks `skipped`."""

    registers: Annotated[tuple[PastRegister, ...], msgspec.Meta(max_length=128)] = ()
    periods: Annotated[tuple[PastPeriod, ...], msgspec.Meta(max_length=128)] = ()
    multipliers: Annotated[tuple[PastMultiplier, ...], msgspec.Meta(max_length=32)] = ()
    channels: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None  # of the load profile
    active: bool = True  # somebody pays for what the meter counts
    reactive_billed: bool = True  # where the meter records it
    service_limit: Decimal | None = None  # what the service can draw: kW, kVA; what is no energy, by its unit an hour
    usual: Usual = Usual()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.service_limit is not None and self.service_limit <= 0:
            raise ValueError("`service_limit` must be above 0")
        _once("registers", ((r.quantity, r.direction, r.phase, f"tier {r.tier}") for r in self.registers))
        _once("multipliers", ((m.quantity, m.direction) for m in self.multipliers))
        for before, after in pairwise(sorted(self.periods, key=lambda one: (one.quantity, one.direction, one.start))):
            same = (before.quantity, before.direction) == (after.quantity, after.direction)
            if same and after.start < before.end:
                what = f"{before.quantity} {before.direction}"
                raise ValueError(f"`periods`: two of {what} overlap: {before.end} is after {after.start}")


def _once(key: str, names: Iterable[tuple[str, ...]]) -> None:
    seen: set[tuple[str, ...]] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"`{key}`: there are two of {' '.join(filter(None, name))}")
        seen.add(name)


@dataclass(frozen=True, slots=True)
class LastRegister:
    """A cumulative register as the last good read found it."""

    quantity: str
    direction: Direction
    tier: int
    raw: str
    value: Decimal | None
    multiplier: Decimal
    phase: str = ""


@dataclass(frozen=True, slots=True)
class Before:
    """What the agent itself remembers of the last good read of one meter. Bounded; of no use for any other meter.

    `configuration` has named settings by section (`identity`, `registers`, `channels`, `constants`), so that what
    changed can be named with old and new; `digest` is the SHA-256 of all of them. A section that was not read is
    empty.
    """

    meter_id: str
    read_at: datetime  # by the agent's clock, UTC
    meter_time: datetime | None = None  # by the meter's
    registers: tuple[LastRegister, ...] = ()
    configuration: dict[str, Settings] = field(default_factory=dict)
    digest: str = ""


def before_of(data: MeterData, read_at: datetime) -> Before:
    """Return what a visit leaves for the checks of the next. To be kept of a good read only."""
    configuration = configuration_of(data)
    return Before(
        meter_id=data.identity.meter_id,
        read_at=read_at,
        meter_time=data.clock.meter_time if data.clock is not None else None,
        registers=tuple(map(_last, filter(_short, present_registers(data))))[:MOST_REGISTERS],
        configuration=configuration,
        digest=_digest(
            f"{section}\0{name}\0{text}" for section, found in configuration.items() for name, text in found.items()
        ),
    )


def _last(register: Register) -> LastRegister:
    r = register
    return LastRegister(r.quantity, r.direction, r.tier, r.raw, r.value, r.multiplier, r.phase)


def _short(register: Register) -> bool:
    """Tell whether a register is one that a meter can show: no value is remembered in part."""
    texts = (register.quantity, register.phase, register.raw, str(register.value), str(register.multiplier))
    return all(len(text) <= LONGEST for text in texts)


def present_registers(data: MeterData) -> list[Register]:
    """Return the cumulative registers that stand now, of the season that runs."""
    return [r for r in data.registers if r.kind == "cumulative" and r.period == "present" and r.season == "current"]


def configuration_of(data: MeterData) -> dict[str, Settings]:
    """Return what of a meter's configuration decides on its bill, by section and name, bounded."""
    sections = {
        "identity": _identity(data),
        "registers": _registers(data),
        "channels": _channels(data),
        "constants": sorted(data.constants.items()),
    }
    return {section: _bounded(settings) for section, settings in sections.items()}


def _identity(data: MeterData) -> Iterator[tuple[str, str]]:
    who = data.identity
    for name, text in (
        ("manufacturer", who.manufacturer),
        ("model", who.model),
        ("hardware version", who.hardware_version),
        ("firmware version", who.firmware_version),
        ("device class", who.device_class),
    ):
        if text:
            yield name, text
    for name in ("tariff_id", "ex1_sw_vendor", "ex2_sw_vendor", "programmer_name"):
        if text := who.utility.get(name, ""):
            yield name.replace("_", " "), text


def _registers(data: MeterData) -> Iterator[tuple[str, str]]:
    for register in present_registers(data):
        what = " ".join(filter(None, (register.quantity, register.direction, register.phase)))
        name = f"{what} tier {register.tier}" if register.tier else what
        yield f"multiplier of {name}", plain(register.multiplier)
        if register.offset is not None:
            yield f"offset of {name}", plain(register.offset)
        if register.digits is not None:
            yield f"digits of {name}", str(register.digits)


def _channels(data: MeterData) -> Iterator[tuple[str, str]]:
    """Give each channel as its newest block has it."""
    newest = {(block.data_set, block.channel): block for block in data.blocks}
    for block in data.blocks:
        if block.first_interval_end > newest[block.data_set, block.channel].first_interval_end:
            newest[block.data_set, block.channel] = block
    for (_, channel), block in sorted(newest.items()):
        yield f"channel {channel} records", f"{block.quantity} {block.direction}"
        yield f"interval length of channel {channel}", f"{block.interval_s} s"
        yield f"multiplier of channel {channel}", plain(block.multiplier)
        if block.offset is not None:
            yield f"offset of channel {channel}", plain(block.offset)


def _bounded(settings: Iterable[tuple[str, str]]) -> Settings:
    """Keep the first settings by name, and of all further ones that they are the same or not."""
    found = [(_fitting(name), _fitting(text)) for name, text in settings]
    kept = dict(found[:MOST_SETTINGS])
    if rest := found[MOST_SETTINGS:]:
        kept[f"{len(rest)} further settings"] = f"sha256 {_digest(part for pair in rest for part in pair)}"
    return kept


def _fitting(text: str) -> str:
    return text if len(text) <= LONGEST else f"sha256 {_digest([text])}"


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0\0".join(texts).encode()).hexdigest()
