"""The C12.21 side of the simulated meter, seen by a client that shares no code with it."""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from drivers.errors import UsageError
from metersim.meter import RunningMeter, Serving, load_scenario, parse_faults, parse_scenario, running_meter
from metersim.meter.command import add_arguments
from metersim.meter.meter_line import meter_line, serve_multidrop
from metersim.meter.scenario import Key, with_standard
from tests.metersim.raw_client import (
    ACK,
    ERR,
    IDENTIFY,
    ISSS,
    LOGOFF,
    LOGON,
    OK,
    SNS,
    TERMINATE,
    RawClient,
    connected,
    full_read,
    packet,
    security,
    table_data,
)  # fmt: skip
from tests.young_meters import young

NOW = datetime(2026, 11, 3, 17, 20, tzinfo=UTC)
DISCONNECT = b"\x22"
TIMING = bytes.fromhex("71 1E 01 04 03")
KEY = b"00000000"


def des(key: bytes, block: bytes) -> bytes:
    encryptor = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()  # noqa: S305 - one block
    return encryptor.update(block) + encryptor.finalize()


def ticket_in(answer: bytes) -> bytes:
    """Of an answer to Identify whose first feature is 02 (authentication type 1, DES, 8 octets)."""
    assert answer[:2] == b"\0\2"
    assert answer[4:8] == bytes((2, 1, 0, 8))
    assert answer[16:] == b"\0"
    return answer[8:16]


def authenticate(key: bytes, ticket: bytes, key_id: int = 0) -> bytes:
    return bytes((0x53, 9, key_id)) + des(key, ticket)


@asynccontextmanager
async def meter(
    name: str = "minimal", standard: str = "c1221", faults: Sequence[str] = (), **psem: Any
) -> AsyncIterator[tuple[RawClient, RunningMeter]]:
    scenario = with_standard(young(name, NOW), standard)
    scenario = msgspec.structs.replace(scenario, psem=msgspec.structs.replace(scenario.psem, **psem))
    async with (
        running_meter(scenario, now=NOW, tcp=0, faults=faults, rate=0) as running,
        connected(running.address) as client,
    ):
        yield client, running


async def logged_on(client: RawClient) -> bytes:
    """Identify and log on; the ticket."""
    ticket = ticket_in(await client.request(IDENTIFY))
    assert await client.request(LOGON) == OK
    return ticket


# -- authenticate


async def test_who_knows_the_key_is_let_in_and_gets_a_proof() -> None:
    async with meter() as (client, _):
        ticket = await logged_on(client)
        answer = await client.request(authenticate(KEY, ticket))
        assert answer == bytes((0, 9, 0)) + des(KEY, des(KEY, ticket))
        assert table_data(await client.request(full_read(23)))


async def test_a_ticket_is_good_for_one_try() -> None:
    async with meter(lockout=0) as (client, running):
        ticket = await logged_on(client)
        assert await client.request(authenticate(b"wrongkey", ticket)) == ERR
        assert await client.request(authenticate(KEY, ticket)) == ERR
        assert await client.request(TERMINATE) == OK
        assert await logged_on(client) != ticket
        assert await client.request(authenticate(KEY, ticket)) == ERR
        assert running.application.keyring.refused == 3


async def test_wrong_keys_lock_the_port_as_wrong_passwords_do() -> None:
    async with meter(lockout=2) as (client, running):
        for _ in range(2):
            ticket = await logged_on(client)
            assert await client.request(authenticate(b"wrongkey", ticket)) == ERR
            assert await client.request(TERMINATE) == OK
        ticket = await logged_on(client)
        assert await client.request(authenticate(KEY, ticket)) == ERR
        assert await client.request(security("00000000")) == ERR
        assert running.application.keyring.tries == 3


async def test_each_password_makes_a_key_with_its_level() -> None:
    async with meter("residential-tou") as (client, running):
        ticket = await logged_on(client)
        second = running.meter.scenario.psem.passwords[1]
        assert (await client.request(authenticate(second.password.encode().ljust(8, b"\0")[:8], ticket, 1)))[0] == 0
        assert running.application._level == 2


