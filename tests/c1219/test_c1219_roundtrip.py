"""decode(encode(table)) == table for every declared table in arbitrary contexts; and size() tells the truth.

The values are drawn from the declarations themselves, so that a field added to a table is tested without being named.
"""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.c1219 import Context, Record, Table, decode, encode, size
from drivers.c1219 import decade0 as d0
from drivers.c1219 import decade1 as d1
from drivers.c1219 import decade2 as d2
from drivers.c1219 import decade5 as d5
from drivers.c1219 import decade6 as d6
from drivers.c1219 import decade7 as d7
from drivers.c1219.number import NumberFormat
from drivers.c1219.record import Array, PackedBits, PerSet, Sub
from drivers.c1219.scope import SETS, BySize, Scope, Wire
from drivers.c1219.tables import TABLES
from drivers.c1219.wire import DATE, LTIME, STIME, TIME, Binary, Chars, Flags, Identifier, NonInteger, SInt, UInt

#: Tables that decide the layout of others, in the order in which a reader needs them.
LIMITS = (0, 11, 21, 51, 61, 71)
#: Small counts keep tables small; the widths and flags are what matters here.
SMALL = {
    "nbr_uom_entries", "nbr_demand_ctrl_entries", "data_ctrl_length", "nbr_data_ctrl_entries", "nbr_constants_entries",
    "nbr_sources", "nbr_self_reads", "nbr_summations", "nbr_demands", "nbr_coin_values", "nbr_occur", "nbr_tiers",
    "nbr_present_demands", "nbr_present_values", "nbr_seasons", "nbr_special_sched", "nbr_non_recurr_dates",
    "nbr_recurr_dates", "nbr_tier_switches", "nbr_std_events", "nbr_mfg_events", "hist_data_length",
    "event_data_length", "nbr_history_entries", "nbr_event_entries", "dim_mfg_tbls_used", "dim_std_proc_used",
    "dim_mfg_proc_used", "dim_mfg_status_used", "nbr_blks", "nbr_blk_ints", "nbr_chns",
}  # fmt: skip
#: Formats without reserved codes, and the sets of tables wide enough for ST64–ST67.
BOUNDED = {
    "tm_format": 4, "char_format": 3, "int_format": 2, "ni_format1": 13, "ni_format2": 13, "dim_std_tbls_used": 10,
}  # fmt: skip


