"""What the package costs a gateway that has no serial line, and which names it promises."""

from __future__ import annotations

import subprocess
import sys

import drivers.transport

TCP_ONLY = """
import asyncio, sys
from drivers.transport import open_transport

async def main():
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    line = await open_transport("tcp://127.0.0.1:%d" % server.sockets[0].getsockname()[1])
    await line.close()
    server.close()
    await server.wait_closed()

asyncio.run(main())
print([name for name in ("serialx", "termios") if name in sys.modules])
"""


def test_a_line_over_tcp_does_not_load_the_serial_library() -> None:
    run = subprocess.run([sys.executable, "-c", TCP_ONLY], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_public_names() -> None:
    assert sorted(drivers.transport.__all__) == [
        "LineAddress",
        "RecordingTransport",
        "Transport",
        "fastest_baud",
        "open_transport",
        "parse_url",
        "start_recording",
    ]
