"""What has been read from one meter so far, and how that decides the layout of every further table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from drivers.c1219.number import NumberFormat, Order
from drivers.c1219.quirks import Quirks
from drivers.data import Source
from drivers.errors import DataError

if TYPE_CHECKING:
    from drivers.c1219.decade0 import GeneralConfiguration
    from drivers.c1219.decade1 import SourcesLimits
    from drivers.c1219.decade2 import RegistersLimits
    from drivers.c1219.decade5 import TimeLimits
    from drivers.c1219.decade6 import ProfileControl, ProfileLimits, ProfileStatus
    from drivers.c1219.decade7 import LogLimits
    from drivers.c1219.record import Table

T = TypeVar("T", bound="Table")


class Span(NamedTuple):
    """Where a field lies in its table, in octets."""

    offset: int
    length: int


class NotRead(DataError):
    """A table that the layout depends on has not been read; `number` says which."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ST{number:02} has not been read", advice=f"read ST{number:02} first")
        self.number = number


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded table with its octets, and where each field lies in them.

    `spans` maps a path as `total.demands[0].event_time[1]` to its place; bit fields have the place of their octets.
    `remarks` are things that the table says and that were not taken at their word (an impossible date, a cut map).
    """

    number: int
    table: Table
    octets: bytes = b""
    spans: Mapping[str, Span] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`ST23`, as in `drivers.data.Source`."""
        return f"ST{self.number:02}"

    def source(self, path: str) -> Source | None:
        """Return where the field at `path` came from, with its octets; None if the table was built, not read."""
        span = self.spans.get(path)
        if span is None:
            return None
        return Source(self.name, span.offset, span.length, self.octets[span.offset : span.offset + span.length])


@dataclass(frozen=True, slots=True)
class Context:
    """The tables known so far, and the meter's quirks. Immutable: `with_table` returns a larger one.

    A reader starts with `Context(quirks=…)`, decodes ST00 with it, and goes on with `context.with_table(decoded)`.
    A simulated meter starts with `Context().with_tables(st00, st11, st21, …)` of tables that it builds itself.
    """

    quirks: Quirks = field(default_factory=Quirks)
    tables: Mapping[int, Decoded] = field(default_factory=dict)

    def with_table(self, table: Decoded | Table) -> Context:
        """Return this context with one table added (or replaced)."""
        return self.with_tables(table)

    def with_tables(self, *tables: Decoded | Table) -> Context:
        """Return this context with tables added (or replaced)."""
        new = [table if isinstance(table, Decoded) else Decoded(table.number, table) for table in tables]
        return Context(self.quirks, {**self.tables, **{decoded.number: decoded for decoded in new}})

    def __contains__(self, number: int) -> bool:
        return number in self.tables

    def decoded(self, number: int) -> Decoded:
        """Return a table that has been read; raises `NotRead`."""
        try:
            return self.tables[number]
        except KeyError:
            raise NotRead(number) from None

    def need(self, kind: type[T]) -> T:
        """Return the table of a class, as `need(Sources)`; raises `NotRead`."""
        table = self.decoded(kind.number).table
        if not isinstance(table, kind):
            raise NotRead(kind.number)
        return table

    def find(self, kind: type[T]) -> T | None:
        """Return the table of a class if it has been read."""
        decoded = self.tables.get(kind.number)
        return decoded.table if decoded is not None and isinstance(decoded.table, kind) else None

    def remarks(self) -> Iterable[tuple[str, str]]:
        """Yield (table name, remark) of every table."""
        for decoded in self.tables.values():
            for remark in decoded.remarks:
                yield decoded.name, remark

    @property
    def st00(self) -> GeneralConfiguration:
        """The general configuration; raises `NotRead`, as the other properties do."""
        return cast("GeneralConfiguration", self.decoded(0).table)

    @property
    def st11(self) -> SourcesLimits:
        """The actual limits of decade 1."""
        return cast("SourcesLimits", self.decoded(11).table)

    @property
    def st21(self) -> RegistersLimits:
        """The actual limits of decade 2."""
        return cast("RegistersLimits", self.decoded(21).table)

    @property
    def st51(self) -> TimeLimits:
        """The actual limits of decade 5."""
        return cast("TimeLimits", self.decoded(51).table)

    @property
    def st61(self) -> ProfileLimits:
        """The actual limits of decade 6."""
        return cast("ProfileLimits", self.decoded(61).table)

    @property
    def st62(self) -> ProfileControl:
        """How the profile's channels are recorded."""
        return cast("ProfileControl", self.decoded(62).table)

    @property
    def st63(self) -> ProfileStatus:
        """Which blocks of the profile are valid."""
        return cast("ProfileStatus", self.decoded(63).table)

    @property
    def st71(self) -> LogLimits:
        """The actual limits of decade 7."""
        return cast("LogLimits", self.decoded(71).table)

    @property
    def order(self) -> Order:
        """DATA_ORDER of ST00."""
        return "big" if self.st00.data_order else "little"

    def number_format(self, which: int) -> NumberFormat:
        """Return NON-INTEGER type 1 or 2 of this meter; raises `DataError` for a reserved format."""
        st00 = self.st00
        code = st00.ni_format1 if which == 1 else st00.ni_format2
        return NumberFormat(code, self.order, st00.int_format, self.quirks.bcd_point)
