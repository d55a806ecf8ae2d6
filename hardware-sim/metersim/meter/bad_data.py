"""Faults of what a meter holds: octets of its tables that are whole on the line and mean nothing, or something absurd.

The model knows nothing of them, so `truth` stays what the meter should have said.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from drivers.c1219.codec import decode
from drivers.c1219.context import Context, Span
from drivers.c1219.decade6 import ProfileStatus
from drivers.c1219.decade7 import EventLog
from drivers.c1219.walltime import EPOCH
from drivers.errors import UsageError
from metersim.meter.scenario import NI_CODE

DATA_SETS = range(64, 68)
_REGISTERS, _CONSTANTS, _IDENTIFICATION, _EVENTS, _PROFILE_STATUS = 23, 15, 5, 76, 63
_CLOCKS = (52, 55)
_FIRST_LIMIT = {11: 1, 21: 2, 61: 7, 71: 1}  # table → where the numbers of entries begin, behind the flags
_FIELDS = (1, 2)  # TM_FORMATs that store calendar fields, the first as BCD
_BAD_DIGITS = 0x3A  # a minus behind a digit
_ABSURD = {
    1970: EPOCH.replace(minute=7, second=12),
    2099: EPOCH.replace(year=2099, month=12, day=31, hour=23, minute=59, second=12),
}
_FLOAT_LETTER = {NI_CODE["FLOAT64"]: "d", NI_CODE["FLOAT32"]: "f"}
_FLOAT_TEXT = {NI_CODE[name] for name in NI_CODE if name.startswith("FLOAT_CHAR")}
_BCD = {NI_CODE[name] for name in NI_CODE if name.startswith("BCD")}

Piece = tuple[int, bytes]  # what stands at an offset instead


@dataclass(frozen=True, slots=True)
class BadData:
    """Which tables lie, and how. The default is a meter that holds what it should."""

    zero_length: frozenset[int] = frozenset()
    dims_255: frozenset[int] = frozenset()
    nan_float: str = ""  # nan, inf or constants
    bcd_hex: str = ""  # demand, id or time
    feb_31: str = ""  # clock, block or event
    clock_year: int | None = None
    shuffled: bool = False
    patches: tuple[tuple[int, int, bytes], ...] = ()  # table, offset, octets

    @property
    def tables(self) -> frozenset[int]:
        """The tables that some of this needs to be there."""
        needed = {*self.zero_length, *self.dims_255, *(table for table, _, _ in self.patches)}
        needed |= {"nan": {_REGISTERS}, "inf": {_REGISTERS}, "constants": {_CONSTANTS}}.get(self.nan_float, set())
        needed |= {"demand": {_REGISTERS}, "id": {_IDENTIFICATION}, "time": {52}}.get(self.bcd_hex, set())
        needed |= {"clock": {52}, "block": {64}, "event": {_EVENTS}}.get(self.feb_31, set())
        needed |= {52} if self.clock_year is not None else set()
        needed |= {64} if self.shuffled else set()
        return frozenset(needed)


class Impossible(UsageError):
    """This meter has nothing that could be spoilt in this way."""


@dataclass(frozen=True, slots=True)
class Spoiler:
    """Spoils the octets of one meter's tables. `table` gives the octets that are right, for pointers into others."""

    bad: BadData
    context: Context
    seed: int
    table: Callable[[int], bytes | None]

    def check(self) -> None:
        """Raise `Impossible` unless everything that is to be spoilt is there."""
        for number in sorted(self.bad.tables):
            octets = self.table(number)
            if octets is None:
                raise Impossible(f"ST{number:02} is to be spoilt, and this meter has none")
            if self.spoil(number, octets) == octets:
                raise Impossible(f"ST{number:02} is to be spoilt, and there is nothing of the kind in it")

    def spoil(self, number: int, octets: bytes) -> bytes:
        """Return what the meter gives out as table `number`."""
        if number in self.bad.zero_length:
            return b""
        if self.bad.shuffled and number in DATA_SETS:
            octets = self._shuffled(number, octets)
        spoilt = bytearray(octets)
        for offset, instead in self._pieces(number, octets):
            end = min(len(octets), offset + len(instead))
            spoilt[offset:end] = instead[: max(0, end - offset)]
        return bytes(spoilt)

    def _pieces(self, number: int, octets: bytes) -> Iterator[Piece]:
        if number in self.bad.dims_255 and number in _FIRST_LIMIT:
            yield _FIRST_LIMIT[number], b"\xff" * (len(octets) - _FIRST_LIMIT[number])
        if number == _REGISTERS:
            yield from self._register(octets)
        if number == _CONSTANTS and self.bad.nan_float == "constants":
            yield from self._float(octets, number, "entries[0].multiplier", "nan")
        if number == _IDENTIFICATION and self.bad.bcd_hex == "id" and self.context.st00.id_form:
            yield len(octets) - 1, bytes([_BAD_DIGITS])
        if number in _CLOCKS:
            yield from self._clock()
        if self.bad.feb_31 == "block" and number in DATA_SETS:
            yield from self._feb_31(self._newest_block(number, octets))
        if self.bad.feb_31 == "event" and number == _EVENTS:
            yield from self._feb_31(self._newest_event(octets))
        yield from ((offset, instead) for table, offset, instead in self.bad.patches if table == number)

    def _place(self, number: int, octets: bytes, path: str) -> Span | None:
        return decode(number, octets, self.context).spans.get(path)

    def _register(self, octets: bytes) -> Iterator[Piece]:
        if self.bad.nan_float in ("nan", "inf"):
            yield from self._float(octets, _REGISTERS, "data.total.summations[0]", self.bad.nan_float)
        if self.bad.bcd_hex == "demand":
            for path, which in (("data.total.demands[0].demand[0]", 2), ("data.total.summations[0]", 1)):
                place = self._place(_REGISTERS, octets, path)
                if place is not None and self.context.number_format(which).code in _BCD:
                    yield place.offset + place.length - 1, bytes([_BAD_DIGITS])
                    return

    def _float(self, octets: bytes, number: int, path: str, what: str) -> Iterator[Piece]:
        place, kind = self._place(number, octets, path), self.context.number_format(1)
        if place is None:
            return
        if kind.code in _FLOAT_LETTER:
            order = "<" if self.context.order == "little" else ">"
            yield place.offset, struct.pack(order + _FLOAT_LETTER[kind.code], float(what))
        elif kind.code in _FLOAT_TEXT:
            yield place.offset, what.upper().encode().rjust(kind.width)

    def _clock(self) -> Iterator[Piece]:
        tm_format = self.context.st00.tm_format
        if self.bad.feb_31 == "clock":
            yield from self._feb_31(0)
        if self.bad.bcd_hex == "time" and tm_format == 1:
            yield 4, bytes([_BAD_DIGITS])
        if self.bad.clock_year is None:
            return
        shown = _ABSURD[self.bad.clock_year]
        if tm_format in _FIELDS:
            fields = (shown.year % 100, shown.month, shown.day, shown.hour, shown.minute, shown.second)
            yield 0, bytes(field // 10 * 16 + field % 10 if tm_format == 1 else field for field in fields)
        else:
            seconds = (shown - EPOCH) // timedelta(seconds=1)
            whole = seconds if tm_format == 4 else seconds // 60
            yield 0, whole.to_bytes(4, self.context.order) + (bytes([seconds % 60]) if tm_format == 3 else b"")

    def _feb_31(self, offset: int | None) -> Iterator[Piece]:
        if offset is not None and self.context.st00.tm_format in _FIELDS:
            yield offset + 1, bytes([2, 0x31 if self.context.st00.tm_format == 1 else 31])

    def _newest_block(self, number: int, octets: bytes) -> int | None:
        status = self.table(_PROFILE_STATUS)
        found = None if status is None else decode(_PROFILE_STATUS, status, self.context).table
        newest = found.sets[number - DATA_SETS.start] if isinstance(found, ProfileStatus) else None
        if newest is None or not newest.nbr_valid_blocks:
            return None
        return newest.last_block_element * self._block_size(number, octets)

    def _newest_event(self, octets: bytes) -> int | None:
        log = decode(_EVENTS, octets, self.context).table
        if not isinstance(log, EventLog) or not log.nbr_valid_entries:
            return None
        place = self._place(_EVENTS, octets, f"entries[{log.last_entry_element}].time")
        return None if place is None else place.offset

    def _block_size(self, number: int, octets: bytes) -> int:
        return len(octets) // self.context.st61.of_set(number - DATA_SETS.start + 1, "nbr_blks")

    def _shuffled(self, number: int, octets: bytes) -> bytes:
        size = self._block_size(number, octets)
        blocks = [octets[at : at + size] for at in range(0, len(octets), size)]
        Random(f"{self.seed}/{number}").shuffle(blocks)
        return b"".join(blocks)
