"""Each fault does what its line of help says; seen from a hand-written client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from metersim.meter import RunningMeter, Scenario, load_scenario, running_meter
from tests.metersim.raw_client import (
    BSY,
    DNR,
    ERR,
    IAR,
    IDENTIFY,
    ISC,
    ISSS,
    LOGON,
    NEGOTIATE_1024,
    OK,
    SNS,
    RawClient,
    connected,
    crc,
    full_read,
    offset_read,
    packet,
    security,
    table_data,
)
from tests.young_meters import young

NOW = datetime(2026, 11, 21, 15, 7, 33, tzinfo=UTC)


@asynccontextmanager
async def faulty(
    *faults: str, scenario: str | Scenario = "residential-tou", echo: bool = False, tcp: int | None = 0
) -> AsyncIterator[tuple[RawClient, RunningMeter]]:
    chosen = young(scenario, NOW) if isinstance(scenario, str) else scenario
    async with (
        running_meter(chosen, now=NOW, tcp=tcp, faults=faults, rate=0, echo=echo) as meter,
        connected(meter.address, echo=echo) as client,
    ):
        yield client, meter


async def nothing_within(client: RawClient, seconds: float) -> bool:
    """Whether the meter keeps silent for this long."""
    try:
        async with asyncio.timeout(seconds):
            await client.reader.readexactly(1)
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize("tcp", [None, 0])
async def test_echo_comes_before_the_answer(tcp: int | None) -> None:
    async with faulty(echo=True, tcp=tcp) as (client, _):
        await client.log_on()  # the client takes every byte back before it looks for the answer
        assert len(await client.read(5)) == 20


async def test_wrong_meter_id() -> None:
    async with faulty("wrong_meter_id=00001111") as (client, meter):
        await client.log_on()
        assert await client.read(5) == b"00001111".ljust(20)
        assert meter.truth().meter_id == "00001111"


async def test_wrong_password_and_lockout() -> None:
    async with faulty("wrong_password") as (client, _):
        await client.log_on(password=None)
        assert await client.request(security("00000000")) == ERR
    async with faulty() as (client, _):
        await client.log_on(password=None)
        for _ in range(3):
            assert await client.request(security("guess")) == ERR
        assert await client.request(security("00000000")) == ERR  # the port is locked now
        assert await client.request(full_read(23)) == ISC


async def test_a_password_may_be_padded_with_blanks() -> None:
    async with faulty() as (client, _):
        await client.log_on(password=None)
        assert await client.request(b"\x51" + b"00000000".ljust(20)) == OK


async def test_busy_and_data_not_ready() -> None:
    async with faulty("busy=2", "dnr=1") as (client, _):
        assert await client.request(IDENTIFY) == BSY
        assert await client.request(IDENTIFY) == BSY
        await client.log_on()
        assert await client.request(full_read(5)) == DNR
        assert await client.read(5)


async def test_small_packets_and_no_negotiate() -> None:
    async with faulty("small_packets=128") as (client, _):
        assert (await client.request(IDENTIFY))[0] == 0
        assert await client.request(NEGOTIATE_1024) == bytes.fromhex("00 0080 80 06")
    async with faulty("no_negotiate") as (client, _):
        assert (await client.request(IDENTIFY))[0] == 0
        assert await client.request(NEGOTIATE_1024) == SNS
        assert await client.request(LOGON) == OK


async def test_refused_tables() -> None:
    async with faulty("refuse=ST12:ISC", "refuse=ST15") as (client, _):
        await client.log_on()
        assert await client.request(full_read(12)) == ISC
        assert await client.request(full_read(15)) == IAR


async def test_truncated_and_oversized_tables() -> None:
    async with faulty("truncate=ST64:1000", "truncate=ST23", "wrong_size=ST12") as (client, meter):
        await client.log_on()
        whole = meter.application.image.octets(64, meter.true_us()) or b""
        assert await client.read(64) == whole[:1000]
        assert await client.request(offset_read(64, 990, 20)) == IAR
        assert len(await client.read(23)) == len(meter.application.image.octets(23, meter.true_us()) or b"") // 2
        assert len(await client.read(12)) == 4 * 4 + 3


async def test_session_forgotten_once() -> None:
    async with faulty("isss_after=4") as (client, _):
        await client.log_on()  # Identify, Logon, Security
        assert await client.read(5)
        assert await client.request(full_read(5)) == ISSS
        client.toggle = 0
        await client.log_on()
        assert await client.read(5)


async def test_bad_table_checksum() -> None:
    async with faulty("bad_checksum=1") as (client, _):
        await client.log_on()
        spoilt = await client.request(full_read(5))
        assert sum(spoilt[3:]) % 256 != 0
        assert await client.read(5) == spoilt[3:-1]


async def test_nonsense_has_good_crcs() -> None:
    async with faulty("nonsense") as (client, _):
        answer = await client.request(IDENTIFY)  # the client checks the CRC
        assert len(answer) == 5
        assert answer != bytes.fromhex("00 00 01 00 00")


async def test_toggle_that_never_moves() -> None:
    async with faulty("no_toggle") as (client, _):
        await client.log_on()
        await client.read(5)
        assert set(client.toggles_seen) == {0}


async def test_silence() -> None:
    async with faulty("silence") as (client, _):
        await client.send(packet(IDENTIFY))
        assert await nothing_within(client, 0.1)


async def test_silence_after_so_many_bytes() -> None:
    async with faulty("silence_after=7") as (client, _):
        await client.send(packet(IDENTIFY))
        assert (await client.take(7))[:2] == b"\x06\xee"
        assert await nothing_within(client, 0.1)


async def test_a_dropped_connection_comes_back() -> None:
    async with faulty("drop_after=20") as (client, meter):
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await client.log_on()
        async with connected(meter.address) as again:
            assert (await again.raw(packet(b"\x21"), 1)) == b"\x06"


async def test_a_dropped_terminal_is_gone() -> None:
    async with faulty("drop_after=20", tcp=None) as (client, _):
        with pytest.raises((asyncio.IncompleteReadError, OSError)):
            await client.log_on()


async def test_late_answers_are_late() -> None:
    async with faulty("late=0.3") as (client, _):
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert (await client.request(IDENTIFY))[0] == 0
        assert loop.time() - began >= 0.3


async def test_damage_is_seeded() -> None:
    async def damaged(seed: int) -> bytes:
        async with (
            running_meter(young("minimal", NOW), now=NOW, tcp=0, faults=["garble=0.3"], rate=0, seed=seed) as meter,
            connected(meter.address) as client,
        ):
            await client.send(b"\x06" * 7 + packet(IDENTIFY))
            return await client.take(1)  # some kind of answer: ACK or NAK, damaged or not

    assert await damaged(3) == await damaged(3)


async def test_lost_bytes_end_in_a_nak() -> None:
    async with faulty("lose=0.2") as (client, _):
        good = packet(IDENTIFY)
        seen = b""
        for _ in range(40):
            await client.send(good)
            try:
                async with asyncio.timeout(1.0):
                    seen += await client.reader.read(100)
            except TimeoutError:
                continue
            if b"\x15" in seen:
                break
        assert b"\x15" in seen


async def test_clock_offset_shows_in_st52() -> None:
    async with faulty("clock_offset=3600") as (client, meter):
        await client.log_on()
        clock = await client.read(52)
        assert clock[:6] == bytes([26, 11, 21, 11, 7, 33])
        assert meter.truth().clock_offset_s == 3600


async def test_test_mode_shows_in_st03_and_st63() -> None:
    async with faulty("test_mode") as (client, _):
        await client.log_on()
        assert (await client.read(3))[0] == 3
        assert (await client.read(63))[0] & 0x40


def test_scenario_says_how_a_read_past_the_end_is_answered() -> None:
    assert load_scenario("big-endian-float-bcd").layout.past_end == "short"


async def test_short_answer_past_the_end() -> None:
    async with faulty(scenario="big-endian-float-bcd") as (client, _):
        await client.log_on()
        whole = await client.read(5)
        assert table_data(await client.request(offset_read(5, 8, 100))) == whole[8:]
        assert await client.request(offset_read(5, 10, 1)) == IAR


async def test_blocks_by_index_where_the_meter_can() -> None:
    async with faulty(scenario="commercial-4ch") as (client, _):
        await client.log_on("READ-ONLY")
        size = len(await client.request(offset_read(64, 0, 1000)))
        assert size == 1004
        answer = await client.request(b"\x31" + (64).to_bytes(2, "big") + b"\x00\x02" + b"\x00\x01")
        assert table_data(answer)[:900] == table_data(await client.request(offset_read(64, 2 * 1093, 900)))


async def test_a_table_read_in_parts_is_one_snapshot() -> None:
    async with (
        running_meter(young("profile-35d", NOW), now=NOW, tcp=0, rate=100_000) as meter,
        connected(meter.address) as client,
    ):
        await client.log_on()
        first = table_data(await client.request(offset_read(23, 0, 14)))
        second = table_data(await client.request(offset_read(23, 14, 14)))
        truth = meter.truth_of_table(23)
        registers = [r for r in truth.registers if r.table == "ST23"]
        octets = first + second
        assert [int.from_bytes(octets[at : at + 6], "little") for at in (1, 7)] == [r.raw for r in registers[:2]]
        assert meter.now() - truth.at < timedelta(days=20)


def test_the_clients_crc_is_the_published_one() -> None:
    assert crc(b"123456789") == bytes.fromhex("6E90")
