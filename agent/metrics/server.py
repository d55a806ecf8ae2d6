"""The figures over HTTP: `GET /metrics`, nothing else. One answer a connection, few at once, nobody is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from agent.errors import LocalTrouble
from agent.metrics.exposition import CONTENT_TYPE
from drivers.errors import MrspError

PATH = "/metrics"
MOST_AT_ONCE = 4
MOST_OCTETS = 8_192  # of a request's head
REQUEST_S = 5.0
ANSWER_S = 10.0

Telling = Callable[[], Awaitable[str]]

_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}
_log = logging.getLogger("agent.metrics")


async def serve_metrics(
    host: str, port: int, text: Telling, *, listening: Callable[[int], None] = lambda _port: None
) -> None:
    """Serve until cancelled; `listening` is told the port. Raises `LocalTrouble` if the address cannot be had."""
    under_way: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(under_way) >= MOST_AT_ONCE:
            writer.transport.abort()
            return
        task = asyncio.create_task(_attend(reader, writer, text), name="metrics")
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    try:
        server = await asyncio.start_server(connected, host, port, limit=MOST_OCTETS)
    except OSError as error:
        raise LocalTrouble(
            f"{host}:{port} cannot be listened on for `[metrics]`: {error.strerror}", advice="take another port"
        ) from error
    try:
        listening(server.sockets[0].getsockname()[1])
        await asyncio.get_running_loop().create_future()
    finally:
        server.close()
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def _attend(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: Callable[[], Awaitable[str]]
) -> None:
    """Answer one request. A client that is slow, or gone, costs nothing but its connection."""
    try:
        async with asyncio.timeout(REQUEST_S):
            head = await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(ANSWER_S):
            writer.write(await _answer(head, text))
            await writer.drain()
    except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        _log.debug("a request for the figures came to nothing: %r", error)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _answer(head: bytes, text: Telling) -> bytes:
    words = head.partition(b"\r\n")[0].split(b" ")
    if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
        return _response(400, b"not a request of HTTP/1.1\n")
    if words[1].partition(b"?")[0] != PATH.encode():
        return _response(404, b"the figures are at /metrics\n")
    if words[0] not in {b"GET", b"HEAD"}:
        return _response(405, b"GET or HEAD\n")
    try:
        body = (await text()).encode()
    except MrspError as error:
        _log.warning("the figures cannot be given: %s", error)
        return _response(503, b"the spool cannot be asked\n")
    return _response(200, body, CONTENT_TYPE, bare=words[0] == b"HEAD")


def _response(status: int, body: bytes, kind: str = "text/plain; charset=utf-8", *, bare: bool = False) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    lines += ["Cache-Control: no-store", "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + (b"" if bare else body)
