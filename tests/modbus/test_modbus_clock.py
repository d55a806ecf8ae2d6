"""The meter's clock in each of its formats."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import DataError
from drivers.modbus.clock import clock_sample
from drivers.modbus.schema import Clock

DENVER = ZoneInfo("America/Denver")
BIG = ("big", "big")
FORMS = {"iec870": "001a 0301 0c1e 1388", "unix": "69a4 314d", "fields": "07ea 0003 0001 000c 001e 0005"}


@pytest.mark.parametrize("form", FORMS)
def test_each_format_shows_the_same_time(form: str) -> None:
    clock = Clock(address=0, format=form, zone="utc")  # type: ignore[arg-type]
    octets = bytes.fromhex(FORMS[form])
    assert len(octets) == 2 * clock.registers
    sample = clock_sample(clock, octets, (5, 9), None, order=BIG)  # type: ignore[arg-type]
    assert sample.meter_time == datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)
    assert (sample.before_ns, sample.after_ns, sample.ambiguous) == (5, 9, False)


def test_local_time_and_the_repeated_hour() -> None:
    clock = Clock(address=0, format="fields", zone="local")
    octets = b"".join(number.to_bytes(2, "big") for number in (2026, 11, 1, 1, 30, 0))
    sample = clock_sample(clock, octets, (0, 0), DENVER, order=BIG)  # type: ignore[arg-type]
    assert sample.ambiguous
    assert sample.meter_time == datetime(2026, 11, 1, 7, 30, tzinfo=UTC)
    with pytest.raises(DataError, match="zone is not known"):
        clock_sample(clock, octets, (0, 0), None, order=BIG)  # type: ignore[arg-type]


@given(st.sampled_from(sorted(FORMS)), st.binary(min_size=12, max_size=12))
def test_any_octets_are_a_time_or_an_error(form: str, octets: bytes) -> None:
    clock = Clock(address=0, format=form, zone="utc")  # type: ignore[arg-type]
    octets = octets[: 2 * clock.registers]
    try:
        sample = clock_sample(clock, octets, (0, 0), None, order=BIG)  # type: ignore[arg-type]
    except DataError as error:
        said = str(error)
    else:
        said = str(sample.meter_time.tzinfo)
    assert said == "UTC" or "is no time" in said
