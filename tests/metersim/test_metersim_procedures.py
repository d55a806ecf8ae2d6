"""Procedures through ST07 and ST08, written by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.psem.codes import ResponseCode
from drivers.secret import Secret
from metersim.meter import Faults, Meter, RunningMeter, running_meter
from metersim.meter.application import Application
from metersim.meter.model import microseconds
from metersim.meter.tables.image import Image
from tests.metersim.raw_client import IAR, ISC, OK, RawClient, connected, full_write
from tests.young_meters import young

NOW = datetime(2026, 11, 21, 15, 7, 33, tzinfo=UTC)
RESIDENTIAL = young("residential-tou", NOW)
QUALIFIER = 0x66  # Saturday, zone and DST applied


async def run(client: RawClient, procedure: int, parameters: bytes, sequence: int = 0x31) -> tuple[int, bytes]:
    """Execute a standard procedure of a little-endian meter; result code and response."""
    assert await client.request(full_write(7, procedure.to_bytes(2, "little") + bytes([sequence]) + parameters)) == OK
    answer = await client.read(8)
    assert answer[:3] == procedure.to_bytes(2, "little") + bytes([sequence])
    return answer[3], answer[4:]


async def master(meter: RunningMeter, client: RawClient) -> None:
    await client.log_on("11111111")
    assert meter.application.image.response is None


async def test_procedures_need_the_second_password() -> None:
    async with running_meter(RESIDENTIAL, now=NOW, tcp=0, rate=0) as meter, connected(meter.address) as client:
        await client.log_on()
        assert await client.request(full_write(7, b"\x09\x00\x01\x01")) == ISC
    async with running_meter(RESIDENTIAL, now=NOW, tcp=0, rate=0) as meter, connected(meter.address) as client:
        await master(meter, client)
        assert await client.request(full_write(23, b"\x00")) == IAR
        assert await client.request(full_write(7, b"\x09")) == IAR


async def test_demand_reset() -> None:
    async with running_meter(RESIDENTIAL, now=NOW, tcp=0, rate=0) as meter, connected(meter.address) as client:
        await master(meter, client)
        before = (await client.read(23))[0]
        assert await run(client, 9, b"\x01") == (0, b"\x01")
        assert (await client.read(23))[0] == before + 1
        event = meter.truth().events[-1]
        assert (event.code, event.user_id) == (20, 2)


async def test_clock_set_moves_the_clock_and_says_so() -> None:
    async with running_meter(RESIDENTIAL, now=NOW, tcp=0, rate=0) as meter, connected(meter.address) as client:
        await master(meter, client)
        wanted = bytes([26, 11, 21, 10, 7, 33])
        result, response = await run(client, 10, b"\x07" + wanted + bytes([QUALIFIER]))
        assert result == 0
        assert response == bytes([26, 11, 21, 10, 7, 34]) + wanted
        assert (await client.read(52))[:6] == wanted
        assert meter.truth().clock_offset_s == 0
        logged = [(event.code, event.at.second) for event in meter.truth().events if event.log == "event"]
        assert logged[-2:] == [(3, 34), (4, 33)]


async def test_clock_set_flags_the_interval_in_which_it_happened() -> None:
    async with running_meter(RESIDENTIAL, now=NOW, tcp=0, rate=0) as meter, connected(meter.address) as client:
        await master(meter, client)
        assert (await run(client, 10, b"\x07" + bytes([26, 11, 21, 10, 9, 0, QUALIFIER])))[0] == 0
        later = datetime(2026, 11, 21, 15, 20, tzinfo=UTC)
        block = meter.truth(later).blocks[-2]
        assert block.ends[-1] == datetime(2026, 11, 21, 15, 15, tzinfo=UTC)
        assert block.status[-1] == ("clock_adjusted", "partial")
        one = meter.meter
        assert sum(block.pulses) == one.total_pulses_at("energy delivered", int(block.ends[-1].timestamp())) - (
            one.total_pulses_at("energy delivered", int(block.ends[0].timestamp()) - 900)
        )


@pytest.mark.parametrize(
    ("parameters", "result"),
    [
        (bytes([7, 26, 11, 21, 9, 59, 0, QUALIFIER]), 4),  # would take back the interval that ended at 10:00
        (bytes([7, 89, 11, 21, 10, 8, 0, QUALIFIER]), 2),  # 63 years ahead
        (bytes([7, 26, 13, 21, 9, 59, 0, QUALIFIER]), 2),
        (bytes([7, 26, 11, 21, 9, 59, 0]), 2),
        (bytes([1, 26, 11, 21, 10, 8, 0, QUALIFIER]), 2),
    ],
)
async def test_clock_set_that_is_refused(parameters: bytes, result: int) -> None:
    async with running_meter(RESIDENTIAL, now=NOW, tcp=0, rate=0) as meter, connected(meter.address) as client:
        await master(meter, client)
        assert await run(client, 10, parameters) == (result, b"")
        assert str(meter.truth().clock_offset_s) == "1.4"


async def test_update_last_read_entry() -> None:
    async with running_meter(RESIDENTIAL, now=NOW, tcp=0, rate=0) as meter, connected(meter.address) as client:
        await master(meter, client)
        unread = (await client.read(63))[9:11]
        assert unread == (20).to_bytes(2, "little")
        assert await run(client, 5, b"\x03\x13\x00") == (0, b"")
        assert (await client.read(63))[9:11] == (1).to_bytes(2, "little")
        assert await run(client, 5, b"\x03\x02\x00") == (2, b"")
        assert await run(client, 5, b"\x09\x01\x00") == (2, b"")


async def test_an_unknown_procedure_is_said_to_be_so() -> None:
    async with running_meter(RESIDENTIAL, now=NOW, tcp=0, rate=0) as meter, connected(meter.address) as client:
        await master(meter, client)
        assert await run(client, 3, b"") == (6, b"")


async def test_clock_set_across_intervals_skips_them() -> None:
    async with running_meter(RESIDENTIAL, now=NOW, tcp=0, rate=0) as meter, connected(meter.address) as client:
        await master(meter, client)
        assert (await run(client, 10, b"\x07" + bytes([26, 11, 21, 10, 40, 0, QUALIFIER])))[0] == 0
        assert len(await client.read(64)) == 20 * (5 + 96 * 6)
        last = meter.truth().blocks[-2]
        assert [set(words) for words in last.status[-2:]] == [{"clock_adjusted", "partial"}, {"missing", "skipped"}]
        assert last.counts[-1] is None


@cache
def application(name: str) -> Application:
    meter = Meter(young(name, NOW), 1, microseconds(NOW))
    return Application(meter, Image(meter), Faults(), lambda: meter.start_us, float)


@given(st.sampled_from(["minimal", "closure-1997"]), st.binary(max_size=40))
@settings(max_examples=200, deadline=None)
def test_whatever_is_written_to_st07_is_answered(name: str, written: bytes) -> None:
    app = application(name)
    assert app.security(Secret(b"11111111")) is ResponseCode.OK
    assert app.write_table(7, None, written) in (ResponseCode.OK, ResponseCode.IAR)
    assert isinstance(app.read_table(8, None, None), bytes)


@given(st.integers(0, 70), st.one_of(st.none(), st.integers(0, 1 << 24)), st.integers(0, 65_535))
@settings(max_examples=200, deadline=None)
def test_any_read_is_answered_and_never_longer_than_asked(table: int, offset: int | None, count: int) -> None:
    app = application("closure-1997")
    assert app.security(Secret(b"00000000")) is ResponseCode.OK
    answer = app.read_table(table, offset, None if offset is None else count)
    assert isinstance(answer, ResponseCode) or offset is None or len(answer) == count
