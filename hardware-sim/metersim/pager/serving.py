"""The gateway's door: HTTP on a loopback port, its answers spoiled on request; and pushes to who wants them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ssl import SSLContext

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from drivers.errors import DataError
from drivers.pager.wctp_decode import decode
from drivers.pager.wctp_encode import encode
from drivers.pager.wctp_values import Confirmation, Success
from metersim.pager.gateway import STRANGE, Account, WctpGateway

PATH = "/wctp"
HUGE = 10 * 1024 * 1024
_HTML = b"<html><body><h1>It works!</h1></body></html>"
_XML = {"Content-Type": "text/xml"}
_STRANGE = f'<wctp-Message sequenceNo="{STRANGE}"><wctp-LookupResponse responseToMessageID="1"/></wctp-Message>'
_ENTITIES = (
    b'<!DOCTYPE wctp-Operation [<!ENTITY a "b">]><wctp-Operation wctpVersion="wctp-dtd-v1r3">&a;</wctp-Operation>'
)


class Door:
    """Takes posts for one gateway."""

    def __init__(self, gateway: WctpGateway, *, silence_s: float = 30.0) -> None:
        self.gateway = gateway
        self.requests: list[bytes] = []
        self.closing = asyncio.Event()
        self._silence_s = silence_s

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Answer one post, as well or as badly as the faults say."""
        body = await request.read()
        self.requests.append(body)
        kind = self.gateway.kind_of(body)
        fault = self.gateway.faults.spoil(kind) or ""
        failure = int(fault.removeprefix("code-")) if fault.startswith("code-") else None
        answer = self.gateway.handle(body, failure=failure, lose=fault == "lose")
        return await self._spoiled(request, fault, answer)

    async def _spoiled(self, request: web.Request, fault: str, answer: bytes) -> web.StreamResponse:
        match fault:
            case "silence":
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._silence_s):
                        await self.closing.wait()
                return web.Response(body=answer, headers=_XML)
            case "close":
                if request.transport is not None:
                    request.transport.abort()
                return web.Response()
            case "huge":
                return web.Response(body=answer[:-20] + b" " * HUGE + answer[-20:], headers=_XML)
            case "http-500" | "lose":
                return web.Response(status=500, body=_HTML, content_type="text/html")
            case "http-404":
                return web.Response(status=404, body=_HTML, content_type="text/html")
            case _:
                return web.Response(body=_changed(fault, answer), headers=_XML)


def _changed(fault: str, answer: bytes) -> bytes:
    text = answer.decode()
    changes = {
        "empty": b"",
        "html": _HTML,
        "truncated": answer[: len(answer) // 2],
        "entities": _ENTITIES,
        "utf-16": text.replace('encoding="utf-8"', 'encoding="utf-16"').encode("utf-16"),
        "latin-1": text.replace('encoding="utf-8"', 'encoding="iso-8859-1"').encode("latin-1", "xmlcharrefreplace"),
        "strange": text.replace("<wctp-Message ", f"{_STRANGE}<wctp-Message ", 1).encode(),
    }
    return changes.get(fault, answer)


@asynccontextmanager
async def serving(
    door: Door, *, port: int = 0, host: str = "127.0.0.1", tls: SSLContext | None = None
) -> AsyncIterator[str]:
    """Serve until the block ends; give the URL to post to. Raises `OSError` for a port that is taken."""
    app = web.Application(client_max_size=HUGE)
    app.router.add_post(PATH, door.post)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=tls)
        await site.start()
        bound = runner.addresses[0][1]
        yield f"http{'s' if tls else ''}://{host}:{bound}{PATH}"
    finally:
        door.closing.set()
        await runner.cleanup()


class Pusher:
    """Pushes what waits for an account to its customer, again and again until each message is confirmed."""

    def __init__(self, gateway: WctpGateway, account: Account, url: str, *, again_s: float = 1.0) -> None:
        self._gateway = gateway
        self._account = account
        self._url = url
        self._again_s = again_s
        self._wake = asyncio.Event()
        self.confirmed: list[str] = []  # sequence numbers
        gateway.incoming = lambda _account: self._wake.set()

    async def run(self) -> None:
        """Push until cancelled."""
        async with ClientSession(timeout=ClientTimeout(total=10)) as session:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._account.outbox:
                    if not await self._push_first(session):
                        await asyncio.sleep(self._again_s)

    async def _push_first(self, session: ClientSession) -> bool:
        number, message = next(iter(self._account.outbox.items()))
        try:
            async with session.post(self._url, data=encode(message), headers=_XML) as response:
                operation = decode(await response.read()).operation
        except (ClientError, OSError, TimeoutError, DataError):
            return False  # an empty answer is no confirmation, either
        if not isinstance(operation, Confirmation) or not isinstance(operation.result, Success):
            return False
        self._account.outbox.pop(number, None)
        self.confirmed.append(number)
        return True
