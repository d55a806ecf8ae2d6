"""Records and tables: frozen dataclasses whose annotations carry the wire type of each field.

    @record
    class TimeOffset(Table):
        dst_time_eff: Annotated[timedelta | None, TIME] = None
        dst_time_amt: Annotated[int, U8]
        time_zone_offset: Annotated[int | None, I16, BySize(If("st51.cap_tm_zn_offset"))] = None

One declaration serves to decode, to encode, and to compute the size. Build one by keywords, as any dataclass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, ClassVar, TypeVar, cast, dataclass_transform, get_args, get_origin

from drivers.c1219.scope import SETS, BySize, Condition, If, Reader, Ref, Scope, Unless, Wire
from drivers.c1219.wire import Binary

C = TypeVar("C", bound="Record")


@dataclass(frozen=True, slots=True)
class Bit:
    """Some bits of a bit field: `BitField.bit(n)` or `.bits(first, last)`."""

    group: BitField
    first: int
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class BitField:
    """BIT FIELD OF U8, U16 or U32: assembled by DATA_ORDER, bits numbered from the least significant."""

    octets: int

    def bit(self, index: int) -> Bit:
        """Return one bit (a `bool`, if so annotated)."""
        return Bit(self, index, 1)

    def bits(self, first: int, last: int) -> Bit:
        """Return bits `first` to `last`, both included."""
        return Bit(self, first, last - first + 1)


@dataclass(frozen=True, slots=True)
class Member:
    """One field of a record, or one whole bit field."""

    name: str  # of the (first) field
    wire: Wire
    condition: Condition | None = None

    def present(self, scope: Scope) -> bool:
        """Whether the field is in the octets."""
        if self.condition is None:
            return True
        if isinstance(self.condition, BySize) and self.name in scope.chosen:
            return scope.chosen[self.name]
        return self.condition.holds(scope)


@dataclass(frozen=True, slots=True)
class PackedBits:
    """Several fields in one bit field."""

    group: BitField
    members: tuple[tuple[str, Bit, bool], ...]

    def size(self, scope: Scope) -> int:  # noqa: ARG002 - part of `Wire`
        """Return the octets of the bit field."""
        return self.group.octets

    def unpack(self, octets: bytes, scope: Scope) -> Iterator[tuple[str, int]]:
        """Yield (field name, value)."""
        number = int.from_bytes(octets, scope.context.order if len(octets) > 1 else "little")
        for name, bit, is_bool in self.members:
            value = number >> bit.first & (1 << bit.count) - 1
            yield name, bool(value) if is_bool else value

    def decode(self, reader: Reader, scope: Scope, path: str) -> Any:
        """Return (name, value) of each field."""
        start = reader.position
        octets = reader.take(self.group.octets, path)
        prefix = path[: path.rfind(".") + 1]
        for name, _bit, _is_bool in self.members:
            reader.note(prefix + name, start, len(octets))
        return tuple(self.unpack(octets, scope))

    def encode(self, value: Any, scope: Scope) -> bytes:
        """Return the octets; `value` is the whole record."""
        number = 0
        for name, bit, _is_bool in self.members:
            part = int(getattr(value, name))
            if not 0 <= part < 1 << bit.count:
                raise ValueError(f"{name} = {part} does not fit {bit.count} bits")
            number |= part << bit.first
        return number.to_bytes(self.group.octets, scope.context.order if self.group.octets > 1 else "little")


@dataclass(frozen=True, slots=True)
class Layout:
    """A record's members in wire order."""

    members: tuple[Member, ...]

    def size(self, scope: Scope) -> int:
        """Return the octets of one record."""
        return sum(member.wire.size(scope) for member in self.members if member.present(scope))

    def decode(self, reader: Reader, scope: Scope, path: str) -> dict[str, Any]:
        """Return field values by name, absent ones left out."""
        values: dict[str, Any] = {}
        inner = replace(scope, own=values)
        prefix = f"{path}." if path else ""
        for member in self.members:
            if not member.present(inner):
                continue
            value = member.wire.decode(reader, inner, prefix + member.name)
            if isinstance(member.wire, PackedBits):
                values.update(value)
            else:
                values[member.name] = value
        return values

    def encode(self, record: Record, scope: Scope) -> bytes:
        """Return the octets of a record; raises `ValueError` naming the field that is missing or too large."""
        inner = replace(scope, own=_Attributes(record))
        return b"".join(self._encode(member, record, inner) for member in self.members)

    @staticmethod
    def _encode(member: Member, record: Record, scope: Scope) -> bytes:
        value = record if isinstance(member.wire, PackedBits) else getattr(record, member.name)
        present = value is not None if isinstance(member.condition, BySize) else member.present(scope)
        if not present:
            return b""
        try:
            return member.wire.encode(value, scope)
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"{type(record).__name__}.{member.name}: {error}") from error

    def open_ended(self, scope: Scope) -> bool:
        """Whether the last field takes whatever is left."""
        return bool(self.members) and self.members[-1].wire == Binary(None) and self.members[-1].present(scope)

    def choices(self) -> set[str]:
        """Return the names of the fields, here and in inner records, whose presence the size decides."""
        names = {member.name for member in self.members if isinstance(member.condition, BySize)}
        for member in self.members:
            inner = member.wire.item if isinstance(member.wire, Array | PerSet) else member.wire
            if isinstance(inner, Sub):
                names |= inner.kind.layout.choices()
        return names


