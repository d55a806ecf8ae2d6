"""What a register map may say: every key and its bounds. `firmware_profiles/modbus/README.md` explains them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from drivers.data import Direction, Kind, Period, Season
from drivers.modbus.values import TYPES, Order, TypeName
from drivers.profiles.schema import Fact
from drivers.profiles.section import DecimalText, FileName, Section, Status, Text

Function = Literal["holding", "input"]
Pattern = Annotated[
    str, Meta(pattern=r"^0x[0-9A-Fa-fx]{2,32}$", description='hexadecimal like "0x8000"; x stands for any digit')
]
Milliseconds = Annotated[int, Meta(ge=0, le=60_000)]
FUNCTIONS: dict[Function, int] = {"holding": 3, "input": 4}
LETTERS: dict[Function, str] = {"holding": "HR", "input": "IR"}
LARGEST_REQUEST = 125  # registers (Modbus Application Protocol V1.1b3 §6.3)


class Place(Section, frozen=True, kw_only=True):
    """Registers and how to read them. `address` as the manual writes it, `base` of `[modbus]` included."""

    address: Annotated[int, Meta(ge=0, le=465_536)]
    type: TypeName
    length: Annotated[int, Meta(ge=1, le=64)] | None = None  # registers, where the type does not say
    function: Function | None = None
    word_order: Order | None = None
    byte_order: Order | None = None
    absent: tuple[Pattern, ...] | None = None  # what stands for "not implemented"; None: as [modbus] says
    optional: bool = False  # a meter of this kind may be without it, and refuse it
    alone: bool = False  # never asked for together with others

    @property
    def registers(self) -> int:
        """How many there are."""
        return TYPES[self.type].registers or self.length or 0


class Clock(Section, frozen=True, kw_only=True):
    """`[clock]`: where the meter's time is.

    `iec870`: four registers, year from 2000, month and day, hour and minute, milliseconds (IEC 60870-5-4 form 7).
    `unix`: seconds since 1970 in a u32. `fields`: six registers, year, month, day, hour, minute, second.
    """

    address: Annotated[int, Meta(ge=0, le=465_536)]
    format: Literal["iec870", "unix", "fields"]
    zone: Literal["utc", "local"]
    function: Function | None = None
    word_order: Order | None = None
    byte_order: Order | None = None

    @property
    def registers(self) -> int:
        """How many there are."""
        return {"iec870": 4, "unix": 2, "fields": 6}[self.format]


class Identity(Section, frozen=True, kw_only=True):
    """`[identity]`: who the meter is. Text is the same for all meters of the map, a table is read from the meter."""

    manufacturer: Text | Place | None = None
    model: Text | Place | None = None
    meter_id: Place | None = None  # None: the serial number
    serial_number: Place | None = None
    hardware_version: Place | None = None
    firmware_version: Place | None = None


class Expect(Place, frozen=True, kw_only=True):
    """`[[expect]]`: what registers must hold if the meter is one of this map; the visit ends if they do not."""

    values: Annotated[tuple[Text, ...], Meta(min_length=1)]


class Constant(Place, frozen=True, kw_only=True):
    """`[[constant]]`: a number that the meter holds and that registers are multiplied with or divided by."""

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}$", description="small letters, digits, underscores")]
    scale: DecimalText = "1"
    note: str = ""


class RegisterKeys(Place, frozen=True, kw_only=True):
    """`[[register]]`: one value of the reading. value = raw × scale × 10^scale_at × times… ÷ over…."""

    quantity: Text
    unit: Text
    direction: Direction
    kind: Kind = "cumulative"
    tier: Annotated[int, Meta(ge=0, le=255)] = 0
    season: Season = "current"
    period: Period = "present"
    phase: str = ""
    minimum: bool = False
    scale: DecimalText = "1"
    scale_at: Annotated[int, Meta(ge=0, le=465_536)] | None = None  # an i16 that holds a power of ten
    times: tuple[str, ...] = ()  # constants, by name
    over: tuple[str, ...] = ()
    atomic: bool = True  # False: the meter may count on while it answers, so it is read until two looks agree
    digits: Annotated[int, Meta(ge=1, le=20)] | None = None  # whole digits of the raw number on its display
    note: str = ""


class Model(Section, frozen=True, kw_only=True):
    """`[[model]]`: a SunSpec model. Addresses count from its id register, which is 0."""

    ids: Annotated[tuple[Annotated[int, Meta(ge=1, le=65_534)], ...], Meta(min_length=1)]
    length: Annotated[int, Meta(ge=1, le=65_535)]  # that L must say, at least: registers after L
    identity: Identity | None = None
    register: tuple[RegisterKeys, ...] = ()


class Line(Section, frozen=True, kw_only=True):
    """`[line]`: a serial line as the meter leaves the factory; the URL may say otherwise."""

    baud: Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200] = 9600
    parity: Literal["none", "even", "odd"] = "none"
    stop: Annotated[int, Meta(ge=1, le=2)] = 1


class ModbusKeys(Section, frozen=True, kw_only=True):
    """`[modbus]`: how the manual writes addresses, and how the meter wants to be asked."""

    base: Literal[0, 1, 30001, 40001, 300001, 400001] = 0  # the address that is 0 on the wire
    function: Function = "holding"
    word_order: Order = "big"
    byte_order: Order = "big"
    not_implemented: Literal["never", "sunspec"] = "never"  # sunspec: each type's own value stands for "none"
    most: Annotated[int, Meta(ge=1, le=LARGEST_REQUEST)] = LARGEST_REQUEST  # registers in one request
    gap: Annotated[int, Meta(ge=0, le=124)] = 0  # registers between two values that may be read along
    timeout_ms: Milliseconds | None = None
    pause_ms: Milliseconds | None = None


class SunSpec(Section, frozen=True, kw_only=True):
    """`[sunspec]`: where the marker `SunS` may stand, in the order to try (SunSpec Device Information Model §6)."""

    bases: tuple[Annotated[int, Meta(ge=0, le=65_500)], ...] = (40_000, 50_000, 0)


class RegisterMap(Section, frozen=True, kw_only=True):
    """One family of Modbus meters."""

    name: FileName
    title: Text
    status: Status
    note: str = ""
    modbus: ModbusKeys = ModbusKeys()
    line: Line = Line()
    identity: Identity = Identity()
    sunspec: SunSpec | None = None
    clock: Clock | None = None
    expect: tuple[Expect, ...] = ()
    constant: tuple[Constant, ...] = ()
    register: tuple[RegisterKeys, ...] = ()
    model: tuple[Model, ...] = ()
    fact: tuple[Fact, ...] = ()

    @property
    def has_tiers(self) -> bool:
        """Whether it names time-of-use registers."""
        return any(register.tier for register in self.register)
