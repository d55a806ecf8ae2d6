"""What a real meter rejects, the simulated one rejects, octet by octet as the fact sheet and the vectors say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from msgspec import structs

from metersim.meter import RunningMeter, load_scenario, running_meter
from tests.metersim.raw_client import (
    ACK,
    ERR,
    IAR,
    IDENTIFY,
    ISC,
    ISSS,
    LOGOFF,
    LOGON,
    NAK,
    OK,
    ONP,
    RNO,
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
)

NOW = datetime(2026, 11, 21, 15, 7, 33, tzinfo=UTC)
VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "c12.json").read_text())
FRAMES = {frame["name"]: bytes.fromhex(frame["hex"]) for frame in VECTORS["frames"]}
DEMAND_RESET = bytes.fromhex("0900 31 01")
WRITE_BY_INDEX = b"\x41\0\x07\0\0\0\x04" + DEMAND_RESET + bytes([-sum(DEMAND_RESET) & 0xFF])


@asynccontextmanager
async def served(**layout: object) -> AsyncIterator[tuple[RawClient, RunningMeter]]:
    scenario = load_scenario("profile-35d")
    scenario = structs.replace(scenario, installed=date(2026, 10, 5), layout=structs.replace(scenario.layout, **layout))
    async with running_meter(scenario, now=NOW, tcp=0, rate=0) as meter, connected(meter.address) as client:
        yield client, meter


async def silent(client: RawClient, seconds: float = 0.2) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await client.reader.readexactly(1)
    except TimeoutError:
        return True
    return False


IN_SESSION = {
    "full read": full_read(1),
    "offset read": offset_read(1, 0, 4),
    "index read": index_read(64, (0,), 1),
    "default read": b"\x3e",
    "full write": full_write(7, DEMAND_RESET),
    "offset write": offset_write(7, 0, DEMAND_RESET),
    "index write": WRITE_BY_INDEX,
    "logoff": LOGOFF,
}


@pytest.mark.parametrize("request_", [*IN_SESSION.values(), LOGON, security("00000000"), TERMINATE, b"\x70\x05"])
async def test_base_state_knows_nobody(request_: bytes) -> None:
    async with served() as (client, _):
        assert await client.request(request_) == ISSS
        assert (await client.request(IDENTIFY))[0] == 0  # which changed nothing


@pytest.mark.parametrize("request_", IN_SESSION.values(), ids=IN_SESSION)
async def test_id_state_does_not_touch_tables(request_: bytes) -> None:
    async with served() as (client, _):
        await client.request(IDENTIFY)
        assert await client.request(request_) == ISSS
        assert await client.request(LOGON) == OK


@pytest.mark.parametrize("request_", [IDENTIFY, LOGON, negotiate(512, 8), negotiate(512, 8, 6)])
async def test_a_session_is_not_opened_twice(request_: bytes) -> None:
    async with served() as (client, _):
        await client.log_on()
        assert await client.request(request_) == ISSS
        assert len(await client.read(5)) == 20  # the refusal left everything as it was


@pytest.mark.parametrize(
    "request_",
    [
        b"\x20\x00",
        b"\x30",
        b"\x30\x00",
        b"\x30\x00\x01\x00",
        offset_read(1, 0, 4)[:-1],
        offset_read(1, 0, 4) + b"\0",
        index_read(64, (0,), 1)[:-2],
        full_write(7, DEMAND_RESET)[:-1],
        full_write(7, DEMAND_RESET) + b"\0",
        b"\x40\x00\x07\x00\x09" + full_write(7, DEMAND_RESET)[5:],  # its count lies
        b"\x50\x00\x02READER",
        LOGON + b" ",
        security("00000000")[:-1],
        security("00000000") + b"\0",
        b"\x52\x00",
        b"\x21\x00",
        b"\x70",
        b"\x70\x05\x05",
    ],
)
async def test_a_request_of_the_wrong_length_is_an_error_and_changes_nothing(request_: bytes) -> None:
    async with served() as (client, meter):
        await client.log_on("11111111")
        assert await client.request(request_) == ERR
        assert meter.application.image.response is None
        assert len(await client.read(5)) == 20


@pytest.mark.parametrize("request_", [negotiate(63, 1), negotiate(0, 1), negotiate(64, 0), b"\x61\x04\x00\x80"])
async def test_what_cannot_be_negotiated(request_: bytes) -> None:
    async with served() as (client, _):
        await client.request(IDENTIFY)
        assert await client.request(request_) == ERR
        assert await client.request(negotiate(64, 1)) == bytes.fromhex("00 0040 01 06")


@pytest.mark.parametrize("code", [0x00, 0x01, 0x0A, 0x23, 0x3A, 0x3D, 0x4A, 0x54, 0x6C, 0x72, 0x80, 0xFF])
async def test_no_such_service(code: int) -> None:
    async with served() as (client, _):
        await client.log_on()
        assert await client.request(bytes([code])) == SNS


@pytest.mark.parametrize("name", ["authenticate_req_des", "timing_setup_req"])
async def test_services_of_c12_21_are_not_served_over_the_optical_port(name: str) -> None:
    data = FRAMES[name][6:-2]
    async with served() as (client, _):
        await client.request(IDENTIFY)
        assert await client.request(data) == SNS
        await client.request(LOGON)
        assert await client.request(data) == SNS


@pytest.mark.parametrize(
    ("table", "offset", "count"), [(5, 0, 0), (5, 19, 2), (5, 20, 1), (5, 0xFFFFFF, 1), (5, 0, 0xFFFF), (64, 14_867, 2)]
)
async def test_an_offset_read_outside_the_table(table: int, offset: int, count: int) -> None:
    async with served() as (client, _):
        await client.log_on()
        assert await client.request(offset_read(table, offset, count)) == IAR


@pytest.mark.parametrize("table", [4, 7, 10, 66, 2047, 2048, 2060, 0x1000, 0x1017, 0xFFFF])
async def test_a_table_that_there_is_not(table: int) -> None:
    async with served() as (client, _):
        await client.log_on("11111111")
        assert await client.request(full_read(table)) == IAR
        assert await client.request(full_write(table, b"\0")) == IAR


@pytest.mark.parametrize(("named", "code"), [("onp", ONP), ("iar", IAR), ("rno", RNO)])
async def test_an_answer_that_the_packets_cannot_carry(named: str, code: bytes) -> None:
    async with served(too_long=named) as (client, _):
        await client.request(IDENTIFY)
        await client.request(negotiate(64, 4))
        await client.request(LOGON)
        await client.request(security("00000000"))
        most = 4 * 56 - 4
        assert len(await client.request(offset_read(64, 0, most))) == 4 * 56
        assert await client.request(offset_read(64, 0, most + 1)) == code
        assert await client.request(full_read(64)) == code
        assert len(await client.read(5)) == 20  # the state is what it was


async def test_writing_takes_rights() -> None:
    async with served() as (client, meter):
        await client.log_on()  # reads only
        for table in (0, 7, 23, 52, 2048):
            assert await client.request(full_write(table, DEMAND_RESET)) == ISC
        assert await client.request(offset_write(7, 0, DEMAND_RESET)) == ISC
        assert meter.application.image.response is None


async def test_a_master_may_write_procedures_and_no_tables() -> None:
    async with served() as (client, meter):
        await client.log_on("11111111")
        before = meter.application.image.octets(23, meter.true_us())
        for table in (0, 3, 8, 23, 52, 64):
            assert await client.request(full_write(table, bytes(4))) == IAR
        assert meter.application.image.octets(23, meter.true_us()) == before


async def test_a_wrong_table_checksum_in_a_write() -> None:
    async with served() as (client, meter):
        await client.log_on("11111111")
        good = full_write(7, DEMAND_RESET)
        assert await client.request(good[:-1] + bytes([good[-1] ^ 1])) == ERR
        assert meter.application.image.response is None
        assert await client.request(good) == OK


async def test_wrong_crcs_lengths_and_torn_packets_get_a_nak_and_nothing_else() -> None:
    good = packet(IDENTIFY)
    long = bytes([0xEE, 0, 0, 0, 0, 57]) + bytes(57)  # one more than a packet of 64 carries
    empty = bytes.fromhex("EE 00 00 00 00 00") + bytes(2)
    for bad in (good[:-1] + b"\0", good[:2] + b"\x20" + good[3:], good[:-2] + good[:-3:-1], long, empty, good[:5]):
        async with served() as (client, _):
            assert await client.raw(bad, 1) == bytes([NAK])
            assert await silent(client)
            assert await client.raw(good, 1 + 13) == b"\x06" + FRAMES["identify_resp_c1218"]


async def test_a_packet_longer_than_negotiated_gets_a_nak() -> None:
    long = packet(full_write(7, bytes(120)))
    async with served() as (client, meter):
        await client.request(IDENTIFY)
        await client.request(negotiate(128, 8))
        await client.request(LOGON)
        await client.request(security("11111111"))
        assert len(long) > 128
        assert await client.raw(long, 1) == bytes([NAK])
        assert meter.application.image.response is None
        assert len(await client.read(5)) == 20


async def test_more_packets_than_negotiated_are_an_error() -> None:
    async with served() as (client, _):
        await client.request(IDENTIFY)
        assert await client.request_in_pieces(LOGON, 5) == ERR  # one packet, unless negotiated
        await client.request(negotiate(64, 2))
        assert await client.request_in_pieces(LOGON, 7) == OK


async def test_packets_out_of_order_are_acknowledged_and_not_answered() -> None:
    async with served() as (client, _):
        await client.request(IDENTIFY)
        await client.request(negotiate(64, 8))
        for number, (ctrl, seq) in enumerate(((0xC0, 2), (0x80 | 0x20, 0))):  # number 1 is missing
            piece = LOGON[5 * number : 5 * number + 5]
            assert await client.raw(packet(piece, ctrl, seq), 1) == bytes([ACK])
        assert await silent(client)
        client.toggle = 0
        assert await client.request(LOGON) == OK


async def test_a_repeated_packet_is_acknowledged_and_not_served_twice() -> None:
    async with served() as (client, meter):
        await client.log_on("11111111")
        wanted = packet(full_write(7, DEMAND_RESET), client.toggle << 5)
        resets = meter.truth().events[-1].sequence
        answer = await client.raw(wanted, 1 + 9)
        assert await client.raw(wanted, 1) == bytes([ACK])  # our ACK of the answer never came
        assert answer == b"\x06" + packet(OK, answer[3])
        await client.send(bytes([ACK]))
        client.toggle ^= 1
        assert (await client.read(8))[3] == 0
        assert meter.truth().events[-1].sequence == resets + 1


async def test_a_wrong_password_is_an_error_every_time_and_locks_the_port() -> None:
    async with served() as (client, _):
        await client.log_on(password=None)
        for password in ("", "0000000", "00000001", "000000000"):
            assert await client.request(security(password)) == ERR
        assert await client.request(security("00000000")) == ERR  # locked
        assert await client.request(full_read(23)) == ISC


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("nok_isss", full_read(1)),
        ("nok_sns", b"\x99"),
    ],
)
async def test_refusals_byte_for_byte(name: str, request_: bytes) -> None:
    async with served() as (client, _):
        answer = await client.raw(packet(request_), 10)
        assert answer == b"\x06" + packet(FRAMES[name][6:-2])
