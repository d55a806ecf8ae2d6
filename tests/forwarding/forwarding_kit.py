"""A world of its own for each test: broker, MDSP, agent with spool, on free ports of this machine."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent.forward.forwarder import Forwarder
from agent.forward.mqtt import MqttDialer
from agent.forward.settings import ForwardSettings
from agent.forward.window import SendWindow
from agent.keys import MdspKeys, load_device_key
from agent.seal import Sealer
from agent.spool import Spool
from metersim.mdsp import Mdsp, MdspConfig, Trouble
from metersim.mdsp_store import MdspStore
from metersim.pki import Pki

AGENT = "gw-0001"
MOSQUITTO = "/usr/sbin/mosquitto"
DRAIN_S = 30.0  # far more than it takes; a test that needs it fails


def reading(agent_id: str, reading_id: str, sequence: int, *, padding: int = 0) -> bytes:
    """Return a minimal reading document."""
    return json.dumps(
        {
            "schema": "mrsp.reading/1",
            "reading_id": reading_id,
            "agent_id": agent_id,
            "sequence": sequence,
            "purpose": "cycle",
            "method": "optical",
            "read_started_at": "2026-11-21T10:00:00Z",
            "read_finished_at": "2026-11-21T10:00:09Z",
            "meter": {"meter_id": "00012345"},
            "clock": {"agent_source": "none", "corrected": False},
            "registers": [{"value": "12345.678", "padding": "x" * padding}],
            "checks": [],
        }
    ).encode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Broker:
    """A real mosquitto with client certificates required; `port` stays the same over restarts."""

    pki: Pki
    directory: Path
    port: int = field(default_factory=free_port)
    certificate: Path | None = None
    key: Path | None = None
    extra: str = ""
    process: asyncio.subprocess.Process | None = None
    log: list[str] = field(default_factory=list)

    async def start(self) -> None:
        config = self.directory / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\n"
            f"cafile {self.pki.ca}\n"
            f"certfile {self.certificate or self.pki.broker_certificate}\n"
            f"keyfile {self.key or self.pki.broker_key}\n"
            "require_certificate true\nuse_identity_as_username true\nuser root\nlog_dest stderr\nlog_type all\n"
            f"{self.extra}\n"
        )
        self.process = await asyncio.create_subprocess_exec(
            MOSQUITTO, "-c", str(config), stderr=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
        )
        await self.wait_for_log("running")
        self._follower = asyncio.create_task(self._follow())

    async def wait_for_log(self, text: str) -> None:
        assert self.process is not None
        assert self.process.stderr is not None
        while line := (await self.process.stderr.readline()).decode():
            self.log.append(line)
            if text in line:
                return
        pytest.fail("mosquitto ended: " + "".join(self.log))

    async def _follow(self) -> None:
        assert self.process is not None
        assert self.process.stderr is not None
        while line := (await self.process.stderr.readline()).decode():
            self.log.append(line)

    async def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            await self.process.wait()
            await self._follower
            self.process._transport.close()  # type: ignore[attr-defined]
            self.process = None


@dataclass
class World:
    """Everything around one agent."""

    pki: Pki
    directory: Path
    stack: AsyncExitStack
    settings: ForwardSettings
    events: list[dict[str, Any]] = field(default_factory=list)
    happened: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for the MDSP to report events until `condition` holds."""
        while True:
            self.happened.clear()
            if condition():
                return
            await self.happened.wait()

    async def broker(self, **options: Any) -> Broker:
        """Start a mosquitto and point the agent at it."""
        broker = Broker(self.pki, self.directory, **options)
        self.stack.push_async_callback(broker.kill)
        await broker.start()
        self.point_at(broker.port)
        return broker

    def point_at(self, port: int, **changes: Any) -> None:
        given = {name: getattr(self.settings, name) for name in self.settings.__struct_fields__}
        self.settings = ForwardSettings(**{**given, "port": port, **changes})

    @asynccontextmanager
    async def mdsp(self, trouble: Trouble | None = None, *, mqtt5: bool = True) -> AsyncIterator[Mdsp]:
        """Run the reference MDSP; what it stores stays over its restarts."""
        store = MdspStore(self.directory / "mdsp.db")
        config = MdspConfig(self.pki, "localhost", self.settings.port, mqtt5=mqtt5, trouble=trouble or Trouble())
        loop = asyncio.get_running_loop()

        def report(event: dict[str, Any]) -> None:
            self.events.append(event)
            loop.call_soon_threadsafe(self.happened.set)

        mdsp = Mdsp(config, store, report)
        running = asyncio.create_task(mdsp.run())
        try:
            await mdsp.ready.wait()
            yield mdsp
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            store.close()

    async def spool(self, *, encrypt: bool = False) -> Spool:
        keys = self.mdsp_keys()
        key = load_device_key(self.pki.device(AGENT))
        sealer = Sealer(key, lambda: keys.load().encryption if encrypt else None)
        spool = await Spool.open(self.directory / "spool.db", agent_id=AGENT, sealer=sealer)
        return await self.stack.enter_async_context(spool)

    def mdsp_keys(self) -> MdspKeys:
        return MdspKeys(self.pki.mdsp_jwks)

    def forwarder(
        self, spool: Spool, *, resend_s: float = 30.0, window: int = 20, timeout_s: float = 15.0, impatient: bool = True
    ) -> Forwarder:
        """Return a forwarder; `impatient` ones wait next to nothing between attempts."""
        dialer = MqttDialer(self.settings, agent_id=AGENT, timeout_s=timeout_s)
        return Forwarder(
            spool,
            dialer.dial,
            self.mdsp_keys(),
            window=SendWindow(window, (resend_s,)),
            jitter=lambda _low, _high: 0.02 if impatient else 1.0,
        )

    def stored(self) -> list[tuple[int, str, int]]:
        """Return (link, id, deliveries) of what the MDSP has."""
        store = MdspStore(self.directory / "mdsp.db")
        try:
            return [(one.seq, one.document_id, one.deliveries) for one in store.documents(AGENT)]
        finally:
            store.close()

    def findings(self) -> list[str]:
        store = MdspStore(self.directory / "mdsp.db")
        try:
            return store.findings()
        finally:
            store.close()


async def fill(spool: Spool, count: int, *, start: int = 1, padding: int = 0) -> list[str]:
    """Add `count` readings; return their ids."""
    ids = [f"reading-{number:04d}" for number in range(start, start + count)]
    for reading_id in ids:

        def build(sequence: int, one: str = reading_id) -> bytes:
            return reading(AGENT, one, sequence, padding=padding)

        await spool.add("reading", reading_id, build)
    return ids