async def test_keys_of_the_scenario_stand_in_for_those() -> None:
    key = bytes.fromhex("133457799BBCDFF1")
    async with meter(keys=(Key(key_id=7, key=key.hex(), level=1),)) as (client, _):
        ticket = await logged_on(client)
        assert (await client.request(authenticate(key, ticket, 7)))[:3] == bytes((0, 9, 7))


async def test_a_meter_may_give_no_ticket_or_know_no_security() -> None:
    async with meter(ticket=False) as (client, _):
        assert (await client.request(IDENTIFY))[4:] == bytes((1, 1, 0, 0))
    async with meter(security=False) as (client, _):
        await logged_on(client)
        assert await client.request(security("00000000")) == SNS


@pytest.mark.parametrize("body", [b"\x53", b"\x53\x00", b"\x53\x09\x00", b"\x53\x03abc", b"\x53\x08" + bytes(8)])
async def test_what_is_no_key_id_and_cipher_is_refused(body: bytes) -> None:
    async with meter() as (client, _):
        await logged_on(client)
        assert await client.request(body) == ERR


async def test_authenticate_belongs_to_the_session() -> None:
    async with meter() as (client, _):
        assert await client.request(authenticate(KEY, bytes(8))) == ISSS
        ticket = ticket_in(await client.request(IDENTIFY))
        assert await client.request(authenticate(KEY, ticket)) == ISSS


async def test_the_fault_wrong_proof() -> None:
    async with meter(faults=["wrong_proof"]) as (client, _):
        ticket = await logged_on(client)
        answer = await client.request(authenticate(KEY, ticket))
        assert answer[:3] == bytes((0, 9, 0))
        assert answer[3:] != des(KEY, des(KEY, ticket))


# -- the other services


@pytest.mark.parametrize("request_", [TIMING, authenticate(KEY, bytes(8)), DISCONNECT])
async def test_a_c12_18_meter_knows_none_of_them(request_: bytes) -> None:
    async with meter(standard="c1218") as (client, _):
        assert await client.request(request_) == SNS
        assert await client.request(IDENTIFY) == bytes((0, 0, 1, 0, 0))
        assert await client.request(request_) == SNS
        assert await client.request(LOGON) == OK
        assert await client.request(request_) == SNS


async def test_timing_setup_in_the_id_state() -> None:
    async with meter() as (client, running):
        assert await client.request(TIMING) == ISSS
        await client.request(IDENTIFY)
        assert await client.request(bytes.fromhex("71 3C 02 08 05")) == bytes.fromhex("00 3C 02 08 05")
        assert await client.request(bytes.fromhex("71 00 02 08 05")) == ERR
        assert await client.request(LOGON) == OK
        assert running.line._session._link._timing.channel_traffic_s == 60
        assert await client.request(TIMING) == ISSS
        assert await client.request(TERMINATE) == OK
        await client.request(IDENTIFY)
        assert running.line._session._link._timing.channel_traffic_s == 30


async def test_the_fault_timing_tries() -> None:
    async with meter(faults=["timing_tries"]) as (client, _):
        await client.request(IDENTIFY)
        assert await client.request(bytes.fromhex("71 1E 01 04 00")) == bytes.fromhex("00 1E 01 04 04")
        assert await client.request(bytes.fromhex("71 1E 01 04 01")) == bytes.fromhex("00 1E 01 04 01")


async def test_a_meter_that_knows_no_timing_setup() -> None:
    async with meter(timing_setup=False) as (client, _):
        await client.request(IDENTIFY)
        assert await client.request(TIMING) == SNS


async def test_disconnect_ends_the_session_and_the_call() -> None:
    async with meter() as (client, running):
        await logged_on(client)
        assert await client.request(DISCONNECT) == OK
        assert await client.reader.read() == b""
        async with connected(running.address) as again:
            assert (await again.request(IDENTIFY))[0] == 0


