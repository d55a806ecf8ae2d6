"""The reference MDSP stops when it is told to, also at the very moment at which its broker goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt
import pytest

from metersim.mdsp import Mdsp, MdspConfig
from metersim.mdsp_store import MdspStore
from metersim.pki import create_pki


class Broker:
    """Stands for a client whose connection breaks when `gone` is set."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    async def subscribe(self, _topic: str, qos: int) -> list[int]:
        return [qos]

    @property
    def messages(self) -> Broker:
        return self

    def __aiter__(self) -> Broker:
        return self

    async def __anext__(self) -> None:
        await self.gone.wait()
        raise aiomqtt.MqttError("connection lost")


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancellation_is_not_lost_in_a_broken_connection(
    turns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the order of both: `turns` of the event loop lie between them."""
    pki = create_pki(tmp_path / "pki", now=datetime.now(UTC))
    store = MdspStore(tmp_path / "mdsp.db")
    mdsp = Mdsp(MdspConfig(pki, "localhost", 8883), store, lambda _event: None)
    broker = Broker()

    @asynccontextmanager
    async def connected(_config: MdspConfig, _identifier: str) -> AsyncIterator[Broker]:
        yield broker

    monkeypatch.setattr("metersim.mdsp.mdsp_client", connected)
    running = asyncio.create_task(mdsp.run())
    await mdsp.ready.wait()
    broker.gone.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait({running})
    assert running.cancelled()
    store.close()
