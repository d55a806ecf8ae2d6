"""A month without a link: what piled up is drained in order, in memory that does not grow with it."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agent.forward.over_mqtt import mqtt_forwarder
from agent.forward.settings import ForwardSettings
from agent.keys import MdspKeys, load_device_key
from agent.seal import Sealer
from agent.spool import Spool
from metersim.pki import Pki
from tests.benchmarks.gateway import resident_mb
from tests.forwarding.forwarding_kit import AGENT, reading

BUDGET_OCTETS = 1 << 40
AT_ONCE = 50
LOOK_EVERY = 2_000  # documents


@dataclass(frozen=True, slots=True)
class Drained:
    """What it took. Memory in megabytes: when the forwarder began, and the most that was seen from then on."""

    documents: int
    kept_s: float
    drained_s: float
    began_mb: float
    most_mb: float


async def drain_backlog(directory: Path, port: int, documents: int, *, limit_s: float) -> Drained:
    """Fill a spool while nothing listens, then forward it all. The broker and what signs must be running by then."""
    pki = Pki(directory / "pki")
    device = pki.device(AGENT)
    settings = ForwardSettings(
        host="localhost",
        port=port,
        ca=str(pki.ca),
        certificate=str(device / "device-cert.pem"),
        key=str(device / "device-key.pem"),
    )
    sealer, path = Sealer(load_device_key(device)), directory / "backlog.db"
    async with await Spool.open(path, agent_id=AGENT, sealer=sealer, budget_octets=BUDGET_OCTETS) as spool:
        began = time.monotonic()
        await _fill(spool, documents)
        kept_s = time.monotonic() - began
    async with await Spool.open(path, agent_id=AGENT, sealer=sealer, budget_octets=BUDGET_OCTETS) as spool:
        forwarder = mqtt_forwarder(spool, settings, MdspKeys(pki.mdsp_jwks))
        sizes = [resident_mb(os.getpid())]
        watching = asyncio.create_task(_watch(spool, sizes))
        began = time.monotonic()
        try:
            await forwarder.drain(limit_s)
        finally:
            watching.cancel()
        return Drained(documents, kept_s, time.monotonic() - began, sizes[0], max(sizes))


async def _fill(spool: Spool, documents: int) -> None:
    numbers = iter(range(1, documents + 1))

    async def visits() -> None:
        for number in numbers:
            name = f"reading-{number:04d}"
            await spool.add("reading", name, partial(reading, AGENT, name))

    await asyncio.gather(*(visits() for _ in range(AT_ONCE)))


async def _watch(spool: Spool, sizes: list[float]) -> None:
    while True:
        for _ in range(LOOK_EVERY // AT_ONCE):
            spool.changed.clear()
            await spool.changed.wait()
        sizes.append(resident_mb(os.getpid()))


def report(drained: Drained) -> list[str]:
    """Return what to print."""
    n = drained.documents
    return [
        f"{n} documents: sealed and kept in {drained.kept_s:.0f} s ({n / drained.kept_s:.0f}/s),"
        f" drained in {drained.drained_s:.0f} s ({n / drained.drained_s:.0f}/s), in order",
        f"memory {drained.began_mb:.1f} MB when it began, at most {drained.most_mb:.1f} MB",
    ]
