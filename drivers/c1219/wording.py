"""What the numbers of a declared field mean to a person: marks beside the wire type, which say nothing of the octets.

sub_int: Annotated[int | None, U8, If("st11.sliding_demand"), MINUTES] = None
tm_format: Annotated[int, _CONTROL_2.bits(0, 2), TM_FORMATS] = 2
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, get_args


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit that a field counts in, fixed by the standard."""

    word: str


@dataclass(frozen=True, slots=True)
class Words:
    """The meaning of each number of an enumeration; numbers left out are reserved."""

    by_number: Mapping[int, str]

    def word(self, number: int) -> str:
        """Return the meaning of a number; empty for a reserved one."""
        return self.by_number.get(number, "")


@dataclass(frozen=True, slots=True)
class SourceIndex:
    """The number selects a source, an entry of ST16; 255 selects none."""


@dataclass(frozen=True, slots=True)
class FlagWords:
    """The number is a sum of flags, each of which has a meaning."""

    by_flag: Mapping[int, str]

    def words_of(self, number: int) -> str:
        """Return the meanings of all flags that are set."""
        return ", ".join(word for flag, word in self.by_flag.items() if number & flag)


@dataclass(frozen=True, slots=True)
class ZoneOffset:
    """Minutes from UTC, west negative."""


Mark = Unit | Words | FlagWords | SourceIndex | ZoneOffset

MINUTES, SECONDS, DAYS, OCTETS = Unit("min"), Unit("s"), Unit("days"), Unit("octets")
SOURCE, ZONE_OFFSET = SourceIndex(), ZoneOffset()


def words(*meanings: str) -> Words:
    """Return the meanings of 0, 1, 2 …; an empty one is reserved."""
    return Words({number: meaning for number, meaning in enumerate(meanings) if meaning})


LIST_ORDER = words("ascending: the newest entry is the last", "descending: the newest entry is the first")
LIST_TYPE = words("FIFO", "circular")


def unit_of(mark: Mark | None) -> str:
    """Return the unit of a marked number; empty where it has none."""
    return mark.word if isinstance(mark, Unit) else MINUTES.word if isinstance(mark, ZoneOffset) else ""


def zone_name(minutes: int) -> str:
    """Return an offset from UTC as `UTC-05:00`."""
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"


@cache
def marks_of(kind: Any) -> Mapping[str, Mark]:
    """Return the mark of each marked field of a class of records, by name."""
    found = {}
    for item in fields(kind):
        mark = next((extra for extra in get_args(item.type) if isinstance(extra, Mark)), None)
        if mark is not None:
            found[item.name] = mark
    return found
