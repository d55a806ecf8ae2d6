"""Clients that do things in unusual but legal ways are served like any other. By a client written by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from itertools import pairwise

import pytest
from msgspec import structs

from metersim.meter import RunningMeter, Scenario, load_scenario, running_meter
from metersim.meter.scenario import Layout
from tests.metersim.raw_client import (
    ACK,
    ERR,
    IAR,
    IDENTIFY,
    ISC,
    ISSS,
    LOGOFF,
    LOGON,
    OK,
    ONP,
    SNS,
    TERMINATE,
    RawClient,
    connected,
    full_read,
    full_write,
    index_read,
    negotiate,
    offset_read,
    offset_write,
    packet,
    security,
    table_data,
)

NOW = datetime(2026, 11, 21, 15, 7, 33, tzinfo=UTC)
IDENTIFIED = bytes.fromhex("00 00 01 00 00")
MASTER = security("11111111")
BLOCK = 413  # octets of a block of profile-35d
DEMAND_RESET = bytes.fromhex("0900 31 01")


def changed(**psem: object) -> Scenario:
    scenario = load_scenario("profile-35d")
    return structs.replace(scenario, psem=structs.replace(scenario.psem, **psem))


@asynccontextmanager
async def served(scenario: str | Scenario = "profile-35d") -> AsyncIterator[tuple[RawClient, RunningMeter]]:
    chosen = scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
    young = structs.replace(chosen, installed=date(2026, 10, 5))  # old enough to have filled its profile
    async with running_meter(young, now=NOW, tcp=0, rate=0) as meter, connected(meter.address) as client:
        yield client, meter


def octets(meter: RunningMeter, table: int) -> bytes:
    held = meter.application.image.octets(table, meter.true_us())
    assert held is not None
    return held


@pytest.mark.parametrize("asked", [64, 65, 71, 100, 128, 512, 1000, 1024, 4095, 8191, 8192])
async def test_any_packet_size_from_64_to_8192(asked: int) -> None:
    async with served(changed(packet_size=8192)) as (client, meter):
        await client.request(IDENTIFY)
        assert await client.request(negotiate(asked, 255, 6)) == OK + asked.to_bytes(2, "big") + b"\xff\x06"
        await client.request(LOGON)
        await client.request(security("00000000"))
        whole = octets(meter, 64)
        most = min(len(whole), 255 * (asked - 8) - 4)
        assert table_data(await client.request(offset_read(64, 0, most))) == whole[:most]
        assert client.largest == asked


async def test_a_packet_size_larger_than_the_meters_gets_the_meters() -> None:
    async with served() as (client, _):
        await client.request(IDENTIFY)
        assert await client.request(negotiate(8192, 255)) == bytes.fromhex("00 0400 FF 06")


async def test_packets_may_be_one_and_64_octets_although_negotiated() -> None:
    async with served() as (client, meter):
        await client.request(IDENTIFY)
        assert await client.request(negotiate(64, 1)) == bytes.fromhex("00 0040 01 06")
        await client.request(LOGON)
        await client.request(security("00000000"))
        assert await client.read(1) == octets(meter, 1)
        assert await client.request(full_read(64)) == ONP


async def test_full_reads_only() -> None:
    async with served() as (client, meter):
        await client.log_on()
        for table in sorted(meter.application.image.tables - {7, 8}):
            assert await client.read(table) == octets(meter, table)


async def test_without_negotiate_a_profile_is_read_in_52_octets_at_a_time() -> None:
    async with served() as (client, meter):
        await client.log_on(negotiate=False)
        whole = octets(meter, 64)[: 3 * BLOCK]
        pieces = [
            table_data(await client.request(offset_read(64, at, min(52, len(whole) - at))))
            for at in range(0, len(whole), 52)
        ]
        assert b"".join(pieces) == whole


async def test_the_password_may_come_before_the_logon() -> None:
    async with served() as (client, meter):
        await client.request(IDENTIFY)
        assert await client.request(security("00000000")) == OK
        assert await client.request(LOGON) == OK
        assert await client.read(5) == octets(meter, 5)
        assert await client.read(12) == octets(meter, 12)
        assert await client.request(LOGOFF) == OK
        assert await client.request(LOGON) == OK
        assert await client.request(full_read(12)) == ISC  # and counts for one session


async def test_a_meter_may_insist_on_the_password_after_the_logon() -> None:
    async with served(changed(early_security=False)) as (client, _):
        await client.request(IDENTIFY)
        assert await client.request(security("00000000")) == ISSS
        assert await client.request(LOGON) == OK
        assert await client.request(security("00000000")) == OK


async def test_nobody_needs_to_show_a_password() -> None:
    async with served() as (client, meter):
        await client.log_on(password=None)
        assert await client.read(1) == octets(meter, 1)
        assert await client.request(full_read(23)) == ISC
        assert await client.request(security("00000000")) == OK  # nor at once
        assert len(await client.read(23)) > 20


async def test_a_second_password_raises_the_level() -> None:
    async with served() as (client, _):
        await client.log_on()
        assert await client.request(full_write(7, DEMAND_RESET)) == ISC
        assert await client.request(MASTER) == OK
        assert await client.request(full_write(7, DEMAND_RESET)) == OK
        assert (await client.read(8))[3] == 0


async def test_identify_may_be_repeated() -> None:
    async with served() as (client, meter):
        for _ in range(4):
            assert await client.request(IDENTIFY) == IDENTIFIED
        await client.request(negotiate(256, 255))
        assert await client.request(IDENTIFY) == IDENTIFIED
        assert await client.request(LOGON) == OK
        assert await client.request(full_read(0)) == OK + bytes([0, len(octets(meter, 0))]) + octets(meter, 0) + bytes(
            [-sum(octets(meter, 0)) & 0xFF]
        )
        assert await client.request(security("00000000")) == OK
        assert await client.request(full_read(64)) == ONP  # Identify took the negotiated packets back


async def test_negotiated_again_after_logoff() -> None:
    async with served() as (client, meter):
        await client.request(IDENTIFY)
        for size in (128, 1024, 64):
            assert await client.request(negotiate(size, 255)) == OK + size.to_bytes(2, "big") + b"\xff\x06"
            assert await client.request(LOGON) == OK
            assert await client.request(security("00000000")) == OK
            client.largest = 0
            assert await client.read(76) == octets(meter, 76)
            assert client.largest == size or size > len(octets(meter, 76))
            assert await client.request(LOGOFF) == OK
        assert await client.request(LOGON) == OK  # and what was negotiated holds without negotiating again


async def test_negotiate_twice_in_a_row() -> None:
    async with served() as (client, _):
        await client.request(IDENTIFY)
        assert await client.request(negotiate(1024, 255)) == bytes.fromhex("00 0400 FF 06")
        assert await client.request(negotiate(128, 8)) == bytes.fromhex("00 0080 08 06")


@pytest.mark.parametrize("identity", [0x00, 0x01, 0x05, 0x7F, 0x80, 0xFF])
async def test_any_identity_octet(identity: int) -> None:
    async with served() as (client, _):
        answer = await client.raw(packet(IDENTIFY, identity=identity), 1 + 13)
        assert answer == b"\x06" + packet(IDENTIFIED)
        await client.send(b"\x06")
        assert await client.raw(packet(LOGON, 0x20, identity=identity), 1) == b"\x06"
        assert await client.answer() == OK


async def test_reserved_bits_of_ctrl_are_ignored() -> None:
    async with served() as (client, _):
        assert await client.raw(packet(IDENTIFY, 0x1F), 1 + 13) == b"\x06" + packet(IDENTIFIED)


async def test_the_toggle_may_begin_at_1() -> None:
    async with served() as (client, meter):
        client.toggle = 1
        await client.log_on()
        assert await client.read(64) == octets(meter, 64)
        assert all(a != b for a, b in pairwise(client.toggles_seen))


@pytest.mark.parametrize("size", [1, 2, 5, 20])
async def test_requests_in_many_packets_of_few_octets(size: int) -> None:
    async with served() as (client, meter):
        await client.request(IDENTIFY)
        await client.request(negotiate(1024, 255))
        assert await client.request_in_pieces(LOGON, size) == OK
        assert await client.request_in_pieces(security("11111111"), size) == OK
        assert (
            table_data(await client.request_in_pieces(offset_read(64, BLOCK, 100), size))
            == (octets(meter, 64)[BLOCK : BLOCK + 100])
        )
        assert await client.request_in_pieces(full_write(7, DEMAND_RESET), size) == OK


async def test_a_packet_may_be_answered_by_three_naks() -> None:
    async with served() as (client, _):
        first = await client.raw(packet(IDENTIFY), 1 + 13)
        for _ in range(3):
            assert await client.raw(b"\x15", 13) == first[1:]
        await client.send(b"\x06")
        assert await client.raw(packet(LOGON, 0x20), 1) == b"\x06"
        assert await client.answer() == OK


async def test_naks_without_end_cost_the_session_only() -> None:
    async with served() as (client, _):
        await client.log_on()
        await client.send(packet(full_read(1), client.toggle << 5))
        assert (await client.take(1))[0] == ACK
        for _ in range(4):
            await client.take(6 + 36 + 2)
            await client.send(b"\x15")
        await client.send(b"\x15" * 5)  # to nobody: there is nothing to repeat
        client.toggle = 0
        assert await client.request(security("00000000")) == ISSS
        await client.log_on()


async def test_acks_and_naks_out_of_place_mean_nothing() -> None:
    async with served() as (client, _):
        await client.send(b"\x06\x15\x06\x06\x15")
        await client.log_on()
        await client.send(b"\x15\x06")
        assert len(await client.read(5)) == 20


async def test_wait_in_both_states() -> None:
    async with served() as (client, _):
        await client.request(IDENTIFY)
        assert await client.request(b"\x70\x01") == OK
        assert await client.request(b"\x70\xff") == OK
        assert await client.request(LOGON) == OK
        assert await client.request(b"\x70\x3c") == OK
        assert await client.request(b"\x70\x00") == ERR
        assert await client.request(full_read(1)) != ISSS


@pytest.mark.parametrize("steps", [[IDENTIFY], [IDENTIFY, LOGON], [IDENTIFY, LOGON, security("00000000")]])
async def test_terminate_without_logoff(steps: list[bytes]) -> None:
    async with served() as (client, _):
        for step in steps:
            assert (await client.request(step))[0] == 0
        assert await client.request(TERMINATE) == OK
        assert await client.request(LOGON) == ISSS  # Base
        client.toggle = 0
        await client.log_on()
        assert await client.request(full_read(23)) != ISC


async def test_the_default_set_where_there_is_one() -> None:
    scenario = load_scenario("commercial-4ch")
    async with served(scenario) as (client, meter):
        await client.log_on(password=None)
        assert await client.request(b"\x3e") == ISC
        await client.request(security("READ-ONLY"))
        assert table_data(await client.request(b"\x3e")) == octets(meter, 23)
        assert octets(meter, 0)[8] == 1
    async with served() as (client, meter):
        await client.log_on()
        assert await client.request(b"\x3e") == SNS
        assert octets(meter, 0)[8] == 0


async def test_blocks_by_index_and_number_of_elements() -> None:
    async with served("commercial-4ch") as (client, meter):
        await client.log_on("READ-ONLY")
        whole, size = octets(meter, 64), 1093
        assert table_data(await client.request(index_read(64, (0,), 1))) == whole[:size]
        assert table_data(await client.request(index_read(64, (5,), 3))) == whole[5 * size : 8 * size]
        assert table_data(await client.request(index_read(64, (39,), 1))) == whole[39 * size :]
        for indices, elements in (((40,), 1), ((39,), 2), ((0,), 0), ((0, 0), 1)):
            assert await client.request(index_read(64, indices, elements)) == IAR
        assert await client.request(index_read(23, (0,), 1)) == IAR  # this meter knows elements of its profile only


async def test_a_meter_without_partial_reads_says_so() -> None:
    scenario = load_scenario("profile-35d")
    layout: Layout = structs.replace(scenario.layout, access="full")
    async with served(structs.replace(scenario, layout=layout)) as (client, meter):
        await client.log_on()
        assert await client.request(offset_read(64, 0, 1)) == SNS
        assert await client.request(index_read(64, (0,), 1)) == SNS
        assert await client.read(64) == octets(meter, 64)


async def test_procedures_are_started_whole_or_not_at_all() -> None:
    async with served() as (client, meter):
        await client.log_on("11111111")
        assert await client.request(offset_write(7, 0, DEMAND_RESET)) == IAR
        assert await client.request(b"\x41\0\x07\0\0\0\x04" + DEMAND_RESET + bytes([-sum(DEMAND_RESET) & 255])) == SNS
        assert meter.application.image.response is None
        assert await client.request(full_write(7, DEMAND_RESET)) == OK


@pytest.mark.parametrize("user", [b"\0" * 10, b" " * 10, b"0000      ", b"\xff" * 10])
@pytest.mark.parametrize("user_id", [0, 1, 2, 65_535])
async def test_any_user(user: bytes, user_id: int) -> None:
    async with served() as (client, _):
        await client.request(IDENTIFY)
        assert await client.request(b"\x50" + user_id.to_bytes(2, "big") + user) == OK
