"""What a scenario says: one frozen struct per TOML table, unknown keys refused, ranges checked where they are read.

Numbers that end up in registers are `Decimal`, in TOML integers, decimals or strings. Times of day are `HH:MM`.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from metersim.meter.part import ClockTime, HolidayDate, Moment, MonthDay, Octet, Part
from metersim.meter.story import ClockSetting, Load, Quirks, Shape, Tamper

NiName = Literal[
    "FLOAT64", "FLOAT32", "FLOAT_CHAR12", "FLOAT_CHAR6", "INT32_POINT4", "BCD6", "BCD4",
    "INT24", "INT32", "INT40", "INT48", "INT64", "BCD8", "FLOAT_CHAR21",
]  # fmt: skip
NI_CODE: dict[str, int] = {name: code for code, name in enumerate(NiName.__args__)}  # type: ignore[attr-defined]
Quantity = Literal["W", "var", "VA", "V", "A", "PF", "Hz"]
TimeBase = Literal["bulk", "instantaneous", "period", "demand", "interval"]
Item = Literal["UINT8", "UINT16", "UINT32", "INT8", "INT16", "INT32", "NI1", "NI2"]
STANDARDS = {"c1218": 0, "c1221": 2}  # as Identify says


class Identity(Part, frozen=True):
    """ST01, ST05 and ST06."""

    meter_id: Annotated[str, Meta(min_length=1, max_length=20)]
    serial_number: Annotated[str, Meta(max_length=16)] = ""  # empty: the meter id
    manufacturer: Annotated[str, Meta(max_length=4)] = "SIM"
    model: Annotated[str, Meta(max_length=8)] = "METERSIM"
    hardware: Annotated[str, Meta(pattern=r"^\d{1,3}\.\d{1,3}$")] = "1.0"
    firmware: Annotated[str, Meta(pattern=r"^\d{1,3}\.\d{1,3}$")] = "1.0"
    device_class: Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{8}$")] = "00000000"  # edition 2008 only
    utility: dict[str, str] | None = None  # ST06 text fields by name; None: no ST06


class Nameplate(Part, frozen=True):
    """ST02 of an electricity meter."""

    kh: Annotated[str, Meta(max_length=6)] = "7.2"
    kt: Annotated[str, Meta(max_length=6)] = "7.2"
    input_scalar: Octet = 1
    form: Annotated[str, Meta(max_length=5)] = "2S"
    frequency: Annotated[int, Meta(ge=0, le=7)] = 4  # 4 = 60 Hz
    elements: Annotated[int, Meta(ge=0, le=7)] = 1
    base_type: Annotated[int, Meta(ge=0, le=15)] = 1  # S socket
    accuracy_class: Annotated[int, Meta(ge=0, le=63)] = 9
    element_volts: Annotated[int, Meta(ge=0, le=15)] = 5  # 240 V
    supply_volts: Annotated[int, Meta(ge=0, le=15)] = 5
    class_max_amps: Annotated[str, Meta(max_length=6)] = "200"
    test_amps: Annotated[str, Meta(max_length=6)] = "30"


class Layout(Part, frozen=True):
    """How ST00 says that everything is encoded."""

    edition: Literal[1997, 2008] = 1997
    data_order: Literal["lsb", "msb"] = "lsb"
    time_format: Annotated[int, Meta(ge=0, le=4)] = 2
    id_form: Literal["character", "bcd"] = "character"
    ni_format1: NiName = "INT48"
    ni_format2: NiName = "INT32"
    access: Literal["full", "offset", "index", "any"] = "offset"
    past_end: Literal["refuse", "short"] = "refuse"  # offset read past the end: IAR, or what is left
    too_long: Literal["onp", "iar", "rno"] = "onp"  # full read larger than the negotiated packets carry
    default_table: Annotated[int, Meta(ge=0, le=2039)] | None = None  # what a read of the default set gives
    manufacturer_status: Annotated[int, Meta(ge=0, le=16)] = 1  # octets of ED_MFG_STATUS


class Password(Part, frozen=True):
    """One password and what it opens: 1 reads, 2 also writes and procedures."""

    password: Annotated[str, Meta(min_length=1, max_length=20, pattern=r"^[!-~]+$")]
    level: Annotated[int, Meta(ge=1, le=2)] = 1


class Key(Part, frozen=True):
    """One key of Authenticate (C12.21): 16 hexadecimal digits, and what it opens, as for a password."""

    key_id: Octet
    key: Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{16}$")]
    level: Annotated[int, Meta(ge=1, le=2)] = 1


class Psem(Part, frozen=True):
    """The line: what Identify answers, what Negotiate grants, who gets in."""

    standard: Annotated[int, Meta(ge=0, le=3)] = 0
    version: Octet = 1
    revision: Octet = 0
    features: Annotated[str, Meta(pattern=r"^([0-9A-Fa-f]{2})*$")] = ""  # octets, hex, without the end 00
    identity: Octet = 0
    negotiate: bool = True
    packet_size: Annotated[int, Meta(ge=64, le=8192)] = 1024
    packets: Annotated[int, Meta(ge=1, le=255)] = 255
    bauds: tuple[int, ...] = (9600, 19200, 28800, 38400, 57600)
    turnaround_ms: Annotated[float, Meta(ge=0, le=1000)] = 2.0
    traffic_s: Annotated[float, Meta(gt=0, le=255)] | None = None  # channel traffic time-out; none: 6 s, of C12.21 30 s
    inter_character_s: Annotated[float, Meta(gt=0, le=10)] | None = None  # 0.5 s, 1 s
    response_s: Annotated[float, Meta(gt=0, le=60)] | None = None  # 2 s, 4 s
    c1221: bool | None = None  # has the services and timers of C12.21; none: as `standard` says
    timing_setup: bool = True  # of a C12.21 meter: false answers SNS to 71H
    security: bool = True  # false: SNS to 51H, only Authenticate opens
    ticket: bool = True  # of a C12.21 meter with keys: false names feature 01, which has none
    keys: tuple[Key, ...] | None = None  # none: a C12.21 meter makes one of each password, numbered from 0
    read_level: Annotated[int, Meta(ge=0, le=2)] = 1  # access needed to read tables besides 00, 01 and 05
    passwords: tuple[Password, ...] = (
        Password(password="00000000", level=1),  # noqa: S106 - a simulated meter's
        Password(password="11111111", level=2),  # noqa: S106
    )
    early_security: bool = True  # the password may be shown before Logon; false: ISSS
    lockout: Annotated[int, Meta(ge=0, le=255)] = 3  # wrong passwords until the port locks; 0: never
    lockout_s: Annotated[float, Meta(gt=0, le=86_400)] = 900.0

    @property
    def speaks_c1221(self) -> bool:
        """Whether it has the services of C12.21."""
        return self.standard == 2 if self.c1221 is None else self.c1221

    def known_keys(self) -> dict[int, Key]:
        """The keys of Authenticate by their ids; empty: it does not know that service."""
        if not self.speaks_c1221:
            return {}
        made = tuple(
            Key(key_id=number, key=known.password.encode().ljust(8, b"\0")[:8].hex(), level=known.level)
            for number, known in enumerate(self.passwords)
        )
        return {key.key_id: key for key in (made if self.keys is None else self.keys)}


class Clock(Part, frozen=True):
    """The meter's clock. `shows` is what every time of the meter is in, and what TIME_DATE_QUAL says about it."""

    shows: Literal["utc", "standard", "local", "unqualified"] = "local"
    zone_min: Annotated[int, Meta(ge=-840, le=840)] = -300
    dst: Literal["united_states", "none"] = "united_states"
    offset_s: Decimal = Decimal(0)  # meter minus true time at `offset_at`
    offset_at: Moment | None = None  # None: whenever the meter is started
    drift_ppm: Decimal = Decimal(0)
    battery: Literal["good", "dead"] = "good"  # dead: the clock stands still while the service is off
    settings: tuple[ClockSetting, ...] = field(name="set", default=())
    start: datetime | None = None  # virtual start time; None: now
    rate: Annotated[int, Meta(ge=0, le=100_000)] = 1  # virtual seconds per second; 0 stands still
    calendar: bool = False  # ST54, with the dates of DST and the tier switches


