"""What a driver returns: a meter's data with units and times, exact, and where each value came from.

Numbers are `Decimal` or `int`, times are aware UTC, an absent value is `None`. No orders, no checks, no agent in here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from drivers.memory import MeterMemory

Method = Literal["optical", "modem", "cellular", "radio", "pager", "modbus", "manual"]
Direction = Literal["delivered", "received", "net", "total"]
Kind = Literal["cumulative", "demand", "cumulative_demand", "coincident", "instantaneous"]
Period = Literal["present", "previous_reset", "self_read"]
Season = Literal["current", "previous"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value lies in the bytes of the meter: `table` as `ST23` or `MT16`, octets from `offset`."""

    table: str
    offset: int
    length: int
    octets: bytes = b""  # the bytes themselves; left empty for interval blocks, whose table is recorded whole


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the meter says it is. `meter_id` is the internal electronic identification (ST05, else ST06, else ST01)."""

    meter_id: str
    manufacturer: str = ""
    model: str = ""
    serial_number: str = ""
    hardware_version: str = ""
    firmware_version: str = ""
    device_class: str = ""
    utility: dict[str, str] = field(default_factory=dict)  # ST06 fields by name, blank ones left out
    nameplate: dict[str, str] = field(default_factory=dict)  # ST02 fields by name


@dataclass(frozen=True, slots=True)
class ClockSample:
    """One look at the meter's clock, between two stamps of the caller's monotonic clock (nanoseconds)."""

    meter_time: datetime
    before_ns: int
    after_ns: int
    request_s: Decimal  # time that the request takes on the wire at this baud rate; 0 where unknown
    reply_s: Decimal
    resolution_s: Decimal  # 1 for a clock of whole seconds, 60 for minutes
    ambiguous: bool = False  # the repeated hour, or flags that contradict each other
    note: str = ""


@dataclass(frozen=True, slots=True)
class Register:
    """One register value. `value` is in `unit`; `raw` is what the meter holds, as decimal text."""

    quantity: str  # the unit word again for energy and demand, e.g. `kWh`, `kW`; `V`, `PF` …
    direction: Direction
    kind: Kind
    tier: int
    raw: str
    value: Decimal | None
    multiplier: Decimal
    unit: str
    season: Season = "current"
    period: Period = "present"
    occurred_at: datetime | None = None
    period_end: datetime | None = None  # END_DATE_TIME of ST24/25/26
    phase: str = ""  # ST12 segmentation: "A", "B-C" …
    minimum: bool = False  # a minimum, not a maximum (MIN_OR_MAX_FLAGS)
    continuous: bool = False  # of a cumulative demand: the running one (CONT_CUM_DEMAND)
    occurrence: int = 0  # index for meters that keep several demand occurrences
    self_read: int = 0  # sequence number of the self read
    offset: Decimal | None = None  # ST15 OFFSET that was added, in raw × multiplier units
    digits: int | None = None  # whole digits that the raw register shows, where the profile knows
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Slots:
    """Where the items of one channel of a block lie in the table: see `place`."""

    first: int  # slot of interval 0, counted from 0 as stored in the block
    step: int  # to the slot of the next younger interval: 1, or −1 where the meter stores the newest first
    offset: int  # in the table, of this channel's item in slot 0
    stride: int  # octets from one slot to the next, status octets included
    width: int  # octets of one item

    def place(self, k: int) -> tuple[int, int]:
        """Return offset in the table and length of the item of interval k."""
        return self.offset + (self.first + k * self.step) * self.stride, self.width


@dataclass(frozen=True, slots=True)
class IntervalBlock:
    """One stored block of one channel, or only its newest part: contiguous intervals, oldest first.

    Interval k ends at `first_interval_end` + k × `interval_s`. `counts[k]` is None where there is no value, and
    `status[k]` then says why, in the words of the reading document. `source` is the extent of the whole block in the
    table, from its BLK_END_TIME on; `slots` says where in it each interval lies, also where only some were read.
    """

    channel: int  # from 1; the channels of one data set follow those of the set before
    quantity: str
    direction: Direction
    unit: str
    interval_s: int
    first_interval_end: datetime
    counts: tuple[Decimal | int | None, ...]
    multiplier: Decimal
    values: tuple[Decimal | None, ...]
    status: tuple[tuple[str, ...], ...]
    start_register: Decimal | None = None
    stop_register: Decimal | None = None
    offset: Decimal | None = None
    maximum_count: int | None = None  # the largest count that the item's width can hold; None for non-integers
    data_set: int = 1  # 1–4: ST64–ST67
    sequence: int | None = None  # the meter's own number of the block, where it has one
    ambiguous_time: bool = False
    source: Source | None = None
    slots: Slots | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the meter's logs (ST74, ST76)."""

    at: datetime | None
    code: int
    name: str
    argument: str = ""  # hexadecimal
    manufacturer: bool = False
    sequence: int | None = None
    user_id: int | None = None
    log: Literal["event", "history"] = "event"


