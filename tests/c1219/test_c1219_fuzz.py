"""Arbitrary octets as any table, in arbitrary contexts: a value or a DataError, nothing else, and never large."""

from __future__ import annotations

import contextlib
import re
import tracemalloc
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.c1219 import Context, Quirks, decode, encode, size
from drivers.c1219.clock import clock_of
from drivers.c1219.codec import decode_record, encode_record
from drivers.c1219.events import events_of
from drivers.c1219.identity import identity_of
from drivers.c1219.opaque import OpaqueTable
from drivers.c1219.procedures import DateTimeSet, RemoteReset, SetDateTime, UpdateLastRead
from drivers.c1219.profile import elements, interval_blocks
from drivers.c1219.registers import registers_of
from drivers.c1219.scaling import constants_text
from drivers.c1219.status import status_of
from drivers.c1219.tables import TABLES
from drivers.c1219.times import MeterTimes
from drivers.errors import DataError

NUMBERS = sorted({number for number in TABLES if not issubclass(TABLES[number], OpaqueTable)} | {64, 65, 66, 67})
SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
SMALLER = bytes([*(number % 5 for number in range(192)), *range(0, 256, 4)])  # three octets in four are small numbers
GENERAL = bytes.fromhex("020A10444D4F4E0200101001000A0302010206") + b"\xff" * 40


def draw_st00(data: st.DataObject) -> bytes:
    """Return ST00 octets with arbitrary formats, most tables present."""
    octets = bytearray(GENERAL)
    octets[:3] = data.draw(st.binary(min_size=3, max_size=3))
    octets[11] = data.draw(st.integers(0, 3))
    return bytes(octets)


def draw_table(data: st.DataObject, number: int, context: Context) -> bytes:
    """Return arbitrary octets, often of the right size, often small numbers."""
    wanted = size(number, context)
    right = wanted is not None and wanted <= 600 and data.draw(st.integers(0, 5)) > 0
    octets = data.draw(st.binary(min_size=wanted or 0, max_size=wanted) if right else st.binary(max_size=80))
    return octets.translate(SMALLER) if data.draw(st.booleans()) else octets


def read(context: Context, number: int, octets: bytes) -> Context:
    """Decode if possible."""
    refusal: DataError | None = None
    try:
        context = context.with_table(decode(number, octets, context))
    except DataError as error:
        refusal = error
    assert refusal is None or (refusal.message and refusal.advice)
    return context


@pytest.mark.parametrize("number", NUMBERS)
@SETTINGS
@given(data=st.data())
def test_any_octets_are_a_table_or_a_data_error(number: int, data: st.DataObject) -> None:
    context = read(Context(), 0, draw_st00(data))
    for limit in (11, 21, 31, 51, 61, 62, 63, 71, 91):
        context = read(context, limit, draw_table(data, limit, context))
    octets = draw_table(data, number, context)
    before = len(context.tables)
    after = read(context, number, octets)
    if len(after.tables) > before:
        decoded = after.decoded(number)
        assert decoded.octets == octets
        assert all(span.offset + span.length <= len(octets) for span in decoded.spans.values() if number)


@SETTINGS
@given(data=st.data())
def test_a_meter_of_nonsense_is_read_to_the_end(data: st.DataObject) -> None:
    quirks = data.draw(
        st.builds(
            Quirks,
            closure_field=st.sampled_from(["by_size", "present", "absent"]),
            scaling=st.sampled_from(["undo", "multiply", "none"]),
            clock_is=st.sampled_from(["by_format", "utc", "local"]),
            open_block_end=st.sampled_from(["last_interval", "block_grid"]),
            block_order=st.sampled_from(["flag", "ascending", "descending"]),
        )
    )
    context = read(Context(quirks), 0, draw_st00(data))
    if 0 not in context:
        return
    for number in NUMBERS[1:]:
        if not 64 <= number <= 67:
            context = read(context, number, draw_table(data, number, context))
    try:
        times = MeterTimes.of(context, data.draw(st.sampled_from([None, ZoneInfo("America/New_York")])))
        clock_of(context, times)
    except DataError:
        return
    for register in registers_of(context, times)[0]:
        assert register.value is None or register.value.is_finite()
    events_of(context, times)
    identity_of(context)
    status_of(context)
    constants_text(context)
    for data_set in (1, 2, 3, 4):
        _read_profile(data, context, times, data_set)


