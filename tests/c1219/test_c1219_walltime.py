"""LTIME, STIME, TIME and DATE in every TM_FORMAT."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.c1219 import walltime
from drivers.c1219.number import Order
from drivers.errors import DataError

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "c12.json").read_text())
WIDTHS = {
    "LTIME_DATE": walltime.LTIME_WIDTHS,
    "STIME_DATE": walltime.STIME_WIDTHS,
    "TIME": walltime.TIME_WIDTHS,
}
Read = Callable[[bytes, int, Order], object]
Write = Callable[[Any, int, Order, int], bytes]
CODECS: tuple[tuple[tuple[int, ...], Read, Write, type], ...] = (
    (walltime.LTIME_WIDTHS, walltime.decode, walltime.encode, datetime),
    (walltime.STIME_WIDTHS, walltime.decode, walltime.encode, datetime),
    (walltime.TIME_WIDTHS, walltime.decode_time, walltime.encode_time, timedelta),
    (walltime.DATE_WIDTHS, walltime.decode_date, walltime.encode_date, date),
)


@pytest.mark.parametrize("vector", VECTORS["times"], ids=lambda v: f"{v['type']}-{v['tm_format']}-{v['hex'][:5]}")
def test_time_of_the_vectors(vector: dict[str, Any]) -> None:
    octets, tm_format = bytes.fromhex(vector["hex"]), vector["tm_format"]
    order: Order = "little" if vector["data_order"] == "LSB" else "big"
    size = walltime.width(WIDTHS[vector["type"]], tm_format)
    assert size == vector["width"] == len(octets)
    if vector["type"] == "TIME":
        hours, minutes, seconds = map(int, vector["value"].split(":"))
        span = timedelta(hours=hours, minutes=minutes, seconds=seconds)
        assert walltime.decode_time(octets, tm_format, order) == span
        assert walltime.encode_time(span, tm_format, order, size) == octets
    else:
        moment = datetime.fromisoformat(vector["value"])
        assert walltime.decode(octets, tm_format, order) == moment
        assert walltime.encode(moment, tm_format, order, size) == octets


@pytest.mark.parametrize("tm_format", range(5))
@pytest.mark.parametrize("widths", [walltime.LTIME_WIDTHS, walltime.STIME_WIDTHS])
@pytest.mark.parametrize("fill", [0x00, 0xFF])
def test_zero_and_all_ones_are_no_time(tm_format: int, widths: tuple[int, ...], fill: int) -> None:
    octets = bytes([fill]) * widths[tm_format]
    assert walltime.decode(octets, tm_format, "little") is None


def test_month_and_day_zero_are_no_time() -> None:
    assert walltime.decode(bytes([26, 0, 0, 12, 0]), 2, "little") is None


@pytest.mark.parametrize(
    ("tm_format", "octets"),
    [
        (1, "26 13 01 00 00"),  # month 13
        (1, "26 0A 01 00 00"),  # not BCD
        (2, "1A 02 1E 00 00"),  # 30 February
        (2, "1A 02 01 18 00"),  # hour 24
        (2, "64 02 01 00 00"),  # year 100
        (3, "01 00 00 00 3C"),  # second 60
        (3, "00 00 00 FE 00"),  # beyond the year 9999
    ],
)
def test_impossible_times_are_told_apart_from_none(tm_format: int, octets: str) -> None:
    with pytest.raises(walltime.ImpossibleTime):
        walltime.decode(bytes.fromhex(octets), tm_format, "little")


@pytest.mark.parametrize(("year", "full"), [(0, 2000), (89, 2089), (90, 1990), (99, 1999)])
def test_years_of_two_digits(year: int, full: int) -> None:
    decoded = walltime.decode(bytes([year, 1, 2, 3, 4, 5]), 2, "little")
    assert decoded is not None
    assert decoded.year == full


def test_reserved_time_formats_are_refused() -> None:
    with pytest.raises(DataError, match="time format 5"):
        walltime.width(walltime.LTIME_WIDTHS, 5)


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2089, 12, 31)),  # noqa: DTZ001 - wall times have no zone
    st.integers(1, 4),
    st.sampled_from(["little", "big"]),
)
def test_times_come_back(moment: datetime, tm_format: int, order: Order) -> None:
    long = moment.replace(microsecond=0)
    size = walltime.LTIME_WIDTHS[tm_format]
    assert walltime.decode(walltime.encode(long, tm_format, order, size), tm_format, order) == long
    short = long.replace(second=0)
    size = walltime.STIME_WIDTHS[tm_format]
    assert walltime.decode(walltime.encode(short, tm_format, order, size), tm_format, order) == short


@given(st.dates(date(1990, 1, 1), date(2089, 12, 31)), st.integers(1, 4), st.sampled_from(["little", "big"]))
def test_dates_come_back(day: date, tm_format: int, order: Order) -> None:
    size = walltime.DATE_WIDTHS[tm_format]
    assert walltime.decode_date(walltime.encode_date(day, tm_format, order, size), tm_format, order) == day


@given(st.integers(0, 86_400), st.integers(1, 4), st.sampled_from(["little", "big"]))
def test_spans_come_back(seconds: int, tm_format: int, order: Order) -> None:
    span, size = timedelta(seconds=seconds), walltime.TIME_WIDTHS[tm_format]
    assert walltime.decode_time(walltime.encode_time(span, tm_format, order, size), tm_format, order) == span


@given(st.integers(0, 4), st.binary(min_size=6, max_size=6))
def test_any_octets_give_a_time_none_or_a_refusal(tm_format: int, octets: bytes) -> None:
    for widths, read, write, kind in CODECS:
        size = widths[tm_format]
        try:
            value = read(octets[:size], tm_format, "little")
        except walltime.ImpossibleTime:
            continue
        assert value is None or type(value) is kind
        assert read(write(value, tm_format, "little", size), tm_format, "little") == value
