"""What a message format's file may say: every key and its bounds; `formats_grammar` judges them together."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from drivers.data import Direction, Kind
from drivers.pager.checks import Algorithm

Text = Annotated[str, Meta(min_length=1, max_length=1024)]
DecimalText = Annotated[str, Meta(pattern=r"^-?[0-9]{1,20}(\.[0-9]{1,20})?$", description='a decimal, like "0.001"')]
Length = Annotated[int, Meta(ge=1, le=64)]
Digits = Annotated[int, Meta(ge=1, le=18)]
Places = Annotated[int, Meta(ge=0, le=9)]
_TWO = Meta(min_length=2, max_length=2, description="two numbers, shortest and longest")
Range = Annotated[tuple[Length, ...], _TWO]
DigitsRange = Annotated[tuple[Digits, ...], _TWO]
FieldName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,30}$", description='a name like "meter" or "kwh_peak"')]
MessageText = Annotated[str, Meta(min_length=1, max_length=1024)]
Quantity = Annotated[str, Meta(pattern=r"^[A-Za-z0-9%]{1,16}$", description='a unit word like "kWh" or "kW"')]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all tables of the file: immutable, and an unknown key is a mistake."""


class Field(Section, frozen=True, kw_only=True, tag_field="kind"):
    """A field of a message; `kind` tells which."""


class DigitsField(Field, frozen=True, kw_only=True, tag="digits"):
    """Decimal digits, without sign and point; `decimals` of the last ones stand behind a point that is not sent."""

    length: Length | Range
    decimals: Places = 0


class DecimalField(Field, frozen=True, kw_only=True, tag="decimal"):
    """A number: minus where `signed` and below zero, whole digits, and with `decimals` a point and that many digits."""

    whole: Digits | DigitsRange
    decimals: Places = 0
    point: Literal[".", ","] = "."
    signed: bool = False


class HexField(Field, frozen=True, kw_only=True, tag="hex"):
    """Hexadecimal digits in either case; as a register, an unsigned number."""

    length: Length | Range


class LettersField(Field, frozen=True, kw_only=True, tag="letters"):
    """Letters A to Z in either case, and digits."""

    length: Length | Range


class TimeField(Field, frozen=True, kw_only=True, tag="time"):
    """A date and time: YYYY or YY, MM, DD, hh, mm and perhaps ss, each once, with any other characters between.

    Two digits of a year mean 1990 to 2089. `zone` is "UTC", "site" (that of the order or plan) or an IANA name.
    """

    layout: Annotated[str, Meta(min_length=10, max_length=40)]
    zone: Text


class CheckField(Field, frozen=True, kw_only=True, tag="check"):
    """The check value over what lies between `{[}` and `{]}`; without these, over everything before it.

    Written in hexadecimal, most significant digit first, or in decimal with leading zeros; `luhn` as one digit.
    """

    algorithm: Algorithm
    base: Literal["hex", "decimal"] = "hex"


AnyField = DigitsField | DecimalField | HexField | LettersField | TimeField | CheckField


class RegisterKeys(Section, frozen=True, kw_only=True):
    """What the number in a field means: value = number × `multiplier`, in `unit` (default: the quantity)."""

    field: FieldName
    quantity: Quantity
    direction: Direction
    kind: Kind = "cumulative"
    unit: Quantity | None = None
    multiplier: DecimalText = "1"
    tier: Annotated[int, Meta(ge=0, le=99)] = 0
    dials: Digits | None = None  # whole digits that the meter shows
    occurred: FieldName | None = None  # the time field that says when a demand occurred


class Reply(Section, frozen=True, kw_only=True):
    """`[reply]`: what the meter sends."""

    text: MessageText
    meter_id: FieldName
    field: dict[FieldName, dict[str, Any]]  # each an `AnyField`, converted one by one: so mistakes are named
    register: Annotated[tuple[RegisterKeys, ...], Meta(min_length=1, max_length=32)]
    at: FieldName | None = None  # the time field that says when the values were taken


class Request(Section, frozen=True, kw_only=True):
    """`[request]`: what a two-way meter is sent."""

    text: MessageText
    field: dict[FieldName, dict[str, Any]] = msgspec.field(default_factory=dict)
    meter_id: FieldName | None = None  # the field that takes the meter's id
    now: FieldName | None = None  # the time field that takes the time of asking


class OnAir(Section, frozen=True, kw_only=True):
    """`[on_air]`: how the reply is sent on a paging channel, where it is not by a carrier's gateway."""

    coding: Literal["alpha", "numeric"] = "alpha"
    function: Annotated[int, Meta(ge=0, le=3)] | None = None  # of POCSAG; others are dropped. None: any


class Example(Section, frozen=True, kw_only=True):
    """A message and what it means; the file is refused if it is read otherwise."""

    text: Text
    meter_id: Text
    values: dict[FieldName, DecimalText]  # of the registers, by field
    at: Text | None = None  # in UTC, like "1999-12-31T23:59:00Z"


class FormatFile(Section, frozen=True, kw_only=True):
    """One file of `firmware_profiles/pager/`."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="lower case, digits and hyphens")]
    title: Text
    status: Text  # who has seen such messages: "documented here", "tried on hardware: …"
    reply: Reply
    request: Request | None = None
    on_air: OnAir = OnAir()
    example: Annotated[tuple[Example, ...], Meta(min_length=1)]
