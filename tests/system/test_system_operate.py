"""A service in the middle of a profile on a slow line: told to read its configuration again, and told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.keys import create_device_key
from tests.forwarding.forwarding_kit import free_port
from tests.system.world import meter, password_file, simulator

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

LOGOFF, TERMINATE = b"\x52", b"\x21"  # C12.18 §5
PROFILE = (b"\x3f\x00\x40", b"\x30\x00\x40")  # the Read services, of ST64
STOPS_WITHIN_S = 10
CONFIG = """\
[agent]
agent_id = "gw-0007"
state_directory = "state"
[clock]
sources = ["ntp"]
ntp = ["{ntp}"]
[schedule]
spread = "1s"
[metrics]
listen = "127.0.0.1:{metrics}"
{meters}
"""
HOUSE = """
[[meters]]
name = "house"
url = "tcp://127.0.0.1:{port}"
every = "{every}"
whole_profile = true
expected_meter_id = "87654321"
password_file = "residential-tou.password"
"""
SHED = """
[[meters]]
name = "shed"
url = "{url}"
every = "10s"
expected_meter_id = "M-1"
"""


@dataclass
class Wire:
    """What lies between the agent and its meter, and hears both."""

    port: int = 0
    sent: list[bytearray] = field(default_factory=list)  # to the meter, of each connection
    answered: list[bytearray] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_in_profile(self, connection: int) -> None:
        """Wait until the profile is on the line."""
        while True:
            self.heard.clear()
            begun = len(self.sent) > connection and any(service in self.sent[connection] for service in PROFILE)
            if begun:
                return
            await self.heard.wait()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, into: bytearray) -> None:
        try:
            while octets := await reader.read(4_096):
                into += octets
                self.heard.set()
                writer.write(octets)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: tuple[str, int]) -> None:
        there, back = await asyncio.open_connection(*to)
        self.sent.append(bytearray())
        self.answered.append(bytearray())
        await asyncio.gather(self.carry(reader, back, self.sent[-1]), self.carry(there, writer, self.answered[-1]))


@asynccontextmanager
async def wire(address: str) -> AsyncIterator[Wire]:
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    found = Wire()
    server = await asyncio.start_server(lambda r, w: found.connected(r, w, (host, int(port))), "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()


@asynccontextmanager
async def agent(config: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    command = [sys.executable, "-m", "agent.cli.main", "run", "--config", str(config), "--log", "text"]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, env={**os.environ, "TZ": "UTC"}
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def told(process: asyncio.subprocess.Process, *parts: str) -> list[str]:
    """Read the log until each part was in a line of it."""
    assert process.stderr is not None
    found, missing = list[str](), set(parts)
    while missing:
        line = (await process.stderr.readline()).decode()
        assert line, (missing, found)
        found.append(line)
        missing -= {part for part in missing if part in line}
    return found


async def figures(port: int) -> dict[str, float]:
    """Ask as Prometheus does."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    _, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    lines = [line.rpartition(" ") for line in body.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def packets(octets: bytes) -> Iterator[bytes]:
    """Yield the data of each packet (C12.18 §4): EE, identity, control, sequence, length, data, CRC; ACKs between."""
    at = 0
    while at < len(octets):
        if octets[at] != 0xEE:
            at += 1
            continue
        length = int.from_bytes(octets[at + 4 : at + 6], "big")
        yield octets[at + 6 : at + 6 + length]
        at += 8 + length


async def test_a_reload_drops_no_read_and_a_stop_leaves_the_meter_logged_off(tmp_path: Path) -> None:
    file = tmp_path / "mrsp.toml"
    (tmp_path / "state").mkdir(mode=0o700)
    create_device_key(tmp_path / "state" / "keys")
    with ExitStack() as stack:
        ntp = stack.enter_context(simulator("ntp")).split()[0]
        house = stack.enter_context(meter("--tcp", "0", "--scenario", "residential-tou", "--baud-pace"))
        shed = stack.enter_context(meter("--pty", "--scenario", "minimal"))
        password_file(tmp_path, "residential-tou")
        metrics = free_port()

        def configure(every: str, more: str = "") -> None:
            meters = HOUSE.format(port=line.port, every=every) + more
            file.write_text(CONFIG.format(ntp=ntp, metrics=metrics, meters=meters))

        async with wire(house) as line:
            configure("10s")
            async with agent(file) as process:
                await line.until_in_profile(0)
                configure("11s", SHED.format(url=shed))
                process.send_signal(signal.SIGHUP)
                log = await told(process, "changed meters: house", "house: reading", "shed: reading")
                assert len(line.sent) == 1, "the visit under way was not begun anew"
                order = [next(i for i, one in enumerate(log) if part in one) for part in ("changed", "house: reading")]
                assert order == sorted(order)
                told_of = await figures(metrics)
                assert told_of['mrsp_reads_total{outcome="complete"}'] >= 2
                assert told_of["mrsp_line_payload_bytes_total"] > 4_000
                assert told_of["mrsp_clock_proven"] == 1
                file.write_text("[agent]\n")
                process.send_signal(signal.SIGHUP)
                await told(process, "is not taken over, and nothing changes")
                await line.until_in_profile(1)
                process.send_signal(signal.SIGTERM)
                async with asyncio.timeout(STOPS_WITHIN_S):
                    await process.wait()
                assert process.returncode == 0
            last = list(packets(bytes(line.sent[1])))
            assert last[-2:] == [LOGOFF, TERMINATE]
            assert list(packets(bytes(line.answered[1])))[-2:] == [b"\x00", b"\x00"], "the meter agreed to both"
