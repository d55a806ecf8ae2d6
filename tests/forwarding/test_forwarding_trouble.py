"""A broker that stands still, a line of a few kilobytes a second, a revoked certificate, deliveries that come twice."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent.forward.mqtt import MqttDialer
from agent.forward.trouble import Cause, ForwardTrouble
from metersim.pki import Pki
from tests.forwarding.forwarding_kit import AGENT, DRAIN_S, World, fill

pytestmark = pytest.mark.system


def revocations(pki: Pki, directory: Path) -> Path:
    """Return a list of the authority's that revokes the agent's certificate."""
    key = serialization.load_pem_private_key((pki.directory / "ca.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    authority = x509.load_pem_x509_certificate(pki.ca.read_bytes())
    certificate = x509.load_pem_x509_certificate((pki.device(AGENT) / "device-cert.pem").read_bytes())
    now = datetime.now(UTC)
    entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(now).build()
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.subject)
    builder = builder.last_update(now - timedelta(days=1)).next_update(now + timedelta(days=1))
    path = directory / "revoked.pem"
    path.write_bytes(
        builder.add_revoked_certificate(entry).sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    return path


async def test_our_certificate_was_revoked_and_is_good_again(world: World) -> None:
    broker = await world.broker(extra=f"crlfile {revocations(world.pki, world.directory)}")
    spool = await world.spool()
    ids = await fill(spool, 3)
    with pytest.raises(ForwardTrouble) as caught:
        async with MqttDialer(world.settings, agent_id=AGENT, timeout_s=2.0).dial(b"{}"):
            pytest.fail("connected")
    assert caught.value.cause is Cause.CLIENT_CERTIFICATE
    assert "mrsp keys status" in caught.value.advice
    assert (await spool.status()).depth == 3
    await broker.kill()
    broker.extra = ""
    await broker.start()
    async with world.mdsp():
        await world.forwarder(spool).drain(DRAIN_S)
    assert [one for _, one, _ in world.stored()] == ids


class Told(logging.Handler):
    """Lets a test wait for the first line of a log."""

    def __init__(self) -> None:
        super().__init__()
        self._line = asyncio.Event()

    def emit(self, _record: logging.LogRecord) -> None:
        self._line.set()

    async def wait(self) -> None:
        await self._line.wait()


@pytest.fixture
def told() -> Iterator[Told]:
    """What the forwarder logs."""
    handler, logger = Told(), logging.getLogger("agent.forward")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


async def test_a_broker_that_stands_still_for_a_while_costs_nothing(world: World, told: Told) -> None:
    broker = await world.broker()
    spool = await world.spool()
    ids = await fill(spool, 60)
    async with world.mdsp():
        forwarder = world.forwarder(spool, window=5, resend_s=0.5, timeout_s=1.0)
        draining = asyncio.create_task(forwarder.drain(DRAIN_S))
        await world.until(lambda: len(world.events) >= 10)
        assert broker.process is not None
        broker.process.send_signal(signal.SIGSTOP)
        await told.wait()  # it notices by itself: a publish is not taken in time
        broker.process.send_signal(signal.SIGCONT)
        await draining
    assert await spool.is_empty()
    assert [(seq, one) for seq, one, _ in world.stored()] == list(enumerate(ids, start=1))
    assert world.findings() == []


@asynccontextmanager
async def narrow(port: int, *, octets: int) -> AsyncIterator[int]:
    """Run a proxy to `port` that passes on so few octets at a time, one way after the other; yield its port."""
    pumps: set[asyncio.Task[None]] = set()
    turn = asyncio.Lock()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(octets):
                async with turn:
                    writer.write(chunk)
                    await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        for source, target in ((reader, back), (there, writer)):
            pumps.add(asyncio.create_task(pump(source, target)))

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, limit=octets)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await listening.wait_closed()
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


async def test_a_narrow_line_carries_everything_in_order(world: World) -> None:
    broker = await world.broker()
    spool = await world.spool(encrypt=True)
    ids = await fill(spool, 30, padding=20_000)
    async with world.mdsp(), narrow(broker.port, octets=512) as port:
        world.point_at(port)
        await world.forwarder(spool).drain(DRAIN_S)
    assert [(seq, one, deliveries) for seq, one, deliveries in world.stored()] == [
        (number, one, 1) for number, one in enumerate(ids, start=1)
    ]


async def test_a_delivery_that_comes_twice_counts_once(world: World) -> None:
    """The acknowledgements are late, so the agent sends again what the MDSP has."""
    await world.broker()
    spool = await world.spool()
    ids = await fill(spool, 8)
    forwarder = world.forwarder(spool, resend_s=0.0)
    running = asyncio.create_task(forwarder.run())
    try:
        async with world.mdsp():
            await world.until(lambda: {event.get("verdict") for event in world.events} >= {"new"})
            await world.until(lambda: len({event["id"] for event in world.events}) == len(ids))
            while not await spool.is_empty():
                spool.changed.clear()
                await spool.changed.wait()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [(seq, one) for seq, one, _ in world.stored()] == list(enumerate(ids, start=1))
    assert world.findings() == []
