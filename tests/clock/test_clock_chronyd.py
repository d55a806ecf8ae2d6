"""A real chronyd: asked over NTP, and asked about its own clock through chronyc. None touches the system clock."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.clock import ClockSettings, NoTime, SystemClock, TimeSample, chrony, prove, read_instant
from agent.clock.ntp import Asking, ask
from agent.clock.settings import Server
from metersim.ntp import Behaviour, NtpServer

CHRONYD = shutil.which("chronyd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
CHRONYC = shutil.which("chronyc")
CLOCK = SystemClock()
ASKING = Asking(timeout_s=10)

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(CHRONYD is None or CHRONYC is None, reason="chrony is not installed"),
]


@dataclass(frozen=True, slots=True)
class Chronyd:
    """A running daemon: where it serves time, and how to ask it about its clock."""

    server: Server
    chronyc: tuple[str, ...]

    async def ready(self) -> None:
        """Wait until it answers commands: only its main loop does, and that runs when all its sockets are open."""
        for _ in range(200):
            process = await asyncio.create_subprocess_exec(
                *self.chronyc, "activity", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
            )
            if await process.wait() == 0:
                return
        pytest.fail("chronyd does not answer")

    async def synchronised(self) -> None:
        """Wait until it has selected a source (chronyc looks ten times a second)."""
        process = await asyncio.create_subprocess_exec(
            *self.chronyc, "waitsync", "300", "0", "0", "0.1", stdout=asyncio.subprocess.DEVNULL
        )
        assert await process.wait() == 0, "chronyd did not synchronise"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


def _write(folder: Path, lines: list[str]) -> None:
    folder.mkdir()
    (folder / "chrony.conf").write_text("\n".join(lines) + "\n")


@asynccontextmanager
async def chronyd(folder: Path, *directives: str) -> AsyncIterator[Chronyd]:
    """Run a chronyd of our own in the foreground: clock control off (`-x`), loopback only, no socket under /run."""
    assert CHRONYD is not None
    assert CHRONYC is not None
    port, command_port = free_port(), free_port()
    lines = [
        *directives,
        f"port {port}",
        "bindaddress 127.0.0.1",
        "allow 127.0.0.0/8",
        f"cmdport {command_port}",
        "bindcmdaddress 127.0.0.1",
        "bindcmdaddress /",
        f"pidfile {folder}/chronyd.pid",
        f"user {pwd.getpwuid(os.getuid()).pw_name}",
    ]
    await asyncio.to_thread(_write, folder, lines)
    process = await asyncio.create_subprocess_exec(
        CHRONYD, "-x", "-U", "-d", "-f", str(folder / "chrony.conf"), stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        async for line in process.stderr:
            if b"Disabled control of system clock" in line:
                break
        else:
            pytest.fail("chronyd did not start")
        daemon = Chronyd(Server("127.0.0.1", port), (CHRONYC, "-h", "127.0.0.1", "-p", str(command_port)))
        await daemon.ready()
        yield daemon
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def test_as_a_server(tmp_path: Path) -> None:
    async with chronyd(tmp_path / "a", "local stratum 3") as daemon:
        heard = await ask(daemon.server, CLOCK, ASKING)
    assert isinstance(heard, TimeSample), heard
    assert abs(heard.offset_s) <= heard.uncertainty_s
    assert heard.reference == "its own local clock"
    assert "stratum 3, 4 of 4 answers" in heard.detail


async def test_as_a_server_that_is_not_synchronised(tmp_path: Path) -> None:
    async with chronyd(tmp_path / "a") as daemon:
        heard = await ask(daemon.server, CLOCK, ASKING)
    assert isinstance(heard, NoTime)
    assert "not synchronised" in heard.reason


async def test_as_the_source_of_this_box(tmp_path: Path) -> None:
    async with (
        chronyd(tmp_path / "a", "local stratum 3") as upstream,
        chronyd(tmp_path / "b", f"server 127.0.0.1 port {upstream.server.port} iburst minpoll -4 maxpoll -4") as daemon,
    ):
        await daemon.synchronised()
        proof = await prove(ClockSettings(chronyc=daemon.chronyc), CLOCK)
    assert proof.synchronized, proof.reasons
    assert (proof.source, proof.reference) == ("chrony", "127.0.0.1")
    assert proof.uncertainty_s is not None
    assert proof.uncertainty_s < 1
    assert proof.permits("interval", read_instant(CLOCK)).allowed


async def test_as_a_source_that_follows_a_wrong_server(tmp_path: Path) -> None:
    """It says itself by how much the system clock differs: 90 s, and that it cannot be sure while correcting them."""
    wrong = NtpServer(Behaviour(offset_s=90))
    _, port = await wrong.start()
    try:
        async with chronyd(tmp_path / "b", f"server 127.0.0.1 port {port} iburst minpoll -4 maxpoll -4") as daemon:
            await daemon.synchronised()
            proof = await prove(ClockSettings(chronyc=daemon.chronyc), CLOCK)
    finally:
        wrong.close()
    assert proof.offset_s is not None
    assert abs(proof.offset_s + 90) < 1
    assert not proof.synchronized
    assert not proof.permits("interval", read_instant(CLOCK)).allowed
    assert proof.permits("cumulative", read_instant(CLOCK)).allowed


async def test_as_a_source_without_servers_or_with_its_own_clock_only(tmp_path: Path) -> None:
    async with chronyd(tmp_path / "a") as idle, chronyd(tmp_path / "b", "local stratum 3") as free:
        said = [await chrony.ask(daemon.chronyc, CLOCK, 30) for daemon in (idle, free)]
    assert all(isinstance(outcome, NoTime) for outcome in said)
    assert "has not synchronised" in str(said[0])
    assert "own clock" in str(said[1])


async def test_that_has_gone_away(tmp_path: Path) -> None:
    async with chronyd(tmp_path / "a", "local stratum 3") as daemon:
        pass
    heard = await chrony.ask(daemon.chronyc, CLOCK, 30)
    assert heard == NoTime("chrony", "chrony", "the daemon cannot be asked: 506 Cannot talk to daemon")
    assert await ask(daemon.server, CLOCK, ASKING) == NoTime("ntp", str(daemon.server), "Connection refused")


async def test_a_falseticker_among_three_real_servers(tmp_path: Path) -> None:
    liar = NtpServer(Behaviour(offset_s=-90))
    async with AsyncExitStack() as stack:
        stack.callback(liar.close)
        host, port = await liar.start()
        daemons = [await stack.enter_async_context(chronyd(tmp_path / name, "local stratum 2")) for name in ("a", "b")]
        servers = (str(daemons[0].server), f"{host}:{port}", str(daemons[1].server))
        proof = await prove(ClockSettings(ntp=servers, chronyc=("/nonexistent/chronyc",), ntp_timeout_s=10), CLOCK)
    assert proof.synchronized, proof.reasons
    assert proof.offset_s is not None
    assert abs(proof.offset_s) < 1
    assert proof.reasons[0].startswith(f"{host}:{port} is not believed")


async def test_chrony_against_a_liar_is_a_contradiction(tmp_path: Path) -> None:
    liar = NtpServer(Behaviour(offset_s=90))
    host, port = await liar.start()
    try:
        async with (
            chronyd(tmp_path / "a", "local stratum 3") as upstream,
            chronyd(
                tmp_path / "b", f"server 127.0.0.1 port {upstream.server.port} iburst minpoll -4 maxpoll -4"
            ) as daemon,
        ):
            await daemon.synchronised()
            proof = await prove(ClockSettings(chronyc=daemon.chronyc, ntp=(f"{host}:{port}",)), CLOCK)
    finally:
        liar.close()
    assert (proof.synchronized, proof.source) == (False, "none")
    assert "contradict" in proof.reasons[0]


async def test_that_is_sent_away_by_its_server(tmp_path: Path) -> None:
    """A kiss-o'-death to chronyd leaves it, and us, without a time."""
    kissing = NtpServer(Behaviour(kiss="DENY"))
    _, port = await kissing.start()
    async with chronyd(tmp_path / "a", f"server 127.0.0.1 port {port} iburst minpoll -4 maxpoll -4") as daemon:
        await kissing.was_asked.wait()
        proof = await prove(ClockSettings(chronyc=daemon.chronyc), CLOCK)
    kissing.close()
    assert (proof.synchronized, proof.source) == (False, "none")
    heard = proof.outcomes[0]
    assert isinstance(heard, NoTime)
    assert heard.cause == "waiting"


