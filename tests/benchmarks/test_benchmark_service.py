"""What `mrsp run` costs a gateway: memory while it waits, and how fast it keeps and forwards."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from agent.config import load_config
from agent.keeping import open_spool
from tests.benchmarks.figures import Figures
from tests.benchmarks.gateway import Gateway, Meter, resident_mb, wait_for
from tests.forwarding.forwarding_kit import AGENT, fill
from tests.system.world import meter, simulator

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(180)]

BOUND_MB = 64
DOCUMENTS = 300
PADDING = 4_000
IDLE = [Meter("/dev/ttyUSB0"), Meter("/dev/ttyUSB1"), Meter("tcp://10.0.0.5:4001")]


def test_an_idle_service_is_small(figures: Figures, tmp_path: Path) -> None:
    with simulator("ntp") as ntp:
        gateway = Gateway.create(tmp_path, ntp=ntp, meters=IDLE)
        with gateway.agent() as agent:
            assert agent.stderr is not None
            wait_for(agent.stderr, "next attempt in")
            unconnected = resident_mb(agent.pid)
        with gateway.broker() as log, gateway.agent() as agent:
            wait_for(log, f"Received PUBLISH from {AGENT}")  # its status: all is under way
            connected = resident_mb(agent.pid)
    figures.assert_below("`mrsp run` idle, no broker", unconnected, "MB", below=BOUND_MB, note="VmRSS, 3 meters")
    figures.assert_below("`mrsp run` idle, connected", connected, "MB", below=BOUND_MB, note="VmRSS, 3 meters, TLS")


def test_a_service_that_has_read_and_forwarded_is_small(figures: Figures, tmp_path: Path) -> None:
    with simulator("ntp") as ntp, meter("--pty", "--scenario", "profile-35d") as address:
        gateway = Gateway.create(tmp_path, ntp=ntp, meters=[Meter(address, due_in_s=10), *IDLE[1:]])
        with gateway.broker(), gateway.mdsp() as events, gateway.agent() as agent:
            next(event for event in events if event.get("verdict") == "new" and event.get("kind") == "readings")
            after = resident_mb(agent.pid)
    figures.assert_below("  after reading and forwarding 35 days", after, "MB", below=BOUND_MB, note="VmRSS")


def test_how_fast_documents_are_kept_and_forwarded(figures: Figures, tmp_path: Path) -> None:
    with simulator("ntp") as ntp:
        gateway = Gateway.create(tmp_path, ntp=ntp, meters=IDLE)
        kept_s = asyncio.run(kept(gateway.config))
        with gateway.broker(), gateway.mdsp() as events, gateway.agent():
            began = time.perf_counter()
            verified: list[str] = []
            while len(verified) < DOCUMENTS:
                event = next(events)
                if event.get("verdict") == "new":
                    verified.append(event["id"])
            drained_s = time.perf_counter() - began
    assert len(set(verified)) == DOCUMENTS
    note = f"{DOCUMENTS} documents of {PADDING} octets: sealed, encrypted, synced to disk"
    figures.tell("spool: documents kept", DOCUMENTS / kept_s, "/s", note=note)
    figures.tell("  forwarded to the MDSP and verified there", DOCUMENTS / drained_s, "/s", note="from READY=1 on")


async def kept(config: Path) -> float:
    """Put documents into the spool; return the seconds that it took."""
    async with open_spool(load_config(config)) as (spool, _):
        began = time.perf_counter()
        await fill(spool, DOCUMENTS, padding=PADDING)
        return time.perf_counter() - began
