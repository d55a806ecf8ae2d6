"""The steps from the octets of a register to its value, and to the times that go with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

from drivers.c1219.context import Context
from drivers.c1219.decade2 import DataSelection, PresentSelection
from drivers.c1219.explain import Chain, Derivation, Unexplained
from drivers.c1219.explain_scaling import explain_source, number_format
from drivers.c1219.explain_times import explain_time
from drivers.c1219.times import MeterTimes
from drivers.data import Register

_DATA: Final = re.compile(
    r"(?P<entry>(?:entries\[\d+\]\.)?)data\.(?P<block>total|tiers\[\d+\])"
    r"\.(?P<list>summations|demands|coincidents)\[(?P<index>\d+)\](?P<rest>.*)"
)
_PRESENT: Final = re.compile(r"(?P<list>present_demands|present_values)\[(?P<index>\d+)\](?P<rest>.*)")
_SELECTORS: Final = {
    "summations": "summation_select",
    "demands": "demand_select",
    "coincidents": "coincident_select",
    "present_demands": "present_demand_select",
    "present_values": "present_value_select",
}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a register lies: its path in its table, taken apart."""

    table: int
    path: str
    entry: str  # "entries[3]." of ST26, else empty
    block: str
    kind: str  # the list that it is in
    index: int
    rest: str

    @property
    def number_type(self) -> int:
        """Which NON-INTEGER type of the meter it is written in (C12.19 §DATA_BLK)."""
        cumulative = self.rest.endswith(("cum_demand", "cont_cum_demand"))
        return 1 if self.kind in {"summations", "present_values"} or cumulative else 2


def explain_register(context: Context, register: Register) -> Derivation:
    """Return the steps to a register's value. Raises `DataError` where the tables do not lead to it."""
    place, chain = _place(context, register), Chain(context)
    cited = chain.cite(place.table, place.path)
    chain.note("octets", f"{place.kind} {place.index} of {_where(place)}", cited)
    raw = context.number_format(place.number_type).decode(cited.octets)
    if raw is None:
        raise Unexplained(f"ST{place.table} {place.path} holds no number")
    formats = chain.cite(0, f"ni_format{place.number_type}"), chain.cite(0, "data_order")
    chain.start(Fraction(raw), "raw number", number_format(context, place.number_type), *formats)
    source = _selected(chain, place)
    if register.value is None:
        chain.value = None
        chain.note("value", "none can be given: what the source needs to be scaled is missing")
        return chain.done(register.unit)
    measure = explain_source(chain, source, context.quirks.register_scale)
    return chain.done(measure.unit if measure is not None else register.unit)


def explain_occurrence(context: Context, register: Register, times: MeterTimes, *, end: bool) -> Derivation:
    """Return the steps to the time of a demand, or to that at which its period ended (`end`)."""
    place, chain = _place(context, register), Chain(context)
    utc = register.period_end if end else register.occurred_at
    if utc is None:
        raise Unexplained("this register has no such time")
    path = f"{place.entry}info.end_date_time" if end else _time_path(context, place, register.occurrence)
    wall = _value_at(context, place.table, path)
    if not isinstance(wall, datetime):
        raise Unexplained(f"ST{place.table} {path} holds no time")
    explain_time(chain, wall, utc, times, chain.cite(place.table, path))
    return chain.done(text=f"{utc:%Y-%m-%dT%H:%M:%S}Z")


def _place(context: Context, register: Register) -> _Place:
    if register.source is None:
        raise Unexplained("the register does not say where it came from")
    table = int(register.source.table[2:])
    wanted = register.source.offset, register.source.length
    paths = [path for path, span in context.decoded(table).spans.items() if tuple(span) == wanted]
    path = max(paths, key=len, default="")  # the innermost field of this extent
    found = _DATA.fullmatch(path) or _PRESENT.fullmatch(path)
    if found is None:
        raise Unexplained(f"there is no register at octet {wanted[0]} of ST{table}")
    parts = found.groupdict()
    return _Place(
        table,
        path,
        parts.get("entry") or "",
        parts.get("block") or "",
        parts["list"],
        int(parts["index"]),
        parts["rest"],
    )


def _where(place: _Place) -> str:
    if not place.block:
        return "the present registers"
    of = "the total" if place.block == "total" else f"tier {chr(ord('A') + int(place.block[6:-1]))}"
    return of + (f", self read {place.entry[8:-2]}" if place.entry else "")


def _selected(chain: Chain, place: _Place) -> int:
    """Add which source the register shows; return its number."""
    table = DataSelection if place.block else PresentSelection
    path = f"{_SELECTORS[place.kind]}[{place.index}]"
    source = _value_at(chain.context, table.number, path)
    if not isinstance(source, int):
        raise Unexplained(f"ST{table.number} {path} selects nothing")
    chain.note(f"source {source}", f"selected by ST{table.number}", chain.cite(table.number, path))
    return source


def _time_path(context: Context, place: _Place, occurrence: int) -> str:
    demand = place.index
    if place.kind == "coincidents":
        demand = context.need(DataSelection).coin_demand_assoc[place.index]
    return f"{place.entry}data.{place.block}.demands[{demand}].event_time[{occurrence}]"


def _value_at(context: Context, table: int, path: str) -> object:
    """Return the value of the field at a path, None if there is none."""
    value: object = context.decoded(table).table
    for name, index in re.findall(r"(\w+)|\[(\d+)\]", path):
        if name and not index:
            value = getattr(value, name, None)
        elif isinstance(value, list | tuple) and int(index) < len(value):
            value = value[int(index)]
        else:
            return None
    return value