async def test_whose_server_cannot_be_reached(tmp_path: Path) -> None:
    nowhere = NtpServer(Behaviour(unreachable=True))
    _, port = await nowhere.start()
    async with chronyd(tmp_path / "a", f"server 127.0.0.1 port {port} iburst minpoll -4 maxpoll -4") as daemon:
        heard = await chrony.ask(daemon.chronyc, CLOCK, 30)
    nowhere.close()
    assert isinstance(heard, NoTime)
    assert "has not synchronised" in heard.reason


async def test_as_a_server_that_limits_how_often_it_is_asked(tmp_path: Path) -> None:
    """It answers once, then drops: one answer is a time all the same."""
    async with chronyd(tmp_path / "a", "local stratum 3", "ratelimit interval 3 burst 1 leak 10") as daemon:
        heard = await ask(daemon.server, CLOCK, Asking(timeout_s=0.3))
    assert isinstance(heard, TimeSample), heard
    assert "of 4 answers" in heard.detail


async def test_unreachable_servers_beside_it_change_nothing(tmp_path: Path) -> None:
    nowhere = NtpServer(Behaviour(unreachable=True))
    host, port = await nowhere.start()
    async with chronyd(tmp_path / "a", "local stratum 2") as daemon:
        proof = await prove(ClockSettings.asking([f"{host}:{port}", str(daemon.server)]), CLOCK)
    nowhere.close()
    assert proof.synchronized
    assert proof.outcomes[0] == NoTime("ntp", f"{host}:{port}", "Connection refused")
