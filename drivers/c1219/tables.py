"""Every declared table, by number. A decade is imported when one of its tables is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module

from drivers.c1219.record import Table

#: Decade → the numbers that its module declares. ST42–ST45 hold secrets; ST64–ST67 have a codec of their own.
_DECADES = {
    0: range(9),
    1: range(10, 18),
    2: range(20, 29),
    3: range(30, 35),
    4: range(40, 42),
    5: range(50, 58),
    6: range(60, 64),
    7: range(70, 80),
    8: range(80, 90),
    9: range(90, 99),
}


@cache
def _decade(decade: int) -> Mapping[int, type[Table]]:
    module = import_module(f"drivers.c1219.decade{decade}")
    return {
        kind.number: kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Table) and "number" in vars(kind)
    }


class _Tables(Mapping[int, type[Table]]):
    """All declarations, in the order of their numbers."""

    def __getitem__(self, number: int) -> type[Table]:
        if number not in _DECADES.get(number // 10, ()):
            raise KeyError(number)
        return _decade(number // 10)[number]

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and number in _DECADES.get(number // 10, ())

    def __iter__(self) -> Iterator[int]:
        for numbers in _DECADES.values():
            yield from numbers

    def __len__(self) -> int:
        return sum(map(len, _DECADES.values()))


#: Table class by number; ST64–ST67 are `profile_data.ProfileData`.
TABLES: Mapping[int, type[Table]] = _Tables()
