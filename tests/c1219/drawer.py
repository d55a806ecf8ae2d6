"""Draws tables at random from their own declarations: a field added to a table is drawn without being named."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from drivers.c1219 import Context, Record, Table
from drivers.c1219.number import NumberFormat
from drivers.c1219.record import Array, PackedBits, PerSet, Sub
from drivers.c1219.scope import SETS, BySize, Scope, Wire
from drivers.c1219.tables import TABLES
from drivers.c1219.walltime import EPOCH
from drivers.c1219.wire import (
    DATE,
    LTIME,
    STIME,
    TIME,
    Binary,
    Chars,
    Flags,
    Identifier,
    NonInteger,
    SInt,
    StimeOctets,
    UInt,
)

#: Tables that decide the layout of others, in the order in which a reader needs them.
LIMITS = (0, 11, 21, 31, 51, 61, 71, 91)
#: Small counts keep tables small; the widths and flags are what matters here.
SMALL = {
    "nbr_uom_entries", "nbr_demand_ctrl_entries", "data_ctrl_length", "nbr_data_ctrl_entries", "nbr_constants_entries",
    "nbr_sources", "nbr_self_reads", "nbr_summations", "nbr_demands", "nbr_coin_values", "nbr_occur", "nbr_tiers",
    "nbr_present_demands", "nbr_present_values", "nbr_seasons", "nbr_special_sched", "nbr_non_recurr_dates",
    "nbr_recurr_dates", "nbr_tier_switches", "nbr_std_events", "nbr_mfg_events", "hist_data_length",
    "event_data_length", "nbr_history_entries", "nbr_event_entries", "dim_mfg_tbls_used", "dim_std_proc_used",
    "dim_mfg_proc_used", "dim_mfg_status_used", "nbr_blks", "nbr_blk_ints", "nbr_chns",
    "nbr_pending", "nbr_disp_sources", "width_disp_sources",
    "nbr_pri_disp_list_items", "nbr_pri_disp_lists", "nbr_sec_disp_list_items", "nbr_sec_disp_lists", "prefix_length",
    "nbr_originate_numbers", "phone_number_length",
}  # fmt: skip
#: Formats without reserved codes, and the sets of tables wide enough for ST64–ST67.
BOUNDED = {
    "tm_format": 4, "char_format": 3, "int_format": 2, "ni_format1": 13, "ni_format2": 13, "dim_std_tbls_used": 10,
}  # fmt: skip


class Drawer:
    """Draws a record that its declaration allows in a context. Seeded: a failing seed fails again."""

    def __init__(self, chance: Random, context: Context) -> None:
        self.chance = chance
        self.context = context

    def table(self, kind: type[Table]) -> Table:
        """Return a table."""
        made = self.record(kind, Scope(self.context), chosen=self.chance.random() < 0.5)
        assert isinstance(made, Table)
        return made

    def record(self, kind: type[Record], scope: Scope, *, chosen: bool) -> Record:
        """Return a record, its fields drawn in wire order; `chosen` decides on the fields that the size tells."""
        values: dict[str, Any] = {}
        scope = replace(scope, own=values, chosen={"": chosen})
        for member in kind.layout.members:
            if isinstance(member.wire, PackedBits):
                for name, bit, is_bool in member.wire.members:
                    number = self.integer(0, min((1 << bit.count) - 1, self.limit(name)))
                    values[name] = bool(number) if is_bool else number
            elif (
                (chosen or no_octets(member.wire, scope))
                if isinstance(member.condition, BySize)
                else member.present(scope)
            ):
                value = self.value(member.wire, scope, member.name)
                optional = isinstance(member.condition, BySize) and isinstance(member.wire, NonInteger)
                values[member.name] = 0 if value is None and optional else value  # None would leave the field out
        return kind(**values)

    @staticmethod
    def limit(name: str) -> int:
        """Return the largest number that a field is drawn with."""
        return 3 if name in SMALL else BOUNDED.get(name, 2**32)

    def integer(self, low: int, high: int) -> int:
        """Return a number, the ends of its range more often than others."""
        return self.chance.choice((low, high, self.chance.randint(low, high), self.chance.randint(low, high)))

    def text(self, characters: str, longest: int) -> str:
        """Return text without blanks at either end, which would be padding."""
        return "".join(self.chance.choices(characters, k=self.integer(0, longest))).strip()

    def value(self, wire: Wire, scope: Scope, name: str) -> Any:  # noqa: C901, PLR0911 - one case for each wire type
        """Return a value of a wire type."""
        match wire:
            case UInt(octets):
                low = BOUNDED[name] if name == "dim_std_tbls_used" else 0
                return self.integer(low, min((1 << 8 * octets) - 1, self.limit(name)))
            case SInt(octets):
                return self.integer(-(1 << 8 * octets - 1) + 1, (1 << 8 * octets - 1) - 1)
            case Chars():
                return self.text("AZaz09-_ ", wire.size(scope))
            case StimeOctets():
                return self.chance.randbytes(wire.size(scope))
            case Identifier(octets):
                text = self.text("0123456789", octets)
                return text.zfill(octets) if text and scope.context.st00.id_form else text
            case Binary(octets):
                return self.chance.randbytes(3 if octets is None else wire.size(scope))
            case Flags():
                flags = int(scope.resolve(wire.flags)) if wire.flags is not None else 8 * wire.size(scope)
                return frozenset(flag for flag in range(flags) if self.chance.random() < 0.3)
            case NonInteger(which):
                return self.number(scope.context.number_format(which))
            case Sub(kind):
                return self.record(kind, scope, chosen=scope.chosen[""])
            case Array(item, count):
                return tuple(self.value(item, scope, name) for _ in range(int(scope.resolve(count))))
            case PerSet(item):
                used = scope.sets_used()
                return tuple(
                    self.value(item, replace(scope, profile_set=number), name) if number in used else None
                    for number in SETS
                )
            case _:
                return self.moment(wire, scope)

    def moment(self, wire: Wire, scope: Scope) -> datetime | timedelta | date | None:
        """Return a time as exact as its type and TM_FORMAT are."""
        tm_format = scope.context.st00.tm_format
        if not tm_format or self.chance.random() < 0.2:
            return None
        moment = EPOCH + timedelta(seconds=self.chance.randrange(20 * 366 * 86_400, 119 * 365 * 86_400))
        if wire is LTIME:
            return moment
        if wire is STIME:
            return moment if tm_format == 4 else moment.replace(second=0)
        if wire is DATE:
            return moment.date()
        assert wire is TIME
        return timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second)

    def number(self, form: NumberFormat) -> Decimal | int | None:
        """Return a number that the format can hold."""
        if form.code in {2, 3, 13}:
            return None if self.chance.random() < 0.2 else Decimal(self.chance.randint(-9990, 99990)).scaleb(-1)
        if form.code in {5, 6, 12}:
            return self.chance.randrange(10 ** (2 * form.width - 1))
        return form.decode(self.chance.randbytes(form.width))


def no_octets(wire: Wire, scope: Scope) -> bool:
    """Whether a field is there and empty as much as it is absent: both are the same octets."""
    return isinstance(wire, StimeOctets) and not wire.size(scope)


def draw_context(chance: Random) -> Context:
    """Return a meter with random formats and limits."""
    context = Context()
    for number in LIMITS:
        context = context.with_table(Drawer(chance, context).table(TABLES[number]))
    return context