class Source(Part, frozen=True):
    """One entry of ST16 with its ST12, ST13 and ST15 entries.

    One pulse of `load` is worth `pulse_value` of the primary unit (energy also for a demand source). The number stored
    in a register is what, with ST15 and ST12 applied, gives the primary value back.
    """

    name: str
    quantity: Quantity
    direction: Literal["delivered", "received", "net", "total", "none"] = "none"
    time_base: TimeBase = "bulk"
    prefix: Literal["", "k", "M"] = ""
    phase: Literal["", "A-B", "B-C", "C-A", "N", "A", "B", "C"] = ""
    load: str = ""
    pulse_value: Decimal = Decimal(1)
    fixed: Decimal | None = None  # an instantaneous value that does not change, in the prefixed unit
    multiplier: Decimal | None = None  # ST15; None: no constants entry
    offset: Decimal = Decimal(0)
    constants_applied: bool = False  # ST16 bit 5 clear: the register is in engineering units already
    ct: Decimal | None = None  # ST15 set 1: current transformer ratio
    vt: Decimal = Decimal(1)
    ratios_applied: bool = False


class Demand(Part, frozen=True):
    source: str
    minimum: bool = False


class Coincident(Part, frozen=True):
    source: str
    demand: Annotated[int, Meta(ge=0)] = 0  # index of the demand at whose time it is taken


