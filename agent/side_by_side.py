"""A reading document beside what the bytes of its recording say, entry by entry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec

from agent.document import block_part, event_part, meter_part, register_part, status_part
from agent.reading import BlockPart, EventPart, Provenance, Reading, RegisterPart
from agent.utc_text import utc_text
from drivers.c1219.newest import cut
from drivers.data import Event, IntervalBlock, Register, Source
from drivers.psem.retold import Retold

_METER_KEYS = (
    "meter_id",
    "manufacturer",
    "model",
    "serial_number",
    "hardware_version",
    "firmware_version",
    "profile",
)
_REGISTER_KEYS = ("quantity", "direction", "kind", "tier", "season", "period", "phase", "occurrence", "self_read")
CLOCK_KEYS = ("meter_time", "meter_time_after")
_SHOWN = 120  # characters of a value


@dataclass(frozen=True, slots=True)
class Twin:
    """One entry of the document, and what the bytes say instead; None where they say nothing of it."""

    path: str
    document: Mapping[str, Any]
    derived: Mapping[str, Any] | None
    origin: Register | IntervalBlock | Event | None = None

    def differences(self) -> list[Difference]:
        """Return every key in which they differ; lists are compared item by item."""
        if self.derived is None:
            return [Difference(self.path, brief(self.document), "nothing of the kind is in the recording")]
        found: list[Difference] = []
        for key in dict.fromkeys([*self.document, *self.derived]):
            found += _compared(f"{self.path}.{key}", self.document.get(key), self.derived.get(key))
        return found


@dataclass(frozen=True, slots=True)
class Difference:
    """A value of the document that is not what the bytes say."""

    path: str
    document: str
    derived: str


@dataclass(slots=True)
class Sides:
    """Every entry of the document that comes from the meter."""

    registers: list[Twin] = field(default_factory=list)
    blocks: list[Twin] = field(default_factory=list)
    events: list[Twin] = field(default_factory=list)
    others: list[Twin] = field(default_factory=list)  # `meter`, `clock`, `meter_status`
    looks: list[tuple[Retold, list[Twin]]] = field(default_factory=list)  # registers that were read again

    def all(self) -> list[Twin]:
        """Return all of them, in the order of the document."""
        again = [twin for _, twins in self.looks for twin in twins]
        return [*self.others, *self.registers, *self.blocks, *self.events, *again]


def side_by_side(reading: Reading, retold: Retold) -> Sides:
    """Lay every entry of `reading` beside what the recording says of the same place in the meter's tables."""
    made, data = Sides(), retold.data
    sha256 = reading.recording.sha256 if reading.recording is not None else None
    made.registers = register_twins("registers", reading.registers, data.registers, sha256)
    blocks = {(_extent(block.source), block.channel): block for block in data.blocks}
    for index, block in enumerate(reading.interval_blocks):
        found = blocks.get((_place(block.provenance), block.channel)) if block.provenance is not None else None
        found = _newest(found, len(block.values)) if found is not None else None
        shown = block_part(found, sha256) if found is not None else None
        made.blocks.append(_twin(f"interval_blocks[{index}]", block, shown, found))
    left = list(data.events)
    for index, event in enumerate(reading.events):
        same = _same_event(event, left)
        if same is not None:
            left.remove(same)
        made.events.append(_twin(f"events[{index}]", event, event_part(same) if same else None, same))
    meter = {key: value for key, value in plain_of(reading.meter).items() if key in _METER_KEYS}
    made.others.append(Twin("meter", meter, plain_of(meter_part(data))))
    clock = {key: getattr(reading.clock, key) for key in CLOCK_KEYS if getattr(reading.clock, key) is not None}
    if clock:
        made.others.append(Twin("clock", clock, _clock(clock, retold)))
    if reading.meter_status is not None:
        status = plain_of(status_part(data.status)) if data.status is not None else None
        made.others.append(Twin("meter_status", plain_of(reading.meter_status), status))
    return made


def register_twins(
    path: str, parts: Iterable[RegisterPart], registers: Sequence[Register], sha256: str | None
) -> list[Twin]:
    """Lay registers of the document beside those of a recording, by their places in the meter's tables."""
    places = {_extent(register.source): register for register in registers}
    twins: list[Twin] = []
    for index, part in enumerate(parts):
        register = places.get(_place(part.provenance)) if part.provenance else _alike(part, registers)
        derived = register_part(register, part.dials, sha256) if register is not None else None
        twins.append(_twin(f"{path}[{index}]", part, derived, register))
    return twins


def _clock(document: Mapping[str, str], retold: Retold) -> dict[str, str]:
    """Return what the clock showed at the looks that the document means: one before and one after it was set."""
    shown = [utc_text(look.utc) for look in retold.looks]
    meant = {"meter_time": [utc_text(retold.data.clock.meter_time)] if retold.data.clock is not None else []}
    meant["meter_time_after"] = [text for text in shown if text == document.get("meter_time_after")] or shown
    return {key: meant[key][-1] for key in document if meant[key]}


def _twin(
    path: str,
    document: RegisterPart | BlockPart | EventPart,
    derived: RegisterPart | BlockPart | EventPart | None,
    origin: Register | IntervalBlock | Event | None,
) -> Twin:
    return Twin(path, plain_of(document), plain_of(derived) if derived is not None else None, origin)


def plain_of(part: msgspec.Struct) -> dict[str, Any]:
    """Return a part of the document as it is written."""
    plain: dict[str, Any] = msgspec.to_builtins(part)
    return plain


def _extent(source: Source | None) -> tuple[str, int, int] | None:
    return (source.table, source.offset, source.length) if source is not None else None


def _place(place: Provenance | None) -> tuple[str, int, int] | None:
    return (place.table, place.offset, place.length) if place is not None else None


def _newest(block: IntervalBlock, count: int) -> IntervalBlock:
    """Return the newest `count` intervals of a block: those before them were read to be compared only."""
    away = max(0, min(len(block.counts) - count, len(block.counts) - 1))
    return cut([block], block.first_interval_end + away * timedelta(seconds=block.interval_s))[0]


def _alike(part: RegisterPart, registers: Iterable[Register]) -> Register | None:
    """Return the register of a document without provenance, by what it is."""
    wanted = [getattr(part, key) for key in _REGISTER_KEYS]
    for register in registers:
        candidate = register_part(register, part.dials, None)
        if [getattr(candidate, key) for key in _REGISTER_KEYS] == wanted:
            return register
    return None


def _same_event(part: EventPart, events: Iterable[Event]) -> Event | None:
    """Return the event that a part of the document shows, else the one of the same number in the same log."""
    near: Event | None = None
    for event in events:
        candidate = event_part(event)
        if candidate == part:
            return event
        if near is None and (candidate.log, candidate.sequence) == (part.log, part.sequence):
            near = event
    return near


def _compared(path: str, document: Any, derived: Any) -> list[Difference]:
    if document == derived and type(document) is type(derived):
        return []
    if isinstance(document, list | tuple) and isinstance(derived, list | tuple) and len(document) == len(derived):
        return [
            difference
            for index, pair in enumerate(zip(document, derived, strict=True))
            for difference in _compared(f"{path}[{index}]", *pair)
        ]
    if isinstance(document, dict) and isinstance(derived, dict):
        keys = dict.fromkeys([*document, *derived])
        return [
            difference for key in keys for difference in _compared(f"{path}.{key}", document.get(key), derived.get(key))
        ]
    return [Difference(path, brief(document), brief(derived))]


def brief(value: Any) -> str:
    """Write a value in one line, cut where it is long."""
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
