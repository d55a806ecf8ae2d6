"""Targets of the tables: any octets as any table, as profile blocks, and as a whole meter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from drivers.c1219 import Context, Decoded, decode, encode, size
from drivers.c1219.condensed import condensed
from drivers.c1219.profile import elements, interval_blocks
from drivers.c1219.readable import rows_of
from drivers.c1219.tables import TABLES
from drivers.c1219.times import MeterTimes
from drivers.data import MeterData
from drivers.errors import DataError, MeterRefused
from tests.c1219.independent import Unreadable
from tests.c1219.second_opinion import COMPARED, Same, mask, ours, second_limits, theirs
from tests.fuzz.chance import Chance, piece
from tests.fuzz.contract import check_values, document_of
from tests.fuzz.hostile_meter import HostileTables, honest, visit
from tests.fuzz.target import Target, plain

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "c12.json").read_text())
METERS = [
    {int(name[2:]): bytes.fromhex(text) for name, text in VECTORS["tables"][meter]["hex"].items()}
    for meter in ("meter_A", "meter_B")
]
SCENARIOS = ("residential-tou", "big-endian-float-bcd", "descending-fifo-2008", "closure-1997", "commercial-4ch")
LIMITS = (11, 21, 51, 61, 62, 63, 71)
NUMBERS = (*sorted(TABLES), 64, 65, 66, 67)
MANNERS = ("padded", "long", "empty", "crumbs", "short")
NOW = datetime(2026, 11, 21, 15, 7, 33, tzinfo=UTC)


_LOOSE = {1, 5, 6, *range(64, 68)}  # ids lose padding, and blocks the remark why their time is none


def draw_context(chance: Chance) -> Context:
    """Return a context with ST00 and limiting tables, drawn or taken from a reference meter."""
    meter = chance.pick(METERS)
    st00 = bytearray(meter[0])
    for _ in range(chance.below(4)):
        st00[chance.below(len(st00))] = chance.octet()
    context = _read(Context(), 0, bytes(st00))
    for number in LIMITS:
        if chance.flag() and number in meter:
            context = _read(context, number, meter[number])
        elif chance.flag():
            context = _read(context, number, chance.filled(min(size(number, context) or 0, 600)))
    return context


def _read(context: Context, number: int, octets: bytes) -> Context:
    try:
        return context.with_table(decode(number, octets, context))
    except DataError as error:
        plain(error)
        return context


def check_tables(octets: bytes) -> None:
    """Any octets are a table or a DataError; a table that can be written reads back as itself, field by field."""
    chance = Chance(octets)
    context = draw_context(chance)
    if 0 not in context:
        return
    for _ in range(3):
        number = chance.pick(NUMBERS)
        expected = size(number, context)
        came = chance.filled(expected) if expected is not None and expected < 5000 and chance.flag() else chance.piece()
        try:
            decoded = decode(number, came, context)
        except DataError as error:
            plain(error)
            continue
        assert decoded.octets == came
        for span in decoded.spans.values():
            assert 0 <= span.offset <= span.offset + span.length
            assert span.offset + span.length <= len(came) or number == 0
        _second_opinion(number, decoded, context)
        try:
            written = encode(decoded.table, context)
        except ValueError:  # text that is no text of its format reads longer than it is
            continue
        if number == 15 and len(written) < len(came):
            continue  # an OFFSET that is no number is written as none
        again = decode(number, written, context)
        assert encode(again.table, context) == written
        assert number in _LOOSE or again.table == decoded.table
        context = context.with_table(decoded)
        for row in islice(rows_of(decoded, context), 500):
            assert row.path.isprintable(), row
            assert row.text or not row.note, row


def _second_opinion(number: int, decoded: Decoded, context: Context) -> None:
    """Compare with the second reader, where it can read the octets at all."""
    if number not in COMPARED or number == 0:
        return
    try:
        general, limits = second_limits(context)
        found = mask(number, theirs(number, decoded.octets, general, limits))
    except (Unreadable, KeyError):
        return
    assert ours(number, decoded.table, Same(general)) == found


def table_seeds() -> Iterator[bytes]:
    for index, meter in enumerate(METERS):
        for number in NUMBERS:
            if number in meter:
                head = bytes([index, 0]) + b"\1" * len(LIMITS)
                yield head + bytes([NUMBERS.index(number), 1]) + meter[number][:1000]
                yield head + bytes([NUMBERS.index(number), 0]) + piece(meter[number])


def check_profile(octets: bytes) -> None:
    """Blocks of any octets in any layout: in order, each value from its count, nothing invented, nothing twice."""
    chance = Chance(octets)
    context = draw_context(chance)
    if not {0, 61, 62, 63} <= set(context.tables):
        return
    for data_set in (1, 2, 3, 4):
        zone = ZoneInfo("America/New_York") if chance.flag() else None
        try:
            times = MeterTimes.of(context, zone)
            wanted = elements(context, data_set)
            block = size(63 + data_set, context) or 0
            whole = chance.filled(min(block, 20_000))
            blocks, problems = interval_blocks(context, times, data_set, whole, now=NOW if chance.flag() else None)
        except DataError as error:
            plain(error)
            continue
        check_values(MeterData(identity=None, profile="", blocks=tuple(blocks)))  # type: ignore[arg-type]
        assert len(blocks) <= len(wanted) * context.st61.of_set(data_set, "nbr_chns")
        for channel in {one.channel for one in blocks}:
            ends = [
                one.first_interval_end + len(one.counts) * timedelta(seconds=one.interval_s)
                for one in blocks
                if one.channel == channel
            ]
            assert ends == sorted(set(ends)), "blocks out of order, or two that end together"
        assert all(problem.reason.isprintable() for problem in problems)
        assert len(condensed(problems)) < 100, "a problem for each block is no help"


def profile_seeds() -> Iterator[bytes]:
    for index, meter in enumerate(METERS):
        yield bytes([index, 0]) + b"\1" * len(LIMITS) + b"\0" + meter[64]


def check_meter(octets: bytes) -> None:
    """A whole visit to a meter of any tables: refused by name, or a document that the contract allows."""
    chance = Chance(octets)
    tables = HostileTables(dict(honest(chance.pick(SCENARIOS))))
    since = chance.pick((None, NOW - timedelta(days=2), NOW - timedelta(days=400)))
    numbers = sorted(tables.tables)
    while chance:
        number = chance.pick(numbers)
        table = bytearray(tables.tables[number])
        match chance.below(8):
            case 0:
                tables.tables[number] = bytes(table[: chance.below(len(table) + 1)])
            case 1:
                tables.tables[number] = bytes(table) + chance.piece()
            case 2:
                tables.manners[number] = chance.pick(MANNERS)
            case 3:
                tables.tables[number] = chance.piece()
            case 4:
                tables.tables.pop(number)
                numbers.remove(number)
            case _:
                at = chance.below(len(table) + 1)
                new = chance.take(1 + chance.below(8))
                table[at : at + len(new)] = new[: len(table) - at]
                tables.tables[number] = bytes(table)
    try:
        visited = visit(tables, since=since, hours=12)
    except (DataError, MeterRefused) as error:
        plain(error)
        return
    assert visited.data.broken is None, visited.data.broken
    check_values(visited.data)
    document_of(visited.data)


def meter_seeds() -> Iterator[bytes]:
    for index in range(len(SCENARIOS)):
        for since in range(3):
            yield bytes([index, since])
            for table in range(index, 40, 5):
                yield bytes([index, since, table, 5, 0, 3]) + b"\xff\xff\xff\xff"
                yield bytes([index, since, table, 2, table])


TARGETS = (
    Target("tables", check_tables, table_seeds),
    Target("profile", check_profile, profile_seeds),
    Target("meter", check_meter, meter_seeds, longest=256),
)
