"""Tables for people: every octet at its place, its unit beside it, and what the numbers mean."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.c1219 import Context, Quirks, decode, encode
from drivers.c1219.readable import block_rows, rows_of
from drivers.c1219.row import Row
from drivers.c1219.tables import TABLES
from drivers.errors import DataError
from tests.c1219.drawer import LIMITS, Drawer, draw_context

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "c12.json").read_text())["tables"]


def reference(meter: str, **quirks: object) -> Context:
    """Return all tables of a reference meter."""
    context = Context(Quirks(**quirks))  # type: ignore[arg-type]
    for name, octets in VECTORS[meter]["hex"].items():
        context = context.with_table(decode(int(name[2:]), bytes.fromhex(octets), context))
    return context


def rows(context: Context, number: int) -> dict[str, Row]:
    """Return the rows of a table by path."""
    found = list(rows_of(context.decoded(number), context))
    assert len({row.path for row in found}) == len(found)
    return {row.path: row for row in found}


def said(row: Row) -> str:
    """Return a row as it is read."""
    return " ".join(filter(None, (row.text, row.unit, f"({row.note})" if row.note else "")))


A = {
    0: {
        "data_order": "0 (least significant octet first)",
        "tm_format": "2 (binary octets)",
        "ni_format1": "0 (FLOAT64)",
        "ni_format2": "1 (FLOAT32)",
        "device_class": "44454d4f (DEMO)",
        "max_proc_parm_length": "16 octets",
        "std_version_no": "1 (1997)",
        "std_tbls_write": "5, 6, 7",
    },
    3: {"low_battery": "yes", "tamper_detect": "no", "ed_mfg_status": "2"},
    12: {
        "entries[0]": "kWh delivered, source 0",
        "entries[0].id_code": "0 (active power)",
        "entries[0].multiplier": "2 (10^3)",
    },
    13: {"intervals[0].int_length": "15 min"},
    16: {"sources[0].uom_entry": "yes"},
    52: {"day_of_week": "1 (Monday)"},
    62: {"sets[0]": "set 1: ST64", "sets[0].int_fmt_cde": "2 (UINT16)"},
    63: {"sets[0].list_type": "1 (circular)"},
}


@pytest.mark.parametrize(("number", "path"), [(number, path) for number in A for path in A[number]])
def test_the_fields_of_a_reference_meter(number: int, path: str) -> None:
    expected = A[number][path]
    row = rows(reference("meter_A"), number)[path]
    if path == "day_of_week":
        assert row.note in {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
    elif path == "sets[0].list_type":
        assert row.note in {"FIFO", "circular"}
    else:
        assert said(row) == expected


@pytest.mark.parametrize("meter", ["meter_A", "meter_B"])
def test_every_octet_of_a_table_is_at_some_row(meter: str) -> None:
    """Fields in a row, without a gap and without an overlap but for bits of one field and headlines."""
    context = reference(meter)
    for number, decoded in context.tables.items():
        covered = bytearray(len(decoded.octets))
        for row in rows(context, number).values():
            if row.span is not None:
                covered[row.span.offset : row.span.offset + row.span.length] = b"\1" * row.span.length
        assert all(covered), (decoded.name, covered.find(0))


def test_registers_carry_the_unit_and_value_of_their_source() -> None:
    context = reference("meter_A")
    found = rows(context, 23)
    row = found["data.total.summations[0]"]
    assert row.note.endswith("kWh, delivered")
    assert row.span is not None
    assert row.span.length == 8
    without = Context(tables={number: context.tables[number] for number in (0, 11, 21, 22, 23)})
    assert "kWh" not in rows(without, 23)["data.total.summations[0]"].note


def test_the_blocks_of_a_profile_with_their_intervals() -> None:
    context = reference("meter_A")
    found = rows(context, 64)
    newest = context.st63.sets[0]
    assert newest is not None
    element = newest.last_block_element
    assert found[f"blocks[{element}]"].note == "the newest"
    intervals = [path for path in found if path.startswith(f"blocks[{element}].intervals")]
    assert len(intervals) == newest.nbr_valid_int
    row = found[f"blocks[{element}].intervals[0]"]
    assert row.span is not None
    layout = context.st61.sets[0]
    assert layout is not None
    assert row.text.count(",") == layout.nbr_chns - 1
    assert "kWh" in row.note
    assert "to 20" in row.note
    assert found[f"blocks[{element}].end_reads[0]"].note.endswith("kWh")
    other = next(e for e in range(layout.nbr_blks) if e != element)
    assert found[f"blocks[{other}]"].note in {"not valid", *(f"{age} before the newest" for age in range(1, 9))}


def test_blocks_that_were_not_read_are_left_out() -> None:
    context = reference("meter_A")
    octets = context.decoded(64).octets
    layout = context.st61.sets[0]
    assert layout is not None
    size = len(octets) // layout.nbr_blks
    whole = {row.path: row for row in rows_of(context.decoded(64), context)}
    some = list(block_rows(64, {1: octets[size : 2 * size]}, context))
    assert {row.path.partition(".")[0] for row in some} == {"blocks[1]"}
    for row in some:
        assert (row.text, row.span) == (whole[row.path].text, whole[row.path].span)


def test_a_descending_profile_counts_its_ends_backwards() -> None:
    context = reference("meter_B")
    found = rows(context, 64)
    status = context.st63.sets[0]
    assert status is not None
    assert status.interval_order == 1
    ends = [
        row.note[3:23] for path, row in found.items() if path.startswith(f"blocks[{status.last_block_element}].int")
    ]
    assert ends == sorted(ends, reverse=True)


def test_entries_that_a_log_does_not_call_valid_say_so() -> None:
    context = reference("meter_B")
    log = context.decoded(76).table
    found = rows(context, 76)
    heads = [row for path, row in found.items() if path.startswith("entries[") and "." not in path]
    assert len(heads) == len(log.entries)  # type: ignore[attr-defined]
    assert sum(row.note != "not valid" for row in heads) == log.nbr_valid_entries  # type: ignore[attr-defined]


def test_an_offset_from_utc_has_its_name() -> None:
    context = reference("meter_A")
    context = context.with_table(decode(51, bytes.fromhex("000000000000000000"), context))
    context = context.with_table(decode(53, bytes.fromhex("020000 3C D4FE"), context))
    found = rows(context, 53)
    assert said(found["time_zone_offset"]) == "-300 min (UTC-05:00)"
    assert said(found["dst_time_amt"]) == "60 min"


@pytest.mark.parametrize("number", sorted(TABLES), ids=lambda number: f"ST{number:02}")
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_any_table_of_any_meter_can_be_shown(number: int, seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - hypothesis draws the seed
    context = draw_context(chance)
    drawer = Drawer(chance, context)
    for other in {12, 15, 16, 22, 27, 52, 53, number} - set(LIMITS):
        table = drawer.table(TABLES[other])
        context = context.with_table(decode(other, encode(table, context), context))
    limit = encode(context.decoded(number).table, context) if number in LIMITS else b""
    decoded = decode(number, limit, context) if number in LIMITS else context.decoded(number)
    for row in rows_of(decoded, context):
        assert row.path
        assert row.span is None or row.span.offset + row.span.length <= len(decoded.octets)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_profile_of_nonsense_is_shown_or_refused(data: st.DataObject) -> None:
    context = reference("meter_A")
    for number in (61, 62, 63):
        octets = bytearray(context.decoded(number).octets)
        for _ in range(data.draw(st.integers(0, 3))):
            octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
        try:
            context = context.with_table(decode(number, bytes(octets), context))
        except DataError:
            continue
    length = data.draw(st.sampled_from([0, 46, 137, 138, 5]))
    pieces = {element: data.draw(st.binary(min_size=length, max_size=length)) for element in range(2)}
    try:
        found = list(block_rows(64, pieces, context))
    except DataError:
        return
    assert all(row.path.startswith("blocks") for row in found)