def _read_profile(data: st.DataObject, context: Context, times: MeterTimes, data_set: int) -> None:
    octets = draw_table(data, 63 + data_set, context)
    now = datetime(2026, 6, 1, tzinfo=UTC)
    try:
        wanted = elements(context, data_set)
        blocks, _problems = interval_blocks(context, times, data_set, octets, now=now)
        interval_blocks(context, times, data_set, dict.fromkeys(wanted[:2], octets), now=now)
    except DataError:
        return
    for block in blocks:
        assert len(block.counts) == len(block.values) == len(block.status)
        for value, words in zip(block.values, block.status, strict=True):
            assert value is not None or words


@pytest.mark.parametrize("kind", [SetDateTime, DateTimeSet, UpdateLastRead, RemoteReset])
@SETTINGS
@given(data=st.data(), octets=st.binary(max_size=16))
def test_any_octets_are_parameters_or_a_data_error(kind: Any, data: st.DataObject, octets: bytes) -> None:
    context = read(Context(), 0, draw_st00(data))
    try:
        decoded = decode_record(kind, octets, context)
    except DataError as error:
        refusal = error.message
    else:
        assert decode_record(kind, encode_record(decoded, context), context) == decoded
        return
    assert re.search(rf"{kind.__name__} has {len(octets)} octets, not \d|reserved time format", refusal)


@pytest.mark.parametrize("number", [*range(1, 99)])
def test_huge_limits_cost_nothing_until_the_octets_are_there(number: int) -> None:
    """Limits that promise gigabytes are compared with what came before anything is allocated."""
    context = Context().with_table(decode(0, GENERAL, Context()))
    for limit, length in ((11, 8), (21, 10), (31, 10), (51, 9), (61, 31), (71, 9), (91, 14)):
        context = context.with_table(decode(limit, b"\xff" * length, context))
    tracemalloc.start()
    with contextlib.suppress(DataError):
        decode(number, bytes(100), context)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_table_that_is_not_declared_is_refused() -> None:
    with pytest.raises(DataError, match="ST42 is not a table"):
        decode(42, b"", Context().with_table(decode(0, GENERAL, Context())))
    assert size(42, Context()) is None


def test_nothing_is_decoded_before_its_limits_are_known() -> None:
    with pytest.raises(DataError, match=r"ST05 cannot be decoded or encoded: ST00 has not been read"):
        decode(5, bytes(20), Context())
    context = Context().with_table(decode(0, GENERAL, Context()))
    with pytest.raises(DataError, match=r"ST23 .*ST21 has not been read.*read ST21 first"):
        decode(23, bytes(10), context)
    with pytest.raises(DataError, match=r"ST22 has 3 octets where the meter's own limits say 2"):
        decode(22, bytes(3), context.with_table(decode(21, bytes(4) + b"\1" + bytes(5), context)))


def test_a_wrong_size_names_table_and_sizes() -> None:
    context = Context().with_table(decode(0, GENERAL, Context()))
    with pytest.raises(DataError) as caught:
        decode(11, bytes(7), context)
    assert str(caught.value).startswith("ST11 has 7 octets where the meter's own limits say 8 (read it again")


def test_encode_names_the_field_that_does_not_fit() -> None:
    context = Context().with_table(decode(0, GENERAL, Context()))
    table = context.with_table(decode(11, bytes(8), context)).st11
    with pytest.raises(ValueError, match=r"SourcesLimits.nbr_sources"):
        encode(type(table)(nbr_sources=256), context)
