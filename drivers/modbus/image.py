"""Registers of a meter as they were read: words by function and address, and what to ask for to get them.

Addresses here and below are those on the wire, from 0. Pure: no input or output, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from drivers.modbus.schema import FUNCTIONS, LETTERS, Function, Place, RegisterMap
from drivers.modbus.values import TYPES, Order, in_order


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Registers next to each other; also a request for them."""

    function: Function
    first: int
    count: int
    alone: bool = False  # never asked for together with others

    @property
    def end(self) -> int:
        """The address behind the last."""
        return self.first + self.count

    @property
    def code(self) -> int:
        """The function code that reads them."""
        return FUNCTIONS[self.function]

    @property
    def name(self) -> str:
        """For messages and provenance: the kind of register, and the address on the wire, as `HR40083`."""
        return f"{LETTERS[self.function]}{self.first}"

    def __str__(self) -> str:
        return self.name if self.count == 1 else f"{self.name} to {LETTERS[self.function]}{self.end - 1}"

    def holds(self, other: Span) -> bool:
        """Whether all of `other` is in it."""
        return self.function == other.function and self.first <= other.first and other.end <= self.end


@dataclass(frozen=True, slots=True)
class Found:
    """A place of the map in this meter: its span, and how its octets are ordered."""

    place: Place
    span: Span
    patterns: tuple[str, ...]  # what stands for "not implemented"
    words: Order
    within: Order

    def ordered(self, octets: bytes) -> bytes:
        """Return octets as read, most significant first; text keeps the order of its registers."""
        return in_order(octets, "big" if self.place.type == "string" else self.words, self.within)


@dataclass(slots=True)
class Image:
    """What was read. A register that is read again replaces what was read first."""

    words: dict[tuple[Function, int], bytes] = field(default_factory=dict)

    def put(self, span: Span, octets: bytes) -> None:
        """Take in an answer: two octets for each register of `span`."""
        for index in range(span.count):
            self.words[span.function, span.first + index] = octets[2 * index : 2 * index + 2]

    def get(self, span: Span) -> bytes | None:
        """Return the octets of `span` as read; None if one of them was not."""
        found = [self.words.get((span.function, address)) for address in range(span.first, span.end)]
        return b"".join(one for one in found if one is not None) if None not in found else None


def locate(one: RegisterMap, place: Place, start: int | None = None) -> Found:
    """Return where a place of the map is on the wire. `start`: of the SunSpec model that it belongs to."""
    keys = one.modbus
    first = place.address - keys.base if start is None else start + place.address
    patterns = place.absent
    if patterns is None:
        patterns = TYPES[place.type].absent if keys.not_implemented == "sunspec" else ()
    return Found(
        place,
        Span(place.function or keys.function, first, place.registers, place.alone),
        patterns,
        place.word_order or keys.word_order,
        place.byte_order or keys.byte_order,
    )


def requests(wanted: Iterable[Span], *, most: int, gap: int) -> list[Span]:
    """Return as few requests as bring all spans: none is split, none larger than `most`, no gap larger than `gap`."""
    asked: list[Span] = []
    for span in sorted(set(wanted)):
        last = asked[-1] if asked else None
        if last is not None and last.holds(span):
            continue
        near = last is not None and last.function == span.function and span.first - last.end <= gap
        if last is not None and near and not (last.alone or span.alone) and span.end - last.first <= most:
            asked[-1] = Span(span.function, last.first, max(last.end, span.end) - last.first)
        else:
            asked.append(span)
    return asked


@dataclass(frozen=True, slots=True)
class Answer:
    """The octets of the registers that were asked for; between two stamps of the caller's monotonic clock."""

    octets: bytes
    before_ns: int = 0
    after_ns: int = 0
