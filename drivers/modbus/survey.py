"""One visit to one meter without its line: which registers to ask for, in which order, and what came of it.

A generator yields what to ask for, takes in the answers, and is told of refusals by an exception thrown into it. So the
same code reads a live meter and a recording. No input or output, no clock.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from typing import Final

from drivers.data import Problem
from drivers.errors import DataError, MeterRefused
from drivers.modbus.image import Answer, Found, Image, Span, locate, requests
from drivers.modbus.schema import Identity, Place, RegisterKeys, RegisterMap
from drivers.modbus.sunspec import ModelFound, walk
from drivers.modbus.values import is_absent, read_text

Steps = Generator[Span, Answer, None]
MOST_READS: Final = 5  # of registers that may be torn; two that agree are enough
TORN: Final = 0x8000  # a last word that falls by so much without a borrow was read across a carry


@dataclass(frozen=True, slots=True)
class Placed:
    """A register of the map in this meter, with everything that its value needs."""

    keys: RegisterKeys
    found: Found
    scale: Found | None
    factors: tuple[Found, ...]  # of the constants that it is multiplied with or divided by

    @property
    def name(self) -> str:
        """For messages: where it is and what it holds."""
        keys = self.keys
        tier = f"tier {keys.tier}" if keys.tier else ""
        words = (self.found.span.name, keys.quantity, keys.direction, tier, keys.phase)
        return " ".join(word for word in words if word)

    @property
    def spans(self) -> tuple[Span, ...]:
        """All registers that its value rests on."""
        others = (self.scale, *self.factors)
        return (self.found.span, *(found.span for found in others if found is not None))


@dataclass(slots=True)
class Survey:
    """What a visit asks for, and what it has found so far. Usable at any moment: a line may break."""

    map: RegisterMap
    image: Image = field(default_factory=Image)
    placed: tuple[Placed, ...] = ()
    constants: dict[str, Found] = field(default_factory=dict)
    identity: dict[str, Found] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)  # of the identity, that need no register
    models: tuple[ModelFound, ...] = ()
    refused: dict[Span, MeterRefused] = field(default_factory=dict)
    torn: set[Span] = field(default_factory=set)
    changed: set[Span] = field(default_factory=set)  # scales and ratios that changed while values were read
    clock: Answer | None = None
    problems: list[Problem] = field(default_factory=list)

    def steps(self) -> Steps:
        """Ask for everything. Raises `DataError` if this is no meter of the map."""
        if self.map.sunspec is None:
            self._place(self.map.register, self.map.identity, None)
        else:
            self.models = yield from walk(self.map.sunspec.bases, self.map.modbus.function)
            self._place_models()
        expected = [locate(self.map, expect) for expect in self.map.expect]
        who = [*expected, *self.identity.values(), *self.constants.values()]
        yield from self._read(found.span for found in who)
        self._check_expected(expected)
        yield from self._read_clock()
        counters = [one for one in self.placed if one.keys.kind != "instantaneous"]
        rest = [one for one in self.placed if one.keys.kind == "instantaneous"]
        for group in (counters, rest):
            yield from self.read_values(group)

    def read_values(self, group: Iterable[Placed]) -> Steps:
        """Ask for registers with their scales, torn ones until two looks agree, and see that no scale changed."""
        group = tuple(group)
        spans = [span for one in group for span in one.spans]
        blocks = yield from self._read(spans, group)
        factors = {span for one in group for span in one.spans[1:] if not _together(blocks, one.found.span, span)}
        before = {span: self.image.get(span) for span in factors}
        self.changed |= factors  # until they are seen again: the line may break
        yield from self._read(factors)
        self.changed -= {span for span, octets in before.items() if self.image.get(span) == octets}

    def clock_span(self) -> Span | None:
        """Return where the clock is, if the map has one."""
        keys, clock = self.map.modbus, self.map.clock
        if clock is None:
            return None
        return Span(clock.function or keys.function, clock.address - keys.base, clock.registers)

    def _place(self, registers: tuple[RegisterKeys, ...], identity: Identity, start: int | None) -> None:
        self.constants = {one.name: locate(self.map, one) for one in self.map.constant}
        self.placed = tuple(self._placed(keys, start) for keys in registers)
        self._place_identity(identity, start)

    def _place_identity(self, identity: Identity, start: int | None) -> None:
        for name in identity.__struct_fields__:
            value = getattr(identity, name)
            if isinstance(value, Place):
                self.identity[name] = locate(self.map, value, start)
                self.texts.pop(name, None)
            elif isinstance(value, str):
                self.texts[name] = value

    def _place_models(self) -> None:
        """Take the first model with registers, and the identity that stands before it in the chain."""
        self._place_identity(self.map.identity, None)
        known = {number: model for model in self.map.model for number in model.ids}
        meters = [found for found in self.models if found.id in known and known[found.id].register]
        if not meters:
            ids = ", ".join(str(found.id) for found in self.models) or "none"
            raise DataError(f"no model of a meter is in this SunSpec device; its models: {ids}")
        chosen = meters[0]
        for found in self.models:
            model = known.get(found.id)
            if model is None or found.start > chosen.start:
                continue
            if found.length < model.length:
                raise DataError(
                    f"SunSpec model {found.id} at {Span(self.map.modbus.function, found.start, 1)} has {found.length} "
                    f"registers, and should have {model.length}"
                )
            if model.identity is not None:
                self._place_identity(model.identity, found.start)
        self.constants = {one.name: locate(self.map, one) for one in self.map.constant}
        self.placed = tuple(self._placed(keys, chosen.start) for keys in known[chosen.id].register)
        for other in meters[1:]:
            reason = f"a further meter of this device, at register {other.start}, is not read"
            self.problems.append(Problem(f"SunSpec model {other.id}", reason, lost=False))

    def _placed(self, keys: RegisterKeys, start: int | None) -> Placed:
        scale = None
        if keys.scale_at is not None:
            place = Place(address=keys.scale_at, type="sunssf", function=keys.function, absent=("0x8000",))
            scale = locate(self.map, place, start)
        factors = tuple(self.constants[name] for name in (*keys.times, *keys.over))
        return Placed(keys, locate(self.map, keys, start), scale, factors)

    def _read_clock(self) -> Steps:
        span = self.clock_span()
        if span is None:
            return
        try:
            self.clock = yield span
        except MeterRefused as error:
            self.problems.append(Problem("clock", error.message))

    def _read(self, wanted: Iterable[Span], group: tuple[Placed, ...] = ()) -> Generator[Span, Answer, list[Span]]:
        """Ask for spans in blocks; a block that is refused is asked for span by span. Returns what was answered."""
        wanted = tuple(wanted)
        answered: list[Span] = []
        keys = self.map.modbus
        for block in requests(wanted, most=keys.most, gap=keys.gap):
            inside = sorted({span for span in wanted if block.holds(span)})
            try:
                yield from self._ask(block, group)
                answered.append(block)
                continue
            except MeterRefused as error:
                if len(inside) == 1:
                    self.refused[inside[0]] = error
                    continue
            for span in inside:
                try:
                    yield from self._ask(span, group)
                    answered.append(span)
                except MeterRefused as error:
                    self.refused[span] = error
        return answered

    def _ask(self, block: Span, group: tuple[Placed, ...]) -> Steps:
        """Ask for one block, until its registers that may be torn are settled."""
        unsettled = [one.found for one in group if not one.keys.atomic and block.holds(one.found.span)]
        self.torn |= {found.span for found in unsettled}  # until the contrary is seen: the line may break
        before: dict[Span, bytes] = {}
        for _ in range(MOST_READS):
            self.image.put(block, (yield block).octets)
            after = {found.span: found.ordered(self.image.get(found.span) or b"") for found in unsettled}
            if all(settled(before.get(span, b""), octets) for span, octets in after.items()):
                self.torn -= set(after)
                return
            before = after

    def _check_expected(self, expected: list[Found]) -> None:
        for expect, found in zip(self.map.expect, expected, strict=True):
            octets = self.image.get(found.span)
            if octets is None:
                error = self.refused.get(found.span)
                if error is not None and not expect.optional:
                    raise error
                continue
            text = read_text(expect.type, found.ordered(octets))
            if text not in expect.values:
                raise DataError(
                    f"this is no meter of the map {self.map.name}: {found.span} holds {text}, "
                    f"not {' or '.join(expect.values)}",
                    advice="name the right register map by --profile",
                )

    def text_of(self, name: str) -> str:
        """Return a text of the identity; "" where the meter does not say it. Raises `DataError` for what is none."""
        found = self.identity.get(name)
        octets = self.image.get(found.span) if found is not None else None
        if found is None or octets is None:
            return self.texts.get(name, "")
        octets = found.ordered(octets)
        return "" if is_absent(found.place.type, octets, found.patterns) else read_text(found.place.type, octets)


def settled(before: bytes, after: bytes) -> bool:
    """Whether two successive looks at a counter, most significant first, prove that the second one is not torn.

    Everything but the last word is the same in both, and that did not fall as it does in a carry.
    """
    if not before:
        return False
    fell = int.from_bytes(before[-2:], "big") - int.from_bytes(after[-2:], "big")
    return before[:-2] == after[:-2] and fell < TORN


def _together(blocks: Iterable[Span], one: Span, other: Span) -> bool:
    """Whether one answer brought both."""
    return any(block.holds(one) and block.holds(other) for block in blocks)
