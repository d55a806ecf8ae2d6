"""Take replies that a carrier pushes to us: an HTTP endpoint that confirms a message only once it is on the disk.

    async with push_endpoint(settings, keep) as url: …     # or: await serve_push(settings, keep)

An empty answer makes carriers keep a message and send it again, so every post gets a wctp-Confirmation.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.errors import DataError, UsageError
from drivers.key_file import refuse_open_key
from drivers.pager.jobs import Jobs, StoreTrouble
from drivers.pager.push_settings import PushSettings
from drivers.pager.wctp_client import report
from drivers.pager.wctp_decode import decode
from drivers.pager.wctp_encode import encode
from drivers.pager.wctp_values import (
    Confirmation,
    DtdSupport,
    Failure,
    MessageReply,
    Operation,
    StatusInfo,
    SubmitRequest,
    Success,
    Version,
    VersionQuery,
    VersionResponse,
)

if TYPE_CHECKING:
    from aiohttp import web

MOST_OCTETS = 262_144  # of one post
BODY_S = 30.0  # for a post to come in whole
MOST_AT_ONCE = 16  # posts; others wait
_log = logging.getLogger("drivers.pager")


async def serve_push(
    settings: PushSettings, keep: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> None:
    """Serve until cancelled. Raises `UsageError` for a port that is taken, `StoreTrouble` for the disk."""
    async with push_endpoint(settings, keep, now=now) as url:
        _log.info("replies of pagers are taken at %s", url)
        await asyncio.Event().wait()


@asynccontextmanager
async def push_endpoint(
    settings: PushSettings, keep: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> AsyncIterator[str]:
    """Serve while the block runs; give the URL. `keep` is where the visits keep their requests (`Task.keep`)."""
    try:
        from aiohttp import web  # noqa: PLC0415 - an optional library
    except ImportError as error:
        raise UsageError("pager replies need aiohttp", advice="pip install 'mrsp-agent[pager]'") from error
    tls = _tls(settings)
    async with Jobs.open(keep) as jobs:
        app = web.Application(client_max_size=MOST_OCTETS)
        app.router.add_post(settings.path, _Endpoint(settings, jobs, now).post)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, settings.listen, settings.port, ssl_context=tls).start()
            except OSError as error:
                where = f"{settings.listen} port {settings.port}"
                raise UsageError(f"replies cannot be taken at {where}: {error.strerror or error}") from error
            host, port = runner.addresses[0][:2]
            host = f"[{host}]" if ":" in host else host
            yield f"http{'s' if tls else ''}://{host}:{port}{settings.path}"
        finally:
            await runner.cleanup()


class _Endpoint:
    """Takes one post after the other, a few at once."""

    def __init__(self, settings: PushSettings, jobs: Jobs, now: Callable[[], datetime]) -> None:
        self._allowed = [ipaddress.ip_network(network) for network in settings.allow]
        self._jobs = jobs
        self._now = now
        self._room = asyncio.Semaphore(MOST_AT_ONCE)

    async def post(self, request: web.Request) -> web.Response:
        from aiohttp import web  # noqa: PLC0415 - an optional library

        if not self._may(request.remote):
            _log.warning("security: a push from %s, which is not allowed, was turned away", request.remote)
            return web.Response(status=403)
        async with self._room:
            status, answer = await self._answered(request)
        return web.Response(status=status, body=encode(answer), headers={"Content-Type": "text/xml"})

    async def _answered(self, request: web.Request) -> tuple[int, Operation]:
        from aiohttp import web  # noqa: PLC0415 - an optional library

        try:
            async with asyncio.timeout(BODY_S):
                body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return 413, _refusal(302, f"more than {MOST_OCTETS} octets")
        except TimeoutError:
            return 408, _refusal(301, "the message did not come in whole")
        try:
            return 200, await self._taken(decode(body, most=MOST_OCTETS).operation)
        except DataError as error:
            _log.warning("a push from %s is not usable: %s", request.remote, error.message)
            return 200, _refusal(302, error.message)
        except StoreTrouble:
            _log.exception("a push from %s cannot be kept, and is not confirmed", request.remote)
            return 200, _refusal(604, "not stored: send it again")

    async def _taken(self, operation: Operation) -> Operation:
        match operation:
            case MessageReply() | StatusInfo() | SubmitRequest():
                taken = await self._jobs.call(self._jobs.store.receive, (operation,), self._now())
                report(taken, "")
                return Confirmation(Success(200, "stored"))
            case VersionQuery():
                return VersionResponse("mrsp", tuple(DtdSupport(v.value) for v in Version), operation.inquirer)
            case _:
                return _refusal(300, "only replies and their statuses are taken here")

    def _may(self, remote: str | None) -> bool:
        try:
            address = ipaddress.ip_address(remote or "")
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._allowed)


def _refusal(code: int, text: str) -> Confirmation:
    return Confirmation(Failure(code, text[:200]))


def _tls(settings: PushSettings) -> ssl.SSLContext | None:
    if settings.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.certificate, settings.key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"the certificate {settings.certificate} cannot be used: {error}") from error
    refuse_open_key(settings.key or settings.certificate)  # without a file of its own it is beside the certificate
    return context