async def test_terminate_keeps_the_call() -> None:
    async with meter() as (client, _):
        await logged_on(client)
        assert await client.request(LOGOFF) == OK
        assert await client.request(TERMINATE) == OK
        assert (await client.request(IDENTIFY))[0] == 0


async def test_a_probe_stays_where_it_is_after_disconnect() -> None:
    scenario = with_standard(young("minimal", NOW), "c1221")
    async with running_meter(scenario, now=NOW, rate=0) as running:
        for _ in range(2):
            async with connected(running.address) as client:
                await client.request(IDENTIFY)
                assert await client.request(DISCONNECT) == OK


# -- several on one line


def on_one_line(standard: str = "c1221") -> Serving:
    return Serving(with_standard(young("minimal", NOW), standard), NOW, tcp=0, rate=0)


async def test_only_the_meter_that_is_addressed_answers() -> None:
    async with serve_multidrop(on_one_line(), 3) as meters, connected(meters[0].address) as client:
        assert len({meter.address for meter in meters}) == 1
        for identity in (2, 1, 3):
            answer = await client.raw(packet(IDENTIFY, identity=identity), 26)
            assert answer[:3] == bytes((ACK, 0xEE, identity))
            await client.send(bytes([ACK]))
        sessions = [meter.line._session.state.value for meter in meters]
        assert sessions == ["ID", "ID", "ID"]


async def test_identity_0_means_the_first() -> None:
    async with serve_multidrop(on_one_line(), 2) as meters, connected(meters[0].address) as client:
        assert (await client.raw(packet(IDENTIFY), 26))[1:3] == bytes((0xEE, 1))


async def test_more_meters_than_identities() -> None:
    with pytest.raises(UsageError, match="256 meters"):
        async with serve_multidrop(on_one_line(), 256):
            pass


# -- a line in this process


async def test_a_meter_behind_any_byte_line() -> None:
    said = bytearray()
    hung_up = asyncio.Event()
    came = asyncio.Event()

    async def send(chunk: bytes) -> None:
        said.extend(chunk)
        came.set()

    async def until(octets: int) -> bytes:
        async with asyncio.timeout(10):
            while len(said) < octets:
                came.clear()
                await came.wait()
        got = bytes(said)
        said.clear()
        return got

    async with meter_line([on_one_line()], send, hung_up.set) as line:
        for octet in packet(IDENTIFY):
            line.received(bytes([octet]))
        assert (await until(26))[:2] == bytes((ACK, 0xEE))
        line.received(bytes([ACK]))
        line.carrier_lost()
        assert line.meters[0].line._session.state.value == "Base"
        line.received(packet(IDENTIFY))  # the next call
        assert (await until(26))[:2] == bytes((ACK, 0xEE))
        line.received(bytes([ACK]))
        line.received(packet(DISCONNECT, 0x20))
        assert await until(10)
        line.received(bytes([ACK]))
        async with asyncio.timeout(10):
            await hung_up.wait()


# -- the command and the scenario


def test_the_command_knows_the_standard_and_the_multidrop_line() -> None:
    parser = ArgumentParser()
    add_arguments(parser)
    args = parser.parse_args(["--standard", "c1221", "--multidrop", "3"])
    assert (args.standard, args.multidrop) == ("c1221", 3)


def test_a_key_is_there_once() -> None:
    key = '[[psem.keys]]\nkey_id = 1\nkey = "133457799BBCDFF1"\n'
    text = (resources.files("metersim") / "scenarios" / "minimal.toml").read_text("utf-8")
    assert parse_scenario(f"{text}\n{key}", "keys.toml").psem.keys
    with pytest.raises(UsageError, match="key 1 is there twice"):
        parse_scenario(f"{text}\n{key}{key}", "keys.toml")


def test_timers_are_those_of_the_standard_unless_said() -> None:
    assert load_scenario("minimal").psem.traffic_s is None
    assert parse_faults(["timing-tries"]).timing_tries
