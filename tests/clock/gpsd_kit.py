"""A real gpsd of our own, listening to a simulated receiver on a pty."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from agent.clock.settings import Server
from metersim.gnss import GnssReceiver, Reception

GPSD = shutil.which("gpsd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def free_tcp_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


@asynccontextmanager
async def gpsd_with(reception: Reception) -> AsyncIterator[tuple[Server, GnssReceiver]]:
    """Run gpsd in the foreground (`-N`), without writing to the receiver (`-b`), polling it at once (`-n`)."""
    assert GPSD is not None
    receiver = GnssReceiver(reception)
    running = asyncio.create_task(receiver.run())
    server = Server("127.0.0.1", free_tcp_port())
    process = await asyncio.create_subprocess_exec(
        GPSD, "-N", "-n", "-b", "-S", str(server.port), receiver.path, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await _listens(server)
        yield server, receiver
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        receiver.close()


async def _listens(server: Server) -> None:
    """Wait until it takes connections."""
    for _ in range(20_000):
        try:
            _, writer = await asyncio.open_connection(server.host, server.port)
        except ConnectionRefusedError:
            continue
        writer.close()
        await writer.wait_closed()
        return
    pytest.fail("gpsd does not listen")
