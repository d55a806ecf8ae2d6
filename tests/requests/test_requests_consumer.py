"""The example consumer, twice, behind a real broker: a document goes to one of them, is kept once, and acknowledged."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from metersim.pki import add_agent, create_pki
from tests.forwarding.forwarding_kit import AGENT, DRAIN_S, World, fill

pytestmark = pytest.mark.system
EXAMPLE = Path(__file__).parents[2] / "examples" / "mdsp_consumer.py"


class Said:
    """What the consumers say, line by line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._more = asyncio.Event()

    def add(self, line: str) -> None:
        self.lines.append(line)
        self._more.set()

    async def wait_for(self, word: str) -> None:
        while True:
            self._more.clear()
            if any(word in line for line in self.lines):
                return
            await self._more.wait()


@asynccontextmanager
async def consumer(world: World, name: str, said: Said) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLE),
        str(world.pki.directory),
        "localhost",
        str(world.settings.port),
        str(world.directory / "example.db"),
        name,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    stdout = process.stdout
    assert (await stdout.readline()).decode() == f"{name} ready\n"

    async def listen() -> None:
        async for line in stdout:
            said.add(line.decode().strip())

    listening = asyncio.create_task(listen())
    try:
        yield
    finally:
        process.kill()
        await process.wait()
        await listening
        process._transport.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("encrypt", [False, True], ids=["signed", "encrypted"])
async def test_two_consumers_share_the_work_and_keep_everything_once(world: World, encrypt: bool) -> None:
    await world.broker()
    spool = await world.spool(encrypt=encrypt)
    said = Said()
    async with consumer(world, "one", said), consumer(world, "two", said):
        ids = await fill(spool, 40)
        await world.forwarder(spool).drain(DRAIN_S)
    assert await spool.is_empty()
    took = [line.split() for line in said.lines]
    assert {name for name, _, _ in took} == {"one", "two"}
    assert sorted(document_id for _, _, document_id in took) == ids
    assert all(word == "took" for _, word, _ in took)
    with sqlite3.connect(world.directory / "example.db") as db:
        rows = db.execute("SELECT agent, seq, id FROM document ORDER BY seq").fetchall()
    db.close()
    assert rows == [(AGENT, seq, one) for seq, one in enumerate(ids, start=1)]


async def test_what_does_not_hold_is_not_acknowledged(world: World, tmp_path: Path) -> None:
    """An agent that the MDSP does not know by this key stays unheard; the others go on."""
    stranger = create_pki(tmp_path / "stranger", now=datetime.now(UTC))
    add_agent(stranger, AGENT, now=datetime.now(UTC))
    await world.broker()
    spool = await world.spool()
    said = Said()
    async with consumer(world, "one", said):
        ids = await fill(spool, 1)
        known = world.pki.agents / f"{AGENT}.jwks"
        right = known.read_bytes()
        known.write_bytes((stranger.agents / f"{AGENT}.jwks").read_bytes())
        try:
            draining = asyncio.create_task(world.forwarder(spool, resend_s=0.2).drain(DRAIN_S))
            await said.wait_for("refused")
            assert not await spool.is_empty()
        finally:
            known.write_bytes(right)
        await draining
        await said.wait_for(f"took {ids[0]}")
    assert await spool.is_empty()
