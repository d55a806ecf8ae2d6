"""Whether the fields of a described manufacturer table make sense together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from drivers.c1219.described import RECORD, TO_THE_END
from drivers.c1219.described_types import ALLOWED, Bcd, Float, wire_of
from drivers.c1219.wire import Binary, Chars, Flags, NonInteger, SInt, UInt
from drivers.profiles.manufacturer_table import FieldKeys

Keys = list[str | int]
Mistake = tuple[Keys, str]
_DEEPEST = 4  # records in records
_NUMBERS = (UInt, SInt, Bcd, Float, NonInteger)
_LONGEST = 65_535  # octets of a table: the count of a read has 16 bits


def field_mistakes(items: Sequence[FieldKeys]) -> list[Mistake]:
    """Return (keys below the table, reason) of each mistake in the fields of one table."""
    return list(_fields(items, [], (), depth=0))


def _fields(items: Sequence[FieldKeys], place: Keys, outer: tuple[str, ...], *, depth: int) -> Iterator[Mistake]:
    earlier: list[str] = []
    for index, item in enumerate(items):
        here: Keys = [*place, "field", index]
        known = (*outer, *earlier)
        if item.name in earlier:
            yield [*here, "name"], f'"{item.name}" is there twice'
        yield from _field(item, here, known)
        if isinstance(item.count, str) and item.count == TO_THE_END and (index + 1 < len(items) or depth):
            yield [*here, "count"], "only the last field of a table can go on to its end"
        if item.type == RECORD:
            if depth + 1 >= _DEEPEST:
                yield [*here, "field"], f"records go {_DEEPEST} deep at most"
            else:
                yield from _fields(item.field, here, known, depth=depth + 1)
        earlier.append(item.name)
        earlier += [f"{item.name}.{bit}" for bit in item.bits]
    yield from _overlaps(items, place)


def _field(item: FieldKeys, here: Keys, known: tuple[str, ...]) -> Iterator[Mistake]:
    yield from _type(item, here)
    yield from _number(item, here)
    yield from _bits(item, here)
    if isinstance(item.count, str) and item.count not in {TO_THE_END, *known}:
        yield [*here, "count"], f'"{item.count}" is no earlier field; there are: {", ".join(known) or "none"}'
    if item.register is not None:
        if not item.unit:
            yield [*here, "register"], "a register needs the key `unit` beside it"
        if item.count is not None or "field" in here[:-2]:
            yield [*here, "register"], "only a single field of the table itself can be a register"


def _type(item: FieldKeys, here: Keys) -> Iterator[Mistake]:
    if item.type == RECORD:
        if not item.field:
            yield [*here, "field"], "a RECORD needs fields"
    elif wire_of(item.type) is None:
        yield [*here, "type"], f'there is no type "{item.type}"; allowed: {ALLOWED}'
    elif item.field:
        yield [*here, "field"], "only a RECORD has fields"


def _number(item: FieldKeys, here: Keys) -> Iterator[Mistake]:
    """Find what only numbers may have."""
    said = {"scale": item.scale != "1", "names": bool(item.names), "register": item.register is not None}
    if not isinstance(wire_of(item.type), _NUMBERS):
        yield from (([*here, key], "only a number has it") for key, there in said.items() if there)
    if not item.scale.strip("-0."):
        yield [*here, "scale"], "a scale of 0 leaves nothing"
    for name in item.names:
        if not name.removeprefix("-").isdecimal():
            yield [*here, "names", name], "a name stands for a whole number"
    if item.names and said["scale"]:
        yield [*here, "names"], "a number with names has no scale"


def _bits(item: FieldKeys, here: Keys) -> Iterator[Mistake]:
    if not item.bits:
        return
    if not item.type.startswith("BITS"):
        yield [*here, "bits"], "only BITS8, BITS16, BITS24 and BITS32 have them"
        return
    wire = wire_of(item.type)
    width = 8 * wire.octets if isinstance(wire, UInt) else 32
    taken: dict[int, str] = {}
    for name, place in item.bits.items():
        first, last = (place, place) if isinstance(place, int) else (place[0], place[1])
        if not first <= last < width:
            yield [*here, "bits", name], f"bits {first} to {last} are not in {item.type}"
            continue
        shared = [taken[bit] for bit in range(first, last + 1) if bit in taken]
        if shared:
            yield [*here, "bits", name], f"shares bits with {shared[0]}"
        taken.update(dict.fromkeys(range(first, last + 1), name))


def _overlaps(items: Sequence[FieldKeys], place: Keys) -> Iterator[Mistake]:
    """Find fields that lie on others; what follows a field whose size the meter decides has no known place."""
    ends: list[tuple[int, int, str]] = []
    at: int | None = 0
    for index, item in enumerate(items):
        start = item.offset if item.offset is not None else at
        size = fixed_size(item)
        at = None if start is None or size is None else start + size
        if start is None or at is None:
            continue
        if at > _LONGEST:
            yield [*place, "field", index], f"ends at octet {at}; no table is longer than {_LONGEST}"
        on = [name for first, last, name in ends if first < at and start < last]
        if on:
            yield [*place, "field", index, "offset" if item.offset is not None else "name"], f"lies on {on[0]}"
        ends.append((start, at, item.name))


def fixed_size(item: FieldKeys) -> int | None:
    """Return the octets of a field; None where the meter decides them."""
    if isinstance(item.count, str):
        return None
    times = 1 if item.count is None else item.count
    if item.type == RECORD:
        one = _record_size(item.field)
        return None if one is None else times * one
    wire = wire_of(item.type)
    if isinstance(wire, UInt | SInt | Bcd | Float | Chars | Binary | Flags) and isinstance(wire.octets, int):
        return times * wire.octets
    return None


def _record_size(items: Sequence[FieldKeys]) -> int | None:
    end = at = 0
    for item in items:
        size = fixed_size(item)
        if size is None:
            return None
        at = (at if item.offset is None else item.offset) + size
        end = max(end, at)
    return end
