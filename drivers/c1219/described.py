"""Manufacturer tables that a profile describes: fields by name, with units, scales and names of their values.

C12.19 leaves the layout of manufacturer tables to the maker; a `[[manufacturer_table]]` of a profile says what is
known of it. A description may be wrong or partial: what does not fit the octets that came is a remark that names
table, field and offset, and everything before it is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from drivers.c1219.context import Context
from drivers.c1219.described_types import wire_of
from drivers.c1219.exact import Linear
from drivers.c1219.number import Number
from drivers.c1219.scope import Reader, Scope
from drivers.data import Direction, Kind, Problem, Register, Season, Source
from drivers.decimal_text import plain
from drivers.errors import DataError

MANUFACTURER_TABLES_FROM = 2048  # C12.19: manufacturer table n has the id 2048 + n
RECORD = "RECORD"
TO_THE_END: Literal["rest"] = "rest"
MOST_VALUES = 65_536  # of one table: a description with nested counts must not grow without bound


@dataclass(frozen=True, slots=True)
class RegisterMeaning:
    """Which register of the reading a described field is; the field's `unit` and `scale` are the register's."""

    quantity: str
    direction: Direction
    kind: Kind = "cumulative"
    tier: int = 0
    season: Season = "current"
    phase: str = ""


@dataclass(frozen=True, slots=True)
class BitName:
    """Bits `first` to `last` of a bit field, bit 0 the least significant."""

    name: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class DescribedField:
    """One field. `type` is a word of `described_types`, or `RECORD` with inner `fields`.

    `offset` counts from the begin of the table, or of the record that the field is in; None: it follows the field
    before. `count`: None for one item, a number, the name of an earlier field that holds it, or `rest`.
    """

    name: str
    type: str
    offset: int | None = None
    count: int | str | None = None
    unit: str = ""
    scale: Decimal = Decimal(1)
    names: tuple[tuple[int, str], ...] = ()
    bits: tuple[BitName, ...] = ()
    fields: tuple[DescribedField, ...] = ()
    note: str = ""
    register: RegisterMeaning | None = None  # only of a single field of the table itself


@dataclass(frozen=True, slots=True)
class DescribedTable:
    """One table. `number` is its id as a read request carries it: 2048 + n for manufacturer table n."""

    number: int
    title: str
    fields: tuple[DescribedField, ...]
    note: str = ""

    @property
    def name(self) -> str:
        """`MT16`, as in `drivers.data.Source`."""
        return f"MT{self.number - MANUFACTURER_TABLES_FROM}"


@dataclass(frozen=True, slots=True)
class DescribedValue:
    """One value as read. `text` is scaled and named, without the unit; `raw` is the number on the wire, if any."""

    path: str
    text: str
    offset: int
    length: int
    octets: bytes
    unit: str = ""
    note: str = ""
    raw: Number | None = None


@dataclass(frozen=True, slots=True)
class Described:
    """A table as its description reads it. `remarks` say what did not fit, and which octets nobody describes."""

    values: tuple[DescribedValue, ...] = ()
    remarks: tuple[str, ...] = ()


def decode_described(table: DescribedTable, octets: bytes, context: Context) -> Described:
    """Return the values of a manufacturer table in the order of its description.

    What does not fit ends the decoding with a remark that names field and offset; what was read by then is kept.
    Raises `DataError` only where nothing can be decoded: ST00 is not in the context.
    """
    return _Decoding(table, octets, context).run()


def registers_from_described(
    table: DescribedTable, octets: bytes, context: Context
) -> tuple[list[Register], list[Problem]]:
    """Return the fields that stand for registers of the reading, exact, each with its source.

    A field that holds no number, or that did not fit the octets, is a problem, never a zero.
    Raises `DataError` as `decode_described` does.
    """
    described = decode_described(table, octets, context)
    found = {value.path: value for value in described.values}
    registers: list[Register] = []
    problems: list[Problem] = []
    for item in table.fields:
        if item.register is None:
            continue
        value = found.get(item.name)
        if value is None or value.raw is None:
            reason = "; ".join(described.remarks) if value is None else "the meter holds no number"
            problems.append(Problem(f"{table.name} {item.name}", reason))
        else:
            registers.append(_register(table, value, value.raw, item, item.register))
    return registers, problems


def scaled(item: DescribedField, raw: Number) -> Decimal:
    """Return the value of a number on the wire, exact."""
    return Linear(Fraction(item.scale)).apply(raw)


@dataclass(slots=True)
class _Decoding:
    """One table on its way through its description."""

    table: DescribedTable
    octets: bytes
    context: Context
    values: list[DescribedValue] = field(default_factory=list)
    numbers: dict[str, Number | None] = field(default_factory=dict)  # by path, for counts

    def run(self) -> Described:
        self.context.decoded(0)
        reader = Reader(self.octets)
        remarks: tuple[str, ...] = ()
        try:
            self._fields(reader, self.table.fields, "", 0)
        except _DoesNotFit as error:
            remarks = (f"{self.table.name}: {error}: what follows is not decoded",)
        undescribed = self._undescribed()
        if undescribed and not remarks:
            remarks = (f"{self.table.name}: not described: octets {undescribed}",)
        return Described(tuple(self.values), remarks)

    def _fields(self, reader: Reader, items: tuple[DescribedField, ...], prefix: str, start: int) -> None:
        """Decode the fields of the table, or of one record that begins at `start`."""
        end = reader.position
        for item in items:
            if item.offset is not None:
                reader.position = start + item.offset
            self._field(reader, item, f"{prefix}{item.name}", prefix)
            end = max(end, reader.position)
        reader.position = end

    def _field(self, reader: Reader, item: DescribedField, path: str, prefix: str) -> None:
        if item.count is None:
            self._one(reader, item, path)
            return
        index = 0
        while index < self._count(item, prefix, path, reader) if item.count != TO_THE_END else _left(reader):
            before = reader.position
            self._one(reader, item, f"{path}[{index}]")
            if reader.position == before:
                raise _DoesNotFit(f"{path}[{index}]", before, "it takes no octets")
            index += 1

    def _count(self, item: DescribedField, prefix: str, path: str, reader: Reader) -> int:
        """Return how many items there are: as stated, or as an earlier field of the same or an outer record says."""
        if isinstance(item.count, int):
            return item.count
        scope = prefix
        while True:
            if f"{scope}{item.count}" in self.numbers:
                found = self.numbers[f"{scope}{item.count}"]
                if found is None or found != int(found) or found < 0:
                    raise _DoesNotFit(path, reader.position, f"its count {scope}{item.count} is {found}")
                return int(found)
            if not scope:
                raise _DoesNotFit(path, reader.position, f"its count {item.count} is no earlier field")
            outer = scope[:-1].rpartition(".")[0]
            scope = f"{outer}." if outer else ""

    def _one(self, reader: Reader, item: DescribedField, path: str) -> None:
        if item.type == RECORD:
            self._fields(reader, item.fields, f"{path}.", reader.position)
            return
        wire = wire_of(item.type)
        if wire is None:
            raise _DoesNotFit(path, reader.position, f"there is no type {item.type}")
        if len(self.values) >= MOST_VALUES:
            raise _DoesNotFit(path, reader.position, f"there are more than {MOST_VALUES} values")
        start, noted = reader.position, len(reader.remarks)
        try:
            value = wire.decode(reader, Scope(self.context), path)
        except DataError as error:
            raise _DoesNotFit(path, start, _short(reader, start, error)) from error
        octets = self.octets[start : reader.position]
        remark = "; ".join(reader.remarks[noted:])
        self._note(item, path, value, start, octets, remark)

    def _note(self, item: DescribedField, path: str, value: Any, start: int, octets: bytes, remark: str) -> None:
        raw = value if isinstance(value, int | Decimal) else None
        self.numbers[path] = raw
        note = "; ".join(filter(None, (item.note, remark)))
        text = _text(item, value)
        made = DescribedValue(path, text, start, len(octets), octets, item.unit, note, raw)
        self.values.append(made)
        for bit in item.bits:
            part = int(raw or 0) >> bit.first & (1 << bit.last - bit.first + 1) - 1
            word = str(part) if bit.last > bit.first else "yes" if part else "no"
            self.numbers[f"{path}.{bit.name}"] = part
            self.values.append(DescribedValue(f"{path}.{bit.name}", word, start, len(octets), octets, raw=part))

    def _undescribed(self) -> str:
        """Return the octets that no field covers, as `12-15, 40`."""
        covered = bytearray(len(self.octets))
        for value in self.values:
            covered[value.offset : value.offset + value.length] = b"\1" * value.length
        runs: list[str] = []
        at = covered.find(0)
        while at >= 0:
            end = covered.find(1, at)
            last = (end if end >= 0 else len(covered)) - 1
            runs.append(f"{at}-{last}" if last > at else str(at))
            at = covered.find(0, end) if end >= 0 else -1
        return ", ".join(runs)


class _DoesNotFit(ValueError):
    """A field that the octets or the description do not allow."""

    def __init__(self, path: str, offset: int, reason: str) -> None:
        super().__init__(f"{path} at offset {offset}: {reason}")


def _left(reader: Reader) -> bool:
    return reader.position < len(reader.octets)


def _short(reader: Reader, start: int, error: DataError) -> str:
    left = max(len(reader.octets) - start, 0)
    if " octet " not in error.message:
        return error.message
    return f"{left} octet{'s are' if left != 1 else ' is'} left"


def _text(item: DescribedField, value: Any) -> str:
    """Write a value for people: scaled, or by its name."""
    match value:
        case None:
            text = "(none)"
        case int() | Decimal():
            name = dict(item.names).get(int(value)) if value == int(value) else None
            text = f"{name} ({value})" if name is not None else plain(scaled(item, value))
        case bytes():
            text = value.hex() or "(empty)"
        case frozenset():
            text = ", ".join(map(str, sorted(value))) or "(none)"
        case datetime():
            text = value.isoformat(" ")
        case _:
            text = str(value)
    return text


def _register(
    table: DescribedTable, value: DescribedValue, raw: Number, item: DescribedField, meaning: RegisterMeaning
) -> Register:
    return Register(
        quantity=meaning.quantity,
        direction=meaning.direction,
        kind=meaning.kind,
        tier=meaning.tier,
        raw=f"{Decimal(raw):f}",
        value=scaled(item, raw),
        multiplier=item.scale,
        unit=item.unit,
        season=meaning.season,
        phase=meaning.phase,
        source=Source(table.name, value.offset, value.length, value.octets),
    )
