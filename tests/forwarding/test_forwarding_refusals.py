"""Brokers that cannot be reached, or that refuse: each named for the operator, nothing lost, nothing left open."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from agent.errors import LocalTrouble
from agent.forward.mqtt import MqttDialer
from agent.forward.trouble import Cause, ForwardTrouble
from agent.keys import load_device_key
from metersim.pki import add_agent, create_pki, issue_certificate, issue_server
from tests.forwarding.forwarding_kit import AGENT, World, fill, free_port

pytestmark = pytest.mark.system


async def trouble_of(world: World, *, timeout_s: float = 5.0) -> ForwardTrouble:
    """Dial once; return what went wrong."""
    with pytest.raises(ForwardTrouble) as caught:
        async with MqttDialer(world.settings, agent_id=AGENT, timeout_s=timeout_s).dial(b"{}"):
            pytest.fail("connected")
    return caught.value


@asynccontextmanager
async def server(talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[int]:
    """A TCP server that is no broker; closes its connections at the end."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await talk(reader, writer)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for writer in writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)
        await listening.wait_closed()


@asynccontextmanager
async def fake_broker(world: World, answers: list[bytes]) -> AsyncIterator[asyncio.Event]:
    """A TLS peer that answers the first packets of each connection with `answers`; the event is set at the second."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=world.pki.ca)
    tls.load_cert_chain(world.pki.broker_certificate, world.pki.broker_key)
    again = asyncio.Event()
    connections: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        if len(connections) > 1:
            again.set()
        for answer in answers:
            await reader.read(4096)
            writer.write(answer)
        while await reader.read(4096):
            pass
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    world.point_at(listening.sockets[0].getsockname()[1])
    try:
        yield again
    finally:
        listening.close()
        for writer in connections:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in connections), return_exceptions=True)
        await listening.wait_closed()


async def test_nothing_listens(world: World) -> None:
    world.point_at(free_port())
    trouble = await trouble_of(world)
    assert trouble.cause is Cause.REFUSED
    assert f"localhost:{world.settings.port}" in str(trouble)


async def test_the_name_is_not_known(world: World) -> None:
    world.point_at(8883, host="broker.invalid")
    assert (await trouble_of(world)).cause is Cause.NAME


async def test_the_certificate_is_of_another_host(world: World) -> None:
    certificate, key = issue_server(
        world.pki, "elsewhere", now=datetime.now(UTC), hosts=["elsewhere.example"], valid=timedelta(days=1)
    )
    await world.broker(certificate=certificate, key=key)
    trouble = await trouble_of(world)
    assert trouble.cause is Cause.SERVER_CERTIFICATE
    assert "localhost" in trouble.message


async def test_the_certificate_of_the_broker_has_expired(world: World) -> None:
    certificate, key = issue_server(
        world.pki, "expired", now=datetime.now(UTC), hosts=["localhost"], valid=timedelta(days=-1)
    )
    await world.broker(certificate=certificate, key=key)
    trouble = await trouble_of(world)
    assert trouble.cause is Cause.SERVER_CERTIFICATE
    assert "expired" in trouble.message


async def test_the_broker_is_of_an_authority_we_do_not_know(world: World) -> None:
    await world.broker()
    other = create_pki(world.directory / "other", now=datetime.now(UTC))
    world.point_at(world.settings.port, ca=str(other.ca))
    assert (await trouble_of(world)).cause is Cause.SERVER_CERTIFICATE


async def test_our_certificate_is_of_an_authority_the_broker_does_not_know(world: World) -> None:
    await world.broker()
    other = create_pki(world.directory / "other", now=datetime.now(UTC))
    device = add_agent(other, AGENT, now=datetime.now(UTC))
    files = {"certificate": str(device / "device-cert.pem"), "key": str(device / "device-key.pem")}
    world.point_at(world.settings.port, **files)
    trouble = await trouble_of(world, timeout_s=2.0)
    assert trouble.cause is Cause.CLIENT_CERTIFICATE
    assert "refuses our certificate" in trouble.message


async def test_our_certificate_has_expired(world: World) -> None:
    await world.broker()
    ours = load_device_key(world.pki.device(AGENT)).public_key().public_key
    expired = world.directory / "expired.pem"
    expired.write_bytes(issue_certificate(world.pki, AGENT, ours, now=datetime.now(UTC), valid=timedelta(days=-1)))
    world.point_at(world.settings.port, certificate=str(expired))
    trouble = await trouble_of(world, timeout_s=2.0)
    assert trouble.cause is Cause.CLIENT_CERTIFICATE
    assert "refuses our certificate" in trouble.message


async def test_the_port_does_not_speak_tls(world: World) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"220 mail.example ESMTP\r\n")

    async with server(talk) as port:
        world.point_at(port)
        assert (await trouble_of(world)).cause is Cause.NOT_TLS


async def test_the_peer_hangs_up_in_the_handshake(world: World) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    async with server(talk) as port:
        world.point_at(port)
        assert (await trouble_of(world)).cause is Cause.LOST


async def test_a_stop_does_not_wait_for_a_silent_peer(world: World) -> None:
    reached = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        reached.set()

    spool = await world.spool()
    async with server(talk) as port:
        world.point_at(port)
        running = asyncio.create_task(world.forwarder(spool).run())
        await reached.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert running.cancelled()


async def test_a_topic_that_the_broker_forbids_is_named(world: World) -> None:
    async with fake_broker(world, [b"\x20\x03\x00\x00\x00", b"\x90\x04\x00\x01\x00\x87"]):
        trouble = await trouble_of(world)
    assert trouble.cause is Cause.NOT_AUTHORISED
    assert f"mdsp/v1/{AGENT}/acks" in trouble.message


@pytest.mark.parametrize(
    ("code", "cause"), [(0x87, Cause.NOT_AUTHORISED), (0x86, Cause.NOT_AUTHORISED), (0x89, Cause.REFUSED)]
)
async def test_a_refused_connection_is_named(world: World, code: int, cause: Cause) -> None:
    async with fake_broker(world, [bytes([0x20, 3, 0, code, 0])]):
        assert (await trouble_of(world)).cause is cause


async def test_a_broker_that_knows_no_version_of_ours_is_named(world: World) -> None:
    async with fake_broker(world, [b"\x20\x02\x00\x01"]):
        world.point_at(world.settings.port, protocol="5")
        assert (await trouble_of(world)).cause is Cause.VERSION


async def test_a_broker_that_never_answers_is_named(world: World) -> None:
    async with fake_broker(world, []):
        trouble = await trouble_of(world, timeout_s=0.3)
    assert trouble.cause is Cause.TIMED_OUT
    assert "timed out or certificate refused" in trouble.message


async def test_a_broker_that_takes_nothing_and_one_that_drops_are_left(world: World) -> None:
    spool = await world.spool()
    await fill(spool, 1)
    forwarder = world.forwarder(spool, timeout_s=0.3)
    granted = [b"\x20\x03\x00\x00\x00", b"\x90\x04\x00\x01\x00\x01"]
    async with fake_broker(world, granted) as silent:
        forwarder = world.forwarder(spool, timeout_s=0.3)
        running = asyncio.create_task(forwarder.run())
        await silent.wait()  # it has connected a second time
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert forwarder.trouble is not None
    assert forwarder.trouble.cause in {Cause.TIMED_OUT, Cause.LOST}
    assert (await spool.status()).depth == 1


async def test_a_publish_that_the_broker_forbids_looks_taken_and_stays_in_the_spool(world: World) -> None:
    acl = world.directory / "acl"
    acl.write_text(f"user {AGENT}\ntopic read mdsp/v1/{AGENT}/acks\n")
    acl.chmod(0o700)
    await world.broker(extra=f"acl_file {acl}")
    spool = await world.spool()
    await fill(spool, 2)
    with pytest.raises(ForwardTrouble, match="2 documents are not acknowledged"):
        await world.forwarder(spool).drain(0.5)
    assert (await spool.status()).depth == 2


@pytest.mark.parametrize(
    ("change", "match"), [("ca", "no certificate file"), ("certificate", "no certificate file"), ("key", "there is no")]
)
async def test_our_own_files_are_named_when_missing(world: World, change: str, match: str) -> None:
    world.point_at(8883, **{change: str(world.directory / "missing.pem")})
    with pytest.raises(LocalTrouble, match=match):
        async with MqttDialer(world.settings, agent_id=AGENT).dial(b"{}"):
            pass


async def test_a_certificate_of_another_key_is_named(world: World) -> None:
    world.point_at(8883, certificate=str(world.pki.mdsp_certificate))
    with pytest.raises(LocalTrouble, match="do not fit"):
        async with MqttDialer(world.settings, agent_id=AGENT).dial(b"{}"):
            pass


async def test_an_open_password_file_is_refused(world: World) -> None:
    password = world.directory / "password"
    password.write_text("secret\n")
    password.chmod(0o644)
    world.point_at(8883, username="u", password_file=str(password))
    with pytest.raises(LocalTrouble, match="open to other users"):
        async with MqttDialer(world.settings, agent_id=AGENT).dial(b"{}"):
            pass