class _Attributes(Mapping[str, object]):
    """A record's fields as a mapping, for references to its own fields."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def __getitem__(self, name: str) -> object:
        return getattr(self._record, name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Record:
    """Base of every declared record. `layout` is compiled from the annotations by `@record`."""

    __slots__ = ()
    layout: ClassVar[Layout]


class Table(Record):
    """Base of every declared table. `number` is the standard table's; `title` its identifier in the standard."""

    __slots__ = ()
    number: ClassVar[int]
    title: ClassVar[str]


@dataclass_transform(frozen_default=True, kw_only_default=True)
def record(cls: type[C]) -> type[C]:
    """Make a class with annotated wire types a frozen, keyword-only dataclass with its layout compiled."""
    made = cast("type[C]", dataclass(frozen=True, slots=True, kw_only=True)(cls))
    made.layout = _compile(made)
    return made


def _compile(cls: type[Record]) -> Layout:
    members: list[Member] = []
    packed: list[tuple[str, Bit, bool]] = []
    for item in fields(cast(Any, cls)):
        if get_origin(item.type) is not Annotated:
            raise TypeError(f"{cls.__name__}.{item.name} has no wire type")
        python_type, wire, *rest = get_args(item.type)
        condition = next((extra for extra in rest if isinstance(extra, If | Unless | BySize)), None)
        if not isinstance(wire, Bit):
            members.append(Member(item.name, wire, condition))
            continue
        if packed and packed[-1][1].group is wire.group:
            members.pop()
        else:
            packed = []
        packed.append((item.name, wire, python_type is bool))
        members.append(Member(packed[0][0], PackedBits(wire.group, tuple(packed))))
    return Layout(tuple(members))


@dataclass(frozen=True, slots=True)
class Sub:
    """One inner record."""

    kind: type[Record]

    def size(self, scope: Scope) -> int:
        """Return the octets of the record."""
        return self.kind.layout.size(scope)

    def decode(self, reader: Reader, scope: Scope, path: str) -> Record:
        """Return the next record; its place is noted under its own path, too."""
        start = reader.position
        made = self.kind(**self.kind.layout.decode(reader, scope, path))
        reader.note(path, start, reader.position - start)
        return made

    def encode(self, value: Any, scope: Scope) -> bytes:
        """Return the octets of a record."""
        if not isinstance(value, self.kind):
            raise TypeError(f"{self.kind.__name__} wanted, not {type(value).__name__}")
        return self.kind.layout.encode(value, scope)


@dataclass(frozen=True, slots=True)
class Array:
    """`count` items back to back, as a tuple."""

    item: Wire
    count: Ref

    def size(self, scope: Scope) -> int:
        """Return the octets of all items."""
        count = int(scope.resolve(self.count))
        return count * self.item.size(scope) if count else 0

    def decode(self, reader: Reader, scope: Scope, path: str) -> tuple[Any, ...]:
        """Return the items; those without any octets are one and the same."""
        count = int(scope.resolve(self.count))
        if count and not self.item.size(scope):
            return (self.item.decode(reader, scope, path),) * count
        return tuple(self.item.decode(reader, scope, f"{path}[{index}]") for index in range(count))

    def encode(self, value: Any, scope: Scope) -> bytes:
        """Return the octets of the items; raises `ValueError` when there are more or fewer than `count`."""
        count = int(scope.resolve(self.count))
        if len(value) != count:
            raise ValueError(f"{count} items wanted ({self.count}), not {len(value)}")
        return b"".join(self.item.encode(item, scope) for item in value)


@dataclass(frozen=True, slots=True)
class PerSet:
    """One record for each load-profile set in use: a tuple of four, None where a set is not used."""

    item: Sub

    def size(self, scope: Scope) -> int:
        """Return the octets of all sets in use."""
        return sum(self.item.size(replace(scope, profile_set=number)) for number in scope.sets_used())

    def decode(self, reader: Reader, scope: Scope, path: str) -> tuple[Record | None, ...]:
        """Return the records of sets 1 to 4."""
        used = scope.sets_used()
        return tuple(
            self.item.decode(reader, replace(scope, profile_set=number), f"{path}[{number - 1}]")
            if number in used
            else None
            for number in SETS
        )

    def encode(self, value: Any, scope: Scope) -> bytes:
        """Return the octets of the records that are there."""
        return b"".join(
            self.item.encode(item, replace(scope, profile_set=number))
            for number, item in zip(SETS, value, strict=True)
            if item is not None
        )
