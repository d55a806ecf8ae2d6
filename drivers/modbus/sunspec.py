"""The chain of SunSpec models: found by its marker, walked by the length of each (Device Information Model §6).

base+0   "SunS"                      2 registers
base+2   id of a model, its length   then so many registers
         … the next model …
         0xFFFF                      the end
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

from drivers.errors import DataError, MeterRefused
from drivers.modbus.image import Answer, Span
from drivers.modbus.schema import Function

MARKER: Final = b"SunS"
END: Final = 0xFFFF
MOST_MODELS: Final = 64  # a chain in a circle ends here; the longest known device has about twenty


@dataclass(frozen=True, slots=True)
class ModelFound:
    """A model in the chain: its id register is at `start`, and `length` registers follow its two of header."""

    id: int
    start: int
    length: int


def walk(bases: tuple[int, ...], function: Function) -> Generator[Span, Answer, tuple[ModelFound, ...]]:
    """Ask for the marker at each base, then for the header of each model; return the models in their order.

    Refusals (`MeterRefused`) are thrown in; at a base they mean that the chain is not there. Raises `DataError` when
    there is no marker, or the chain makes no sense.
    """
    base = yield from _base(bases, function)
    models: list[ModelFound] = []
    at = base + 2
    while len(models) < MOST_MODELS:
        if at + 2 > 65_536:
            raise DataError(f"the chain of SunSpec models leads past the last register: HR{at}")
        header = (yield Span(function, at, 2)).octets
        number, length = int.from_bytes(header[:2], "big"), int.from_bytes(header[2:4], "big")
        if number == END:
            return tuple(models)
        if number == 0 or length == 0:
            raise DataError(f"the chain of SunSpec models is broken at HR{at}: model {number} of length {length}")
        models.append(ModelFound(number, at, length))
        at += 2 + length
    raise DataError(f"the chain of SunSpec models does not end after {MOST_MODELS} models")


def _base(bases: tuple[int, ...], function: Function) -> Generator[Span, Answer, int]:
    refused: MeterRefused | None = None
    for base in bases:
        try:
            if (yield Span(function, base, 2)).octets == MARKER:
                return base
        except MeterRefused as error:
            if error.code not in (2, 3):
                raise
            refused = error
    places = ", ".join(str(base) for base in bases)
    raise DataError(
        f"there is no SunSpec marker at {places}",
        advice="name the meter's register map by --profile; `mrsp profile list` has them",
    ) from refused