class Registers(Part, frozen=True):
    """Decade 2."""

    summations: tuple[str, ...] = ()
    demands: tuple[Demand, ...] = ()
    coincidents: tuple[Coincident, ...] = ()
    present_demands: tuple[str, ...] = ()
    present_values: tuple[str, ...] = ()
    occurrences: Annotated[int, Meta(ge=1, le=5)] = 1
    demand_interval_min: Literal[5, 10, 15, 20, 30, 60] = 15
    reset_day: Annotated[int, Meta(ge=0, le=28)] = 1  # of the month, at midnight by the meter; 0: never
    reset_counter: bool = True
    times: bool = True  # DATE_TIME_FIELD
    season_field: bool = False
    cumulative: bool = True
    continuous: bool = False
    self_reads: Annotated[int, Meta(ge=0, le=24)] = 0  # daily ones, in ST26
    # Of summations, before they are multiplied:
    dials: Annotated[int, Meta(ge=1, le=18)] | None = None  # digits; behind the highest it shows 0 again
    step: Decimal | None = None  # it shows multiples of this only; the rest is kept


class Switch(Part, frozen=True):
    at: ClockTime
    tier: Annotated[int, Meta(ge=0, le=7)]


class Season(Part, frozen=True):
    """From `begins` (month-day) on, by the local date. A day without a switch at 00:00 begins with its last tier."""

    begins: MonthDay
    weekday: tuple[Switch, ...]
    weekend: tuple[Switch, ...]
    holiday: tuple[Switch, ...] = ()  # none: as on a weekend


class Tou(Part, frozen=True):
    """Time of use: how many tiers, and when."""

    tiers: Annotated[int, Meta(ge=1, le=8)]
    seasons: tuple[Season, ...]


class Channel(Part, frozen=True):
    source: str
    end_source: str = ""  # register whose reading stands at the end of each block
    scalar: Annotated[int, Meta(ge=1, le=65_535)] = 1
    divisor: Annotated[int, Meta(ge=1, le=65_535)] = 1