class Drawer:
    """Draws a record that its declaration allows in a context."""

    def __init__(self, data: st.DataObject, context: Context) -> None:
        self.data = data
        self.context = context

    def table(self, kind: type[Table]) -> Table:
        """Return a table."""
        made = self.record(kind, Scope(self.context))
        assert isinstance(made, Table)
        return made

    def record(self, kind: type[Record], scope: Scope) -> Record:
        """Return a record, its fields drawn in wire order."""
        values: dict[str, Any] = {}
        scope = replace(scope, own=values)
        chosen = self.data.draw(st.booleans()) if kind is not d1.Constant else True
        for member in kind.layout.members:
            if isinstance(member.wire, PackedBits):
                for name, bit, is_bool in member.wire.members:
                    number = self.data.draw(st.integers(0, min((1 << bit.count) - 1, self.limit(name))))
                    values[name] = bool(number) if is_bool else number
            elif chosen if isinstance(member.condition, BySize) else member.present(scope):
                values[member.name] = self.value(member.wire, scope, member.name)
        return kind(**values)

    @staticmethod
    def limit(name: str) -> int:
        """Return the largest number that a field is drawn with."""
        return 3 if name in SMALL else BOUNDED.get(name, 2**32)

    def value(self, wire: Wire, scope: Scope, name: str) -> Any:
        """Return a value of a wire type."""
        draw = self.data.draw
        match wire:
            case UInt(octets):
                low = BOUNDED.get(name, 0) if name == "dim_std_tbls_used" else 0
                return draw(st.integers(low, min((1 << 8 * octets) - 1, self.limit(name))))
            case SInt(octets):
                return draw(st.integers(-(1 << 8 * octets - 1) + 1, (1 << 8 * octets - 1) - 1))
            case Chars(octets):
                return draw(st.text("AZaz09-_ ", max_size=octets)).strip()
            case Identifier(octets):
                if scope.context.st00.id_form:
                    return draw(st.just("") | st.text("0123456789", min_size=octets, max_size=octets))
                return draw(st.text("AZ09", max_size=octets))
            case Binary(octets):
                count = 3 if octets is None else wire.size(scope)
                return draw(st.binary(min_size=count, max_size=count))
            case Flags():
                flags = int(scope.resolve(wire.flags)) if wire.flags is not None else 8 * wire.size(scope)
                return draw(st.frozensets(st.integers(0, flags - 1))) if flags else frozenset()
            case NonInteger(which):
                return self.number(scope.context.number_format(which))
            case Sub(kind):
                return self.record(kind, scope)
            case Array(item, count):
                return tuple(self.value(item, scope, name) for _ in range(int(scope.resolve(count))))
            case PerSet(item):
                used = scope.sets_used()
                return tuple(
                    self.value(item, replace(scope, profile_set=number), name) if number in used else None
                    for number in SETS
                )
        return self.moment(wire, scope)

    def moment(self, wire: Wire, scope: Scope) -> datetime | timedelta | date | None:
        """Return a time as exact as its type and TM_FORMAT are."""
        tm_format = scope.context.st00.tm_format
        if not tm_format or not self.data.draw(st.integers(0, 4)):
            return None
        moment = self.data.draw(st.datetimes(datetime(1990, 1, 1), datetime(2089, 1, 1)))  # noqa: DTZ001
        moment = moment.replace(microsecond=0)
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
            return self.data.draw(st.none() | st.decimals(-999, 9999, places=1))
        octets = self.data.draw(st.binary(min_size=form.width, max_size=form.width))
        value = form.decode(octets)
        try:
            form.encode(value)
        except ValueError:  # a BCD point or minus in the middle of fill: not written this way by us
            return None
        return value


def draw_context(data: st.DataObject) -> Context:
    """Return a meter with random formats and limits."""
    context = Context()
    for number in LIMITS:
        context = context.with_table(Drawer(data, context).table(TABLES[number]))
    return context


@pytest.mark.parametrize("number", sorted(TABLES), ids=lambda n: f"ST{n:02}")
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_decode_undoes_encode(number: int, data: st.DataObject) -> None:
    context = draw_context(data)
    table = context.decoded(number).table if number in context else Drawer(data, context).table(TABLES[number])
    octets = encode(table, context)
    decoded = decode(number, octets, context)
    assert decoded.table == table
    assert encode(decoded.table, context) == octets
    ends = [span.offset + span.length for span in decoded.spans.values()]
    assert max(ends, default=0) == len(octets)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_size_is_that_of_the_usual_variant(data: st.DataObject) -> None:
    context = draw_context(data)
    for number, kind in TABLES.items():
        if kind.layout.open_ended:
            assert size(number, context) is None
        elif not kind.layout.choices():
            octets = encode(Drawer(data, context).table(kind) if number else context.st00, context)
            assert size(number, context) == len(octets), number


def test_every_reference_of_a_declaration_exists() -> None:
    """A misspelt field in a count or condition fails here, not at a meter."""
    tables: list[Table] = [
        d0.GeneralConfiguration(std_tbls_used=frozenset({64, 65, 66, 67})),
        d1.SourcesLimits(**_ones(d1.SourcesLimits)),
        d2.RegistersLimits(**_ones(d2.RegistersLimits)),
        d5.TimeLimits(**_ones(d5.TimeLimits)),
        d7.LogLimits(**_ones(d7.LogLimits)),
    ]
    one = d6.ProfileSet(nbr_blks=1, nbr_blk_ints=1, nbr_chns=1, max_int_time=1)
    context = Context().with_tables(*tables, d6.ProfileLimits(scalar_divisor_set1=True, sets=(one,) * 4))
    for number, kind in TABLES.items():
        if number:
            assert kind.layout.size(Scope(context)) >= 0


def _ones(kind: type[Table]) -> dict[str, Any]:
    return {item.name: 1 for item in fields(kind) if item.name not in {"sets"}}  # type: ignore[arg-type]
