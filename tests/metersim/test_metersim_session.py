"""A session byte by byte against the simulated meter, on both kinds of line, with the frames of the shared vectors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec import structs

from metersim.meter import RunningMeter, running_meter
from tests.metersim.raw_client import (
    IAR,
    IDENTIFY,
    ISC,
    ISSS,
    LOGOFF,
    LOGON,
    NEGOTIATE_1024,
    OK,
    ONP,
    SNS,
    TERMINATE,
    RawClient,
    connected,
    full_read,
    offset_read,
    packet,
    security,
    table_data,
)
from tests.young_meters import young

NOW = datetime(2026, 11, 21, 15, 7, 33, tzinfo=UTC)
VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "c12.json").read_text())
FRAMES = {frame["name"]: bytes.fromhex(frame["hex"]) for frame in VECTORS["frames"]}


@pytest.fixture(params=[None, 0], ids=["pty", "tcp"])
async def meter(request: pytest.FixtureRequest) -> AsyncIterator[RunningMeter]:
    async with running_meter(young("profile-35d", NOW), now=NOW, tcp=request.param, rate=0) as running:
        yield running


@pytest.fixture
async def client(meter: RunningMeter) -> AsyncIterator[RawClient]:
    async with connected(meter.address) as raw:
        yield raw


async def test_answers_the_published_frames_byte_for_byte(client: RawClient) -> None:
    identified = FRAMES["identify_resp_c1218"]
    assert await client.raw(FRAMES["identify_req"], 1 + len(identified)) == b"\x06" + identified
    await client.send(b"\x06")
    negotiated = FRAMES["negotiate_resp"]
    assert await client.raw(FRAMES["negotiate_req_61"], 1 + len(negotiated)) == b"\x06" + negotiated
    await client.send(b"\x06")
    done = FRAMES["ok_resp_toggle0"]
    assert await client.raw(FRAMES["logon_req"], 1 + len(done)) == b"\x06" + done
    await client.send(b"\x06")
    answer = await client.raw(FRAMES["security_req_nul_pad"], 10)
    assert answer[:2] == b"\x06\xee"
    assert answer[7] == 1  # not a password of this meter: ERR
    await client.send(b"\x06")
    assert (await client.raw(FRAMES["logoff_req"], 10))[7] == 0
    await client.send(b"\x06")
    assert (await client.raw(FRAMES["terminate_req"], 10))[7] == 0
    await client.send(b"\x06")


async def test_a_whole_session_reads_every_table_that_st00_lists(client: RawClient, meter: RunningMeter) -> None:
    await client.log_on()
    st00 = await client.read(0)
    listed = {8 * k + bit for k, octet in enumerate(st00[19 : 19 + st00[13]]) for bit in range(8) if octet >> bit & 1}
    assert listed == set(meter.application.image.tables)
    sizes = {number: len(await client.read(number)) for number in sorted(listed - {7, 8})}
    assert sizes[64] == 14_868  # 36 blocks of 5 + 2·6 + 12 + 96·2·2
    assert sizes[0] == 19 + 2 * st00[13] + 2 * st00[14] + st00[15] + st00[16]
    assert sizes[1] == 32
    assert sizes[2] == 33
    assert sizes[52] == 7
    assert await client.request(LOGOFF) == OK
    assert await client.request(TERMINATE) == OK


async def test_an_offset_read_returns_what_the_full_read_has_there(client: RawClient) -> None:
    await client.log_on()
    whole = await client.read(64)
    assert table_data(await client.request(offset_read(64, 413, 826))) == whole[413:1239]
    assert table_data(await client.request(offset_read(64, 14_867, 1))) == whole[-1:]


async def test_an_offset_read_past_the_end_is_refused(client: RawClient) -> None:
    await client.log_on()
    assert await client.request(offset_read(64, 14_860, 9)) == IAR
    assert await client.request(offset_read(64, 14_868, 1)) == IAR
    assert await client.request(offset_read(64, 0, 0)) == IAR


async def test_without_negotiation_one_packet_must_do(client: RawClient) -> None:
    await client.log_on(negotiate=False)
    assert len(await client.read(1)) == 32
    assert await client.request(full_read(64)) == ONP
    assert table_data(await client.request(offset_read(64, 0, 52)))
    assert await client.request(offset_read(64, 0, 53)) == ONP


async def test_the_toggle_bit_moves_with_every_packet(client: RawClient) -> None:
    await client.log_on()
    await client.read(64)
    assert len(client.toggles_seen) > 15
    assert all(a != b for a, b in pairwise(client.toggles_seen))


@pytest.mark.parametrize("request_", [LOGON, NEGOTIATE_1024, full_read(1), security("00000000"), LOGOFF])
async def test_base_state_serves_identify_only(client: RawClient, request_: bytes) -> None:
    assert await client.request(request_) == ISSS


@pytest.mark.parametrize("request_", [full_read(1), LOGOFF])
async def test_id_state_reads_nothing(client: RawClient, request_: bytes) -> None:
    assert (await client.request(IDENTIFY))[0] == 0
    assert await client.request(request_) == ISSS


async def test_session_state_does_not_negotiate(client: RawClient) -> None:
    await client.log_on()
    assert await client.request(NEGOTIATE_1024) == ISSS


async def test_an_unknown_service_is_not_supported(client: RawClient) -> None:
    await client.log_on()
    assert await client.request(b"\x99") == SNS


async def test_tables_need_the_password_except_who_it_is(client: RawClient) -> None:
    await client.log_on(password=None)
    for table in (0, 1, 5):
        assert await client.read(table)
    for table in (3, 11, 23, 64):
        assert await client.request(full_read(table)) == ISC


async def test_a_table_that_cannot_be_read_is_inappropriate(client: RawClient) -> None:
    await client.log_on()
    for table in (7, 17, 66, 2048):
        assert await client.request(full_read(table)) == IAR


async def test_sessions_follow_each_other(meter: RunningMeter) -> None:
    for _ in range(3):
        async with connected(meter.address) as client:
            await client.log_on()
            assert len(await client.read(5)) == 20
            assert await client.request(TERMINATE) == OK


async def test_a_damaged_packet_gets_a_nak_and_may_be_repeated(client: RawClient) -> None:
    good = packet(IDENTIFY)
    assert await client.raw(good[:-1] + b"\x00", 1) == b"\x15"
    assert (await client.raw(good, 1)) == b"\x06"
    assert (await client.receive())[0][0] == 0


async def test_a_client_that_vanishes_leaves_a_meter_that_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = young("minimal", NOW)
    scenario = structs.replace(scenario, psem=structs.replace(scenario.psem, traffic_s=0.2))
    async with running_meter(scenario, now=NOW, tcp=0) as meter:
        over = asyncio.Event()
        monkeypatch.setattr(meter.application, "logged_off", over.set)
        async with connected(meter.address) as client:
            await client.log_on(password=None, negotiate=False)
        async with connected(meter.address) as client:
            assert await client.read(1)  # the port does not know that the client is another one
            await over.wait()
            assert await client.request(full_read(1)) == ISSS
            assert (await client.request(IDENTIFY))[0] == 0
