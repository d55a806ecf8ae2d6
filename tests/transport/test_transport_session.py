"""Whole PSEM sessions: over an echoing probe on a bad line, into a recording, and out of it again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.psem.client import PsemClient
from drivers.psem.options import PsemOptions
from drivers.secret import Secret
from drivers.transport import Transport, start_recording
from drivers.transport.echoing import EchoTransport
from drivers.transport.recording_file import read_sessions
from drivers.transport.replay import ReplayTransport
from drivers.transport.urls import EchoMode, ReplayAddress
from tests.transport.virtual_meter import TABLE, VirtualMeter, VirtualTimeLoop

PASSWORD = b"Sesame-42-Sesame"


@pytest.fixture
def loop() -> Iterator[VirtualTimeLoop]:
    loop = VirtualTimeLoop()
    yield loop
    loop.close()


async def visit(transport: Transport, loop: VirtualTimeLoop) -> int:
    """Read a table in a session of its own; return how often something had to be repeated."""
    try:
        async with PsemClient(transport, PsemOptions(packet_size=128), clock=loop.time).session(
            Secret(PASSWORD)
        ) as client:
            assert await client.read_offset(64, 0, len(TABLE)) == TABLE
        counted = client.statistics
        return counted.retries + counted.naks + counted.bad_packets + counted.recoveries
    finally:
        await transport.close()


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_an_echo_on_a_clean_line_costs_nothing(loop: VirtualTimeLoop, mode: EchoMode) -> None:
    async def run() -> None:
        transport = EchoTransport(VirtualMeter(seed=1, rate=0.0, echo=True), mode)
        assert await visit(transport, loop) == 0
        assert transport.echo == "on"
        assert transport.echo_counts.removed > 100
        assert transport.echo_counts.damaged == 0

    loop.run_until_complete(run())


@pytest.mark.parametrize("echo", [True, False])
def test_every_visit_at_three_damaged_octets_in_a_thousand_succeeds(loop: VirtualTimeLoop, *, echo: bool) -> None:
    async def run() -> None:
        for seed in range(20):
            repeated = await visit(EchoTransport(VirtualMeter(seed=seed, rate=0.003, echo=echo), "auto"), loop)
            assert repeated > 0  # there was damage, and it was made good

    loop.run_until_complete(run())


@pytest.mark.parametrize("pace", ["fast", "real"])
def test_a_visit_on_a_bad_line_replays_exactly_and_its_recording_tells_no_password(
    loop: VirtualTimeLoop, tmp_path: Path, pace: str
) -> None:
    async def run() -> None:
        for seed in range(10):
            path = tmp_path / f"{seed}.rec"
            line = EchoTransport(VirtualMeter(seed=seed, rate=0.003, echo=True), "auto")
            live = await visit(start_recording(line, path, monotonic_ns=lambda: int(loop.time() * 1e9)), loop)
            (session,) = read_sessions(path)
            address = ReplayAddress(str(path), "real" if pace == "real" else "fast")
            assert await visit(ReplayTransport(address, session), loop) == live

    loop.run_until_complete(run())
    for path in tmp_path.glob("*.rec"):
        content = path.read_text()
        assert "**" in content
        assert not any(PASSWORD[at : at + 3].hex() in content for at in range(len(PASSWORD) - 2))