@dataclass(frozen=True, slots=True)
class MeterStatus:
    """ST03, in words: modes `metering test meter_shop factory`, flags as the standard names them in lower case."""

    mode: tuple[str, ...]
    flags: tuple[str, ...]
    manufacturer: bytes = b""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was asked for and is not in the data, or is in it under a caveat. Never dropped silently."""

    what: str  # "ST64", "ST76 entry 3" …
    reason: str
    lost: bool = True  # False: the data are there, this is a remark about them


@dataclass(frozen=True, slots=True)
class ClockChange:
    """What became of the order to correct the meter's clock.

    `left`: its error was too small to matter; `refused`: nothing was written, `reason` says why; `failed`: the meter
    said no, or shows another time afterwards; `unknown`: it was written, and no answer came.
    """

    outcome: Literal["set", "left", "refused", "failed", "unknown"]
    reason: str
    before: ClockSample
    after: ClockSample | None = None  # read back
    intervals: tuple[str, ...] = ()  # in words: which interval becomes short or long


@dataclass(frozen=True, slots=True)
class SecondLook:
    """Registers that were read once more in the same visit. What was read first is never replaced by them."""

    tables: tuple[str, ...]  # that were read again
    registers: tuple[Register, ...]  # all that those tables hold
    at_ns: int  # monotonic, when the last of them was in


@dataclass(frozen=True, slots=True)
class LineReport:
    """How the session with the meter went."""

    seconds: Decimal
    bytes_sent: int = 0
    bytes_received: int = 0
    retries: int = 0
    packet_size: int = 0
    baud: int = 0
    echo: bool = False


@dataclass(frozen=True, slots=True)
class Position:
    """Where a receiver stood, as its satellite receiver said: WGS 84 degrees. Without a fix there is none at all."""

    latitude: Decimal
    longitude: Decimal
    at: datetime  # of the fix
    hdop: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """How one-way telemetry was received, in place of a session. `first_at` and `last_at`: aware UTC, of this run."""

    count: int  # receptions of this value and of those before it
    first_at: datetime
    last_at: datetime  # of the value that is delivered
    best_rssi_db: Decimal | None = None
    best_snr_db: Decimal | None = None
    position: Position | None = None  # at the best reception


@dataclass(frozen=True, slots=True)
class MeterData:
    """All that one visit brought home. `broken` is set when the line or the meter failed before the end."""

    identity: Identity
    profile: str
    method: Method = "optical"  # how the meter was reached
    registers: tuple[Register, ...] = ()
    registers_ns: int | None = None  # monotonic, when the last of them was in
    again: tuple[SecondLook, ...] = ()  # only where the task asked for it, oldest first
    blocks: tuple[IntervalBlock, ...] = ()
    events: tuple[Event, ...] = ()
    status: MeterStatus | None = None
    clock: ClockSample | None = None
    clock_change: ClockChange | None = None  # only where the order asked for it
    has_clock: bool = False  # the meter has a clock at all (it keeps TOU or intervals)
    has_tiers: bool = False
    problems: tuple[Problem, ...] = ()
    broken: Exception | None = None
    line: LineReport | None = None
    tables: dict[str, bytes] = field(default_factory=dict)  # raw octets by name, as read
    constants: dict[str, str] = field(default_factory=dict)  # CT/VT ratios and the like, as text
    memory: MeterMemory | None = None  # for the next visit
    authenticated: bool = True  # False: anybody could have sent this (one-way radio and pager)
    heard: Heard | None = None  # only of one-way telemetry
    photos: tuple[str, ...] = ()  # references to the evidence of a person's reading
    read_by: str = ""  # the person who read
    read_at: datetime | None = None  # aware; when, as the person or the handheld says; None: during the visit
