"""Where the declarations of tables meet the octets and the tables already known: reader, references, conditions.

Counts and conditions in a declaration are references, resolved when the table is met: `"st21.nbr_tiers"` (a field of
another table), `"quirks.no_offset"`, `".dim_std_tbls_used"` (an earlier field of the same record), `"set.nbr_chns"`
(ST61 of the profile set at hand).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from drivers.c1219.context import Context, NotRead, Span
from drivers.errors import DataError

Ref = int | str
MOST_REMARKS = 20  # about one table
SETS = (1, 2, 3, 4)  # of load-profile data: ST64–ST67


@dataclass(slots=True)
class Reader:
    """Octets of one table, read front to back; remembers where each field lay, if `noting`."""

    octets: bytes
    position: int = 0
    spans: dict[str, Span] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    noting: bool = True
    unsaid: int = 0  # remarks beyond the first `MOST_REMARKS`

    def take(self, count: int, path: str) -> bytes:
        """Return the next `count` octets, noted as the place of `path`; raises `DataError` past the end."""
        end = self.position + count
        if end > len(self.octets):
            raise DataError(f"{path} ends at octet {end}, but only {len(self.octets)} came")
        self.note(path, self.position, count)
        octets = self.octets[self.position : end]
        self.position = end
        return octets

    def note(self, path: str, offset: int, count: int) -> None:
        """Remember where a field lies."""
        if self.noting:
            self.spans[path] = Span(offset, count)

    def remark(self, text: str) -> None:
        """Say something about the octets; of a great many remarks only the first are kept, the others counted."""
        if len(self.remarks) < MOST_REMARKS:
            self.remarks.append(text)
        else:
            self.unsaid += 1

    def said(self) -> tuple[str, ...]:
        """Return the remarks, with how many there are besides."""
        return (*self.remarks, f"and {self.unsaid} more like these") if self.unsaid else tuple(self.remarks)


class Places(Mapping[str, Span]):
    """Where the fields of a table lie: looked for when first asked, since they take far more room than the octets."""

    __slots__ = ("_find", "_found")

    def __init__(self, find: Callable[[], dict[str, Span]]) -> None:
        self._find = find
        self._found: dict[str, Span] | None = None

    @property
    def _spans(self) -> dict[str, Span]:
        if self._found is None:
            self._found = self._find()
        return self._found

    def __getitem__(self, path: str) -> Span:
        return self._spans[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._spans)

    def __len__(self) -> int:
        return len(self._spans)


@dataclass(frozen=True, slots=True)
class Scope:
    """Where references are looked up while one table is worked on."""

    context: Context
    own: Mapping[str, object] = field(default_factory=dict)  # earlier fields of the same record
    chosen: Mapping[str, bool] = field(default_factory=dict)  # `BySize` fields: present or not
    sets: tuple[int, ...] | None = None  # profile sets present; None: as ST00 and ST61 say
    profile_set: int = 0

    def sets_used(self) -> tuple[int, ...]:
        """Return the numbers of the load-profile sets that ST61, 62 and 63 describe."""
        if self.sets is not None:
            return self.sets
        if 61 in self.context:
            return tuple(number for number in SETS if self.context.st61.sets[number - 1] is not None)
        return tuple(number for number in SETS if 63 + number in self.context.st00.std_tbls_used)

    def resolve(self, ref: Ref) -> Any:
        """Return what a reference stands for; raises `NotRead` when its table has not been read."""
        if isinstance(ref, int):
            return ref
        head, _, name = ref.partition(".")
        if not head:
            return self.own[name]
        if head == "quirks":
            return getattr(self.context.quirks, name)
        if head == "set":
            return self.context.st61.of_set(self.profile_set, name)
        return getattr(self.context.decoded(int(head[2:])).table, name)


class Wire(Protocol):
    """One wire type."""

    def size(self, scope: Scope) -> int:
        """Return the octets that a value takes; raises `NotRead` when that depends on a table not read."""
        ...

    def decode(self, reader: Reader, scope: Scope, path: str) -> Any:
        """Return the next value of the reader."""
        ...

    def encode(self, value: Any, scope: Scope) -> bytes:
        """Return the octets of a value; raises `ValueError` when it does not fit."""
        ...


@dataclass(frozen=True, slots=True)
class If:
    """The field is there when `ref` is above a number (0: when a flag is set), or equals a word or a number."""

    ref: str
    above: int = 0
    equals: str | int | None = None

    def holds(self, scope: Scope) -> bool:
        """Judge the condition."""
        value = scope.resolve(self.ref)
        return bool(value == self.equals if self.equals is not None else value > self.above)


@dataclass(frozen=True, slots=True)
class Unless:
    """The field is there when the flag `ref` is clear."""

    ref: str

    def holds(self, scope: Scope) -> bool:
        """Judge the condition."""
        return not scope.resolve(self.ref)


@dataclass(frozen=True, slots=True)
class BySize:
    """The field is there if only then the table has the size that came; `default` says which to try first."""

    default: If | Unless | None = None

    def holds(self, scope: Scope) -> bool:
        """Judge the default; absent when the table that it looks at has not been read."""
        try:
            return self.default is not None and self.default.holds(scope)
        except NotRead:
            return False


Condition = If | Unless | BySize
