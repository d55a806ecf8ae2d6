"""Debian's ser2net in front of a serial device."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from drivers.errors import LineLost
from drivers.transport import Transport, open_transport


def ser2net() -> str | None:
    return shutil.which("ser2net") or shutil.which("ser2net", path="/usr/sbin:/sbin")


@asynccontextmanager
async def real_ser2net(device: str, folder: Path) -> AsyncIterator[str]:
    """Run ser2net in front of `device`; yields where it listens, once it does."""
    program = ser2net()
    assert program is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    configuration = folder / "ser2net.yaml"
    configuration.write_text(
        "%YAML 1.1\n---\nconnection: &meter\n"
        f"  accepter: telnet(rfc2217),tcp,127.0.0.1,{port}\n"
        f"  connector: serialdev,{device},9600n81,local\n"
    )
    process = await asyncio.create_subprocess_exec(
        program, "-n", "-c", str(configuration), "-P", str(folder / "pid"), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                assert process.returncode is None, "ser2net ended"
            else:
                writer.close()
                await writer.wait_closed()
                break
        yield f"rfc2217://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def opened_when_free(url: str, options: Mapping[str, str]) -> Transport:
    """Open the line; ser2net takes one client at a time, and a moment to let go of the one before."""
    while True:
        try:
            return await open_transport(url, options)
        except LineLost:  # it has answered that it is still in use
            pass
