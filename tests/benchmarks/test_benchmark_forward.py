"""Forwarding against a plain publisher: the same payloads, the same broker; ours with seal, spool and signed ack."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import aiomqtt
import pytest

from agent.forward.over_mqtt import mqtt_forwarder
from agent.forward.settings import ForwardSettings
from agent.keys import MdspKeys, load_device_key
from agent.seal import Sealer
from agent.spool import Spool
from metersim.pki import Pki
from tests.benchmarks import acker
from tests.benchmarks.figures import Figures
from tests.benchmarks.gateway import Gateway, wait_for
from tests.forwarding.forwarding_kit import AGENT, reading

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(300)]

DOCUMENTS = range(1, 3_001)
PADDING = 8_500  # sealed some 12,000 octets, which is the mean of the simulated meters' readings (5,800 to 91,000)
AT_ONCE = 16  # visits that end together: as many as run at once by default
LEAST_SHARE = 0.5  # of the plain publisher's rate
ROUNDS = 4  # the best of each is compared: other load on the machine only ever slows


@contextmanager
def mdsp(gateway: Gateway) -> Iterator[None]:
    """Run what signs for the documents."""
    command = [sys.executable, "-m", acker.__name__, str(gateway.directory / "pki"), str(gateway.port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        wait_for(process.stdout, "ready")
        try:
            yield
        finally:
            process.terminate()


async def sealed_and_spooled(gateway: Gateway, name: str) -> tuple[float, float, list[bytes]]:
    """Seal and keep a backlog, forward it until all is signed for; return seconds to keep, to forward, the payloads."""
    pki = Pki(gateway.directory / "pki")
    device = pki.device(AGENT)
    settings = ForwardSettings(
        host="localhost",
        port=gateway.port,
        ca=str(pki.ca),
        certificate=str(device / "device-cert.pem"),
        key=str(device / "device-key.pem"),
    )
    sealer = Sealer(load_device_key(device))
    async with await Spool.open(gateway.directory / name, agent_id=AGENT, sealer=sealer) as spool:
        documents = made()
        began = time.perf_counter()
        await fill_together(spool, documents)
        kept_s = time.perf_counter() - began
        payloads = [one.body for one in await spool.pending(len(DOCUMENTS))]
        began = time.perf_counter()
        await mqtt_forwarder(spool, settings, MdspKeys(pki.mdsp_jwks)).drain(120)
        return kept_s, time.perf_counter() - began, payloads


def made() -> dict[str, bytes]:
    """Return readings that are ready but for their number, by id."""
    return {name: reading(AGENT, name, 1, padding=PADDING) for name in map("reading-{:04d}".format, DOCUMENTS)}


async def fill_together(spool: Spool, documents: dict[str, bytes]) -> None:
    """Add documents as visits do that end together."""
    left = iter(documents.items())

    async def visit() -> None:
        for name, document in left:
            await spool.add("reading", name, partial(_numbered, document))

    await asyncio.gather(*(visit() for _ in range(AT_ONCE)))


def _numbered(document: bytes, sequence: int) -> bytes:
    return document.replace(b'"sequence": 1,', b'"sequence": %d,' % sequence, 1)


async def published(gateway: Gateway, payloads: list[bytes], *, at_once: int) -> float:
    """Publish `payloads` as anyone would; return the seconds."""
    pki = Pki(gateway.directory / "pki")
    tls = ssl.create_default_context(cafile=pki.ca)
    tls.load_cert_chain(pki.device(AGENT) / "device-cert.pem", pki.device(AGENT) / "device-key.pem")
    topic = f"mrsp/v1/{AGENT}/readings"
    async with aiomqtt.Client(
        "localhost", gateway.port, identifier=AGENT, tls_context=tls, protocol=aiomqtt.ProtocolVersion.V5
    ) as client:
        began = time.perf_counter()
        for start in range(0, len(payloads), at_once):
            batch = payloads[start : start + at_once]
            await asyncio.gather(*(client.publish(topic, one, qos=1) for one in batch))
        return time.perf_counter() - began


def test_forwarding_keeps_up_with_a_plain_publisher(figures: Figures, tmp_path: Path) -> None:
    gateway = Gateway.create(tmp_path, ntp="127.0.0.1:123", meters=[])
    kept, forwarded, total, plain = [], [], [], []
    octets = 0
    with gateway.broker():
        for number in range(ROUNDS):
            with mdsp(gateway):
                kept_s, forwarded_s, payloads = asyncio.run(sealed_and_spooled(gateway, f"spool{number}.db"))
            kept.append(len(DOCUMENTS) / kept_s)
            forwarded.append(len(DOCUMENTS) / forwarded_s)
            total.append(len(DOCUMENTS) / (kept_s + forwarded_s))
            octets = len(payloads[0])
            fastest = 0.0
            for at_once in (1, 20):
                with mdsp(gateway):
                    taken_s = asyncio.run(published(gateway, payloads, at_once=at_once))
                fastest = max(fastest, len(DOCUMENTS) / taken_s)
            plain.append(fastest)
    figures.tell(
        "forward: a plain aiomqtt publisher, QoS 1", max(plain), "/s", note=f"{octets} octets, 1 or 20 at once"
    )
    figures.tell("  sealed and kept in the spool", max(kept), "/s", note=f"{AT_ONCE} visits end at once")
    figures.tell("  forwarded, signed for and let go", max(forwarded), "/s")
    share = max(total) / max(plain)
    note = f"{max(total):.0f}/s, of seal, spool, publish and signed ack in turn"
    figures.assert_at_least("  share of the plain publisher's rate", share, at_least=LEAST_SHARE, note=note)
