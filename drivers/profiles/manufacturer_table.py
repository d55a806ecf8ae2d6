"""`[[manufacturer_table]]` of a profile: what a manufacturer table is, and its fields where they are known."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from drivers.c1219.described import (
    MANUFACTURER_TABLES_FROM,
    BitName,
    DescribedField,
    DescribedTable,
    RegisterMeaning,
)
from drivers.data import Direction, Kind, Season
from drivers.profiles.section import DecimalText, Section, Text

FieldName = Annotated[
    str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="small letters, digits and _, a letter first")
]
BitNumber = Annotated[int, Meta(ge=0, le=31)]
# Not tuple[BitNumber, BitNumber]: msgspec 0.22 crashes on a pair of bounded items beside a plain one.
BitRange = Annotated[
    tuple[BitNumber, ...], Meta(min_length=2, max_length=2, description="the first and the last bit, like [1, 3]")
]
Place = Annotated[int, Meta(ge=0, le=65_535)]


class RegisterKeys(Section, frozen=True, kw_only=True):
    """`register`: which register of the reading a field is, in the terms of the reading document."""

    quantity: Text
    direction: Direction
    kind: Kind = "cumulative"
    tier: Annotated[int, Meta(ge=0, le=255)] = 0
    season: Season = "current"
    phase: str = ""


class FieldKeys(Section, frozen=True, kw_only=True):
    """`[[manufacturer_table.field]]`: one field; a `RECORD` has fields of its own."""

    name: FieldName
    type: Annotated[str, Meta(pattern=r"^[A-Z0-9]{2,12}$", description="a type like U16, BCD4, CHAR8, NI1 or RECORD")]
    offset: Place | None = None
    count: Place | FieldName | None = None  # a number, an earlier field, or "rest"
    unit: str = ""
    scale: DecimalText = "1"
    names: dict[str, Text] = msgspec.field(default_factory=dict)
    bits: dict[FieldName, BitNumber | BitRange] = msgspec.field(default_factory=dict)
    field: tuple[FieldKeys, ...] = ()
    note: str = ""
    register: RegisterKeys | None = None

    def described(self) -> DescribedField:
        """Return the field as the decoder takes it."""
        meaning = self.register
        return DescribedField(
            name=self.name,
            type=self.type,
            offset=self.offset,
            count=self.count,
            unit=self.unit,
            scale=Decimal(self.scale),
            names=tuple((int(number), name) for number, name in self.names.items()),
            bits=tuple(_bits(name, place) for name, place in self.bits.items()),
            fields=tuple(item.described() for item in self.field),
            note=self.note,
            register=None
            if meaning is None
            else RegisterMeaning(
                meaning.quantity, meaning.direction, meaning.kind, meaning.tier, meaning.season, meaning.phase
            ),
        )


class ManufacturerTable(Section, frozen=True, kw_only=True):
    """`[[manufacturer_table]]`: what manufacturer table `number` is."""

    number: Annotated[int, Meta(ge=0, le=2_039)]
    name: Text
    note: str = ""
    field: tuple[FieldKeys, ...] = ()

    def described(self) -> DescribedTable:
        """Return the table as the decoder takes it."""
        fields = tuple(item.described() for item in self.field)
        return DescribedTable(MANUFACTURER_TABLES_FROM + self.number, self.name, fields, self.note)


def _bits(name: str, place: int | tuple[int, ...]) -> BitName:
    first, last = (place, place) if isinstance(place, int) else (place[0], place[1])
    return BitName(name, first, last)
