"""Faults of line, probe and port, as a hand-written client sees them on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from metersim.meter import RunningMeter, load_scenario, parse_faults, running_meter
from metersim.meter.iec import IecPort, heard_as_7e1, sent_as_7e1
from metersim.meter.wire_faults import ByteFaults
from tests.metersim.raw_client import (
    ACK,
    IDENTIFY,
    LOGON,
    NAK,
    OK,
    RawClient,
    connected,
    full_read,
    offset_read,
    packet,
    security,
    table_data,
)

NOW = datetime(2026, 11, 21, 15, 7, 33, tzinfo=UTC)
IDENTIFIED = b"\x06" + packet(bytes.fromhex("00 00 01 00 00"))
IDENTIFICATION = bytes.fromhex("AF 53 C9 4D 35 4D C5 D4 C5 D2 53 C9 4D 8D 0A")  # /SIM5METERSIM, CR, LF in 7E1


@asynccontextmanager
async def faulty(
    *faults: str, seed: int = 1, tcp: int | None = 0, rate: int = 0
) -> AsyncIterator[tuple[RawClient, RunningMeter]]:
    scenario = structs.replace(load_scenario("residential-tou"), installed=date(2026, 10, 15))
    async with (
        running_meter(scenario, now=NOW, tcp=tcp, faults=faults, rate=rate, seed=seed) as meter,
        connected(meter.address) as client,
    ):
        yield client, meter


async def silent(client: RawClient, seconds: float = 0.2) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await client.reader.readexactly(1)
    except TimeoutError:
        return True
    return False


def even(octets: bytes) -> bool:
    return all(octet.bit_count() % 2 == 0 for octet in octets)


@given(st.binary())
def test_seven_bits_and_even_parity(octets: bytes) -> None:
    sent = sent_as_7e1(octets)
    assert even(sent)
    assert bytes(octet & 0x7F for octet in sent) == bytes(octet & 0x7F for octet in octets)
    assert heard_as_7e1(sent) == bytes(octet & 0x7F for octet in octets)


async def test_a_meter_that_sends_7e1() -> None:
    async with faulty("7e1") as (client, _):
        answer = await client.raw(packet(IDENTIFY), len(IDENTIFIED))
        assert answer == sent_as_7e1(IDENTIFIED)
        assert answer[:10] == bytes.fromhex("06 EE 00 00 00 00 05 00 00 81")
        assert even(answer)


async def test_a_meter_that_is_7e1_both_ways_naks_what_it_cannot_read() -> None:
    async with faulty("7e1=both") as (client, _):
        for _ in range(3):
            assert await client.raw(packet(IDENTIFY), 1) == b"\x95"  # NAK, with its parity
        assert await silent(client)


@pytest.mark.parametrize("sign_on", [b"/?!\r\n", b"/?12345678!\r\n"])
@pytest.mark.parametrize("coded", [bytes, sent_as_7e1])
async def test_an_iec_meter_answers_its_own_sign_on_only(sign_on: bytes, coded: type[bytes]) -> None:
    async with faulty("iec") as (client, _):
        await client.send(packet(IDENTIFY))
        assert await silent(client)
        assert await client.raw(coded(sign_on), len(IDENTIFICATION)) == IDENTIFICATION
        assert await silent(client)


async def test_an_iec_meter_that_always_talks() -> None:
    async with faulty("iec=always") as (client, _):
        assert await client.raw(packet(IDENTIFY), len(IDENTIFICATION)) == IDENTIFICATION


@given(st.lists(st.binary(max_size=30), max_size=30))
def test_an_iec_port_keeps_little_and_hears_a_sign_on_after_anything(chunks: list[bytes]) -> None:
    port = IecPort(always=False)
    for chunk in chunks:
        port.hear(chunk)
        assert len(port._heard) <= 64
    assert port.hear(b"/?!\r\n") == IDENTIFICATION


async def test_a_reversed_probe_sees_its_own_light_or_nothing() -> None:
    async with faulty("reversed_probe") as (client, meter):
        assert await client.raw(packet(IDENTIFY), 9) == packet(IDENTIFY)
        assert await silent(client)
        assert meter.line._session.statistics.bytes_received == 0
    async with faulty("reversed-probe=dark") as (client, _):
        await client.send(packet(IDENTIFY))
        assert await silent(client)


@pytest.mark.parametrize("tcp", [None, 0])
async def test_echo_as_a_fault_is_the_option(tcp: int | None) -> None:
    async with faulty("echo", tcp=tcp) as (client, _):
        client.echo = True
        await client.log_on()
        assert len(await client.read(5)) == 20


async def test_slow_answers_are_acknowledged_at_once() -> None:
    async with faulty("slow_answers=0.4") as (client, _):
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await client.raw(packet(IDENTIFY), 1) == bytes([ACK])
        acknowledged = loop.time()
        assert (await client.receive())[0][0] == 0
        assert loop.time() - began >= 0.2
        assert acknowledged - began < loop.time() - acknowledged


async def test_packets_sent_twice() -> None:
    async with faulty("duplicate_packets") as (client, _):
        assert await client.raw(packet(IDENTIFY), len(IDENTIFIED) + 13) == IDENTIFIED + IDENTIFIED[1:]


async def test_acks_that_never_come() -> None:
    async with faulty("drop_ack=1") as (client, _):
        assert await client.raw(packet(IDENTIFY), 13) == IDENTIFIED[1:]
        await client.send(bytes([ACK]))
        assert await client.raw(packet(LOGON, 0x20), 9) == packet(OK, 0x20)


@pytest.mark.parametrize(
    ("fault", "passes"),
    [("insert=1", 2), ("insert=0.1", 1), ("lose=0.5", 0), ("burst=0.01:20", 1), ("burst=1:1", 1)],
)
def test_what_byte_faults_do_to_the_length(fault: str, passes: int) -> None:
    octets = bytes(1000)
    through = ByteFaults(parse_faults([fault]), "seed").through(octets)
    again = ByteFaults(parse_faults([fault]), "seed").through(octets)
    assert through == again != octets
    if passes == 2:
        assert len(through) == 2000
    elif "insert" in fault:
        assert 1000 < len(through) < 1300
    else:
        assert (len(through) == 1000) == bool(passes)


def test_bursts_are_bursts() -> None:
    through = ByteFaults(parse_faults(["burst=0.002:25"]), "1").through(bytes(20_000))
    hit = [at for at, octet in enumerate(through) if octet]
    runs = 1 + sum(b - a > 1 for a, b in pairwise(hit))
    assert len(hit) / runs >= 25
    assert runs > 5


async def test_one_table_that_always_answers_an_octet_that_is_no_code() -> None:
    async with faulty("one_bad_table=ST12", "one-bad-table=ST13:F0") as (client, _):
        await client.log_on()
        for _ in range(2):
            assert await client.request(full_read(12)) == b"\x47"
            assert await client.request(offset_read(12, 0, 1)) == b"\x47"
        assert await client.request(full_read(13)) == b"\xf0"
        assert len(await client.read(5)) == 20


async def test_one_table_that_always_answers_garbage_of_the_right_length() -> None:
    async with faulty("one_bad_table=ST23:garbage") as (client, meter):
        await client.log_on()
        held = meter.application.image.octets(23, meter.true_us()) or b""
        garbage = await client.read(23)
        assert len(garbage) == len(held)
        assert garbage != held
        assert await client.read(23) == garbage
        assert table_data(await client.request(offset_read(23, 10, 20))) == garbage[10:30]


async def test_a_count_that_lies() -> None:
    async with faulty("lying_size=ST05:3", "lying_size=ST01:-2") as (client, _):
        await client.log_on()
        for table, length, said in ((5, 20, 23), (1, 32, 30)):
            answer = await client.request(full_read(table))
            assert int.from_bytes(answer[1:3], "big") == said
            assert len(answer) == length + 4
            assert sum(answer[3:]) % 256 == 0


async def test_an_interval_ends_during_the_read_of_the_profile() -> None:
    async with faulty("shifting_profile=2") as (client, meter):
        await client.log_on()
        before = meter.now()
        status = await client.read(63)
        valid = int.from_bytes(status[11:13], "little")
        for expected in (1, 2, 2):
            await client.request(offset_read(64, 0, 100))
            assert meter.now() - before == timedelta(minutes=15 * expected)
        assert int.from_bytes((await client.read(63))[11:13], "little") == valid + 2
        assert meter.truth().at == meter.now()


async def test_a_whole_session_under_light_faults_of_every_kind_is_possible() -> None:
    """Against a client that repeats nothing, at rates at which nothing happens to it."""
    faults = ("burst=0.0000001", "insert=0.0000001", "drop_ack=0", "duplicate_packets=0", "slow_answers=0.01")
    async with faulty(*faults) as (client, _):
        await client.request(IDENTIFY)
        assert await client.request(LOGON) == OK
        assert await client.request(security("00000000")) == OK


async def test_damage_to_the_meters_side_ends_in_naks() -> None:
    async with faulty("burst=1:1") as (client, _):
        await client.send(packet(IDENTIFY) * 2)
        assert (await client.take(1)) != bytes([NAK])  # a NAK, damaged like all the rest