class ProfileSet(Part, frozen=True):
    """One load profile data set (ST64–ST67)."""

    channels: Annotated[tuple[Channel, ...], Meta(min_length=1, max_length=32)]
    set_number: Annotated[int, Meta(ge=1, le=4)] = 1
    interval_min: Literal[1, 5, 10, 15, 20, 30, 60] = 15
    blocks: Annotated[int, Meta(ge=1, le=2000)] = 35
    block_intervals: Annotated[int, Meta(ge=1, le=1440)] = 96
    item: Item = "UINT16"
    scaled: bool = False  # SCALARS and DIVISORS stand in ST62
    order: Literal["ascending", "descending"] = "ascending"
    interval_order: Literal["ascending", "descending"] = "ascending"
    list_type: Literal["fifo", "circular"] = "circular"
    recording_days: Annotated[int, Meta(ge=1)] | None = None  # before the start; None: since it was installed


class Profile(Part, frozen=True):
    """Decade 6."""

    sets: Annotated[tuple[ProfileSet, ...], Meta(min_length=1, max_length=4)]
    status: Literal["none", "simple", "extended", "both"] = "extended"
    end_readings: bool = False
    end_pulses: bool = False
    closure: bool = False  # 1997: CLOSURE_STATUS in each block


class Log(Part, frozen=True):
    """Decade 7; the history log keeps what people did, the event log everything."""

    entries: Annotated[int, Meta(ge=1, le=1000)] = 50
    history_entries: Annotated[int, Meta(ge=0, le=1000)] = 0
    event_numbers: bool = True
    argument_octets: Annotated[int, Meta(ge=0, le=8)] = 1
    order: Literal["ascending", "descending"] = "ascending"
    list_type: Literal["fifo", "circular"] = "circular"


class Outage(Part, frozen=True):
    """The service was off: from `at`, or from `ago_min` minutes before the start, for `seconds`.

    No outage lasts until, or ends within, the hour before the start or before one of the `visits`.
    """

    seconds: Annotated[int, Meta(ge=1, le=31_536_000)]
    at: datetime | None = None
    ago_min: Annotated[int, Meta(ge=1)] | None = None


class Status(Part, frozen=True):
    """ST03."""

    test_mode_since_min: Annotated[int, Meta(ge=1)] | None = None  # minutes before the start
    flags: tuple[str, ...] = ()
    manufacturer: Annotated[str, Meta(pattern=r"^([0-9A-Fa-f]{2})*$")] = ""


class Scenario(Part, frozen=True):
    """A whole meter and its history."""

    title: str
    installed: date  # midnight, standard time: where the history begins
    identity: Identity
    sources: Annotated[tuple[Source, ...], Meta(min_length=1, max_length=250)] = field(name="source")
    loads: tuple[Load, ...] = field(name="load", default=())
    nameplate: Nameplate | None = Nameplate()
    layout: Layout = Layout()
    psem: Psem = Psem()
    clock: Clock | None = None  # no table: no clock
    registers: Registers = Registers()
    tou: Tou | None = None
    profile: Profile | None = None
    log: Log | None = None
    status: Status = Status()
    outages: tuple[Outage, ...] = field(name="outage", default=())
    outages_per_year: Annotated[int, Meta(ge=0, le=365)] = 0  # seeded ones
    shapes: tuple[Shape, ...] = field(name="shape", default=())
    holidays: tuple[HolidayDate, ...] = ()  # of the shapes and of the tariff
    tampering: tuple[Tamper, ...] = field(name="tamper", default=())
    quirks: Quirks = Quirks()
    faults: tuple[str, ...] = ()  # as of --fault: what goes wrong besides, on the line and in the tables
    until: Moment | None = None  # outages after the start go on until then; none: there are none
    visits: tuple[Moment, ...] = ()  # when it is read; what is found then is what `metersim lab expect` tells


def with_standard(scenario: Scenario, name: str) -> Scenario:
    """Return the same meter speaking `c1218` or `c1221`."""
    psem = msgspec.structs.replace(scenario.psem, standard=STANDARDS[name], c1221=None)
    return msgspec.structs.replace(scenario, psem=psem)
