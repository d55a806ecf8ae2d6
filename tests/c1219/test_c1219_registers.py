"""ST22–ST28 as registers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from drivers.c1219 import Context, Table, decode
from drivers.c1219 import decade0 as d0
from drivers.c1219 import decade1 as d1
from drivers.c1219 import decade2 as d2
from drivers.c1219 import decade5 as d5
from drivers.c1219.registers import registers_of
from drivers.c1219.times import MeterTimes
from drivers.data import Problem, Register, Source

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "c12.json").read_text(), parse_float=Decimal)


def reference(name: str) -> Context:
    """Decode every table of a reference meter."""
    context = Context()
    for table, octets in VECTORS["tables"][name]["hex"].items():
        context = context.with_table(decode(int(table[2:]), bytes.fromhex(octets), context))
    return context


def of_kind(registers: list[Register], **wanted: Any) -> list[Register]:
    """Return the registers that have these attributes."""
    return [one for one in registers if all(getattr(one, name) == value for name, value in wanted.items())]


def test_meter_a() -> None:
    context = reference("meter_A")
    registers, problems = registers_of(context, MeterTimes.of(context, ZoneInfo("America/New_York")))
    assert problems == []
    totals = of_kind(registers, kind="cumulative", tier=0)
    assert [(one.quantity, one.direction, one.raw, one.value) for one in totals] == [
        ("kWh", "delivered", "10234.5", Decimal("10234.5")),
        ("kvarh", "delivered", "512.25", Decimal(619500)),
    ]
    assert [totals[1].multiplier, totals[1].offset] == [1200, 4800]
    assert [one.value for one in of_kind(registers, kind="cumulative", quantity="kWh")] == [
        Decimal("10234.5"),
        Decimal("6234.5"),
        Decimal(4000),
    ]
    assert [one.tier for one in of_kind(registers, kind="demand")] == [0, 1, 2]
    demand = of_kind(registers, kind="demand", tier=2)[0]
    assert (demand.unit, demand.value, demand.occurred_at) == (
        "kW",
        Decimal("3.5"),
        datetime(2024, 3, 2, 14, 30, tzinfo=UTC),
    )
    assert not demand.minimum
    cumulated = of_kind(registers, kind="cumulative_demand", tier=0)[0]
    assert (cumulated.value, cumulated.quantity, cumulated.occurred_at) == (Decimal("98.5"), "kW", None)
    voltage = of_kind(registers, kind="coincident", tier=0)[0]
    assert (voltage.unit, voltage.phase, voltage.value) == ("V", "A", Decimal("119.5"))
    assert voltage.occurred_at == datetime(2024, 3, 7, 23, 15, tzinfo=UTC)
    present = of_kind(registers, kind="instantaneous")
    assert [(one.unit, one.value) for one in present] == [
        ("kW", Decimal("3.25")),
        ("V", Decimal("120.5")),
        ("kWh", Decimal("10234.5")),
    ]
    assert len(registers) == 6 + 3 + 3 + 3 + 3


def test_every_register_is_traced_to_its_octets() -> None:
    context = reference("meter_A")
    registers, _problems = registers_of(context, MeterTimes.of(context, ZoneInfo("America/New_York")))
    for one in registers:
        assert one.source is not None
        table = context.decoded(int(one.source.table[2:]))
        number_format = context.number_format(1 if one.source.length == 8 else 2)
        assert table.octets[one.source.offset :][: one.source.length] == one.source.octets
        assert number_format.decode(one.source.octets) == Decimal(one.raw)
    assert registers[0].source == Source("ST23", 1, 8, bytes.fromhex("0000000040FDC340"))


def test_meter_b_keeps_occurrences_and_periods_apart() -> None:
    context = reference("meter_B")
    registers, problems = registers_of(context, MeterTimes.of(context))
    assert {problem.what for problem in problems} == {"source 0", "source 1", "source 2"}
    assert {problem.lost for problem in problems} == {False}
    demands = of_kind(registers, kind="demand", period="present")
    assert [(one.occurrence, one.raw) for one in demands] == [(0, "41234"), (1, "40999")]
    assert of_kind(registers, kind="cumulative_demand", period="present")[0].continuous
    assert of_kind(registers, kind="cumulative", period="present")[0].raw == "-1234567"
    reset = of_kind(registers, period="previous_reset")
    assert {one.period_end for one in reset} == {datetime(2024, 3, 1, tzinfo=UTC)}
    reads = of_kind(registers, period="self_read", kind="cumulative")
    assert [(one.self_read, one.raw, one.period_end) for one in reads] == [
        (11, "1000", datetime(2024, 1, 31, tzinfo=UTC)),
        (12, "-1234567", datetime(2024, 2, 29, tzinfo=UTC)),
    ]
    assert {(one.unit, one.value == Decimal(one.raw)) for one in registers} == {("unknown", True)}  # no ST12, no ST15


KWH = d1.UnitOfMeasure(id_code=0, multiplier=2, q1=True, q4=True)
KW = replace(KWH, time_base=4)
LIMITS = d2.RegistersLimits(nbr_summations=1, nbr_demands=1, date_time_field=True)
SELECTION = d2.DataSelection(
    summation_select=(0,),
    demand_select=(1,),
    min_or_max_flags=frozenset({0}),
    coincident_select=(),
    coin_demand_assoc=(),
)
AT = datetime.fromisoformat("2026-11-01T01:30")


def data(energy: Any = 5, demand: Any = 7, at: datetime | None = None) -> d2.RegisterData:
    """Return one set of register data."""
    record = d2.DemandRecord(event_time=(at,), demand=(demand,))
    return d2.RegisterData(total=d2.DataBlock(summations=(energy,), demands=(record,)))


def meter(*tables: Table, zone: bool = True) -> tuple[list[Register], list[Problem]]:
    """Return what registers a meter of one energy and one demand has."""
    context = Context().with_tables(
        d0.GeneralConfiguration(),
        d1.UnitsOfMeasure(entries=(KWH, KW)),
        d1.Sources(sources=(d1.SourceFlags(uom_entry=True),) * 2),
        LIMITS,
        SELECTION,
        d5.Clock(clock_calendar=None, tm_zn_applied=True, dst_applied=True),
        *([d5.TimeOffset(time_zone_offset=-300)] if zone else []),
        *tables,
    )
    return registers_of(context, MeterTimes.of(context))


def test_a_missing_number_is_a_problem_not_zero() -> None:
    registers, problems = meter(d2.CurrentRegisters(data=data(energy=None)))
    assert [one.kind for one in registers] == ["demand"]
    assert problems == [
        Problem("ST23 data.total.summations[0]", "the meter holds no number for kWh delivered", lost=True)
    ]


def test_unused_slots_are_left_out() -> None:
    unused = d2.DataSelection(
        summation_select=(255,),
        demand_select=(255,),
        min_or_max_flags=frozenset(),
        coincident_select=(),
        coin_demand_assoc=(),
    )
    assert meter(d2.CurrentRegisters(data=data()), unused) == ([], [])


def test_a_minimum_is_marked() -> None:
    selection = replace(SELECTION, min_or_max_flags=frozenset())
    registers, _problems = meter(d2.CurrentRegisters(data=data()), selection)
    assert [(one.kind, one.minimum) for one in registers] == [("cumulative", False), ("demand", True)]


def test_a_demand_in_the_repeated_hour_is_remarked() -> None:
    registers, problems = meter(d2.CurrentRegisters(data=data(at=AT)))
    assert registers[1].occurred_at == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert ["ambiguous" in problem.reason for problem in problems] == [True]


def test_without_a_zone_the_value_stays_and_the_time_does_not() -> None:
    registers, problems = meter(d2.CurrentRegisters(data=data(at=AT)), zone=False)
    assert registers[1].value == 7
    assert registers[1].occurred_at is None
    assert problems == [
        Problem(
            "1 times",
            "the meter's times are local and it does not say in which zone: give the site's zone",
            lost=False,
        )
    ]


def test_a_period_that_has_not_ended_is_not_reported() -> None:
    info = d2.RegisterInformation(end_date_time=None)
    registers, problems = meter(d2.PreviousReset(info=info, data=data()), d2.PreviousSeason(info=info, data=data()))
    assert registers == []
    assert [problem.reason for problem in problems] == ["no season has ended yet", "there was no demand reset yet"]
    assert not any(problem.lost for problem in problems)


def test_previous_season() -> None:
    info = d2.RegisterInformation(end_date_time=datetime.fromisoformat("2026-06-01T00:00"))
    registers, _problems = meter(d2.PreviousSeason(info=info, data=data()))
    assert {(one.season, one.period) for one in registers} == {("previous", "present")}
    assert registers[0].period_end == datetime(2026, 6, 1, 4, tzinfo=UTC)


def test_self_reads_that_are_not_valid_are_not_reported() -> None:
    info = d2.RegisterInformation(end_date_time=datetime.fromisoformat("2026-06-01T00:00"))
    entries = tuple(d2.SelfRead(info=info, data=data(energy=energy)) for energy in (10, 30, 20))
    reads = d2.SelfReads(nbr_valid_entries=2, last_entry_element=0, last_entry_seq_nbr=9, entries=entries, list_type=1)
    registers, _problems = meter(reads)
    found = [(one.self_read, one.raw) for one in registers if one.kind == "cumulative"]
    assert found == [(8, "20"), (9, "10")]
    registers, problems = meter(replace(reads, nbr_valid_entries=4))
    assert registers == []
    assert "ST26 says 4 valid entries" in problems[0].reason


def test_what_cannot_be_scaled_keeps_its_raw_text() -> None:
    limits = d1.Sources(sources=(d1.SourceFlags(uom_entry=True, constants=True, constant_to_be_applied=True),) * 2)
    registers, problems = meter(d2.CurrentRegisters(data=data()), limits)
    assert [(one.raw, one.value) for one in registers] == [("5", None), ("7", None)]
    assert [problem.lost for problem in problems] == [True, True]


def test_a_coincident_value_has_the_time_of_its_demand() -> None:
    block = replace(data(at=AT).total, coincidents=(d2.CoincidentRecord(values=(3,)), d2.CoincidentRecord(values=(4,))))
    selection = replace(SELECTION, coincident_select=(0, 0), coin_demand_assoc=(0, 9))
    limits = replace(LIMITS, nbr_coin_values=2)
    registers, _problems = meter(d2.CurrentRegisters(data=d2.RegisterData(total=block)), selection, limits)
    assert [one.occurred_at for one in registers if one.kind == "coincident"] == [
        datetime(2026, 11, 1, 5, 30, tzinfo=UTC),
        None,
    ]


@pytest.mark.parametrize("missing", [22, 27])
def test_registers_without_their_selection_are_a_problem(missing: int) -> None:
    context = reference("meter_A")
    without = Context(tables={number: table for number, table in context.tables.items() if number != missing})
    registers, problems = registers_of(without, MeterTimes.of(without))
    assert problems[0].lost
    assert f"ST{missing} has not been read" in problems[0].reason
    assert {one.kind for one in registers} == (
        {"instantaneous"} if missing == 22 else {"cumulative", "demand", "cumulative_demand", "coincident"}
    )
